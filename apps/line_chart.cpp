#include "apps/line_chart.h"

#include <algorithm>
#include <cmath>

#include "apps/svg.h"
#include "apps/text_table.h"

namespace schedbench {

namespace {

/// A logarithmic axis from `low` to `high` drawn between two pixels.
struct LogAxis {
    double first_pixel, last_pixel, low = INFINITY, high = 0;
    void take(double value) { low = std::min(low, value), high = std::max(high, value); }
    void close() {
        if (!(high > 0)) low = 0.5, high = 1;
        if (!(high > low)) high = 2 * low;
    }
    double operator()(double value) const {
        return first_pixel + (last_pixel - first_pixel) * std::log(value / low) / std::log(high / low);
    }
    std::vector<double> ticks() const { return {low, std::sqrt(low * high), high}; }
};

}  // namespace

void LineChart::write(const std::string& path) const {
    LogAxis x{70, 620}, y{330, 30};
    for (const ChartSeries& line : series)
        for (const ChartPoint& point : line.points) x.take(point.x), y.take(point.y);
    x.close(), y.close();
    Svg svg(960, 380);
    svg.line(x.first_pixel, y.first_pixel, x.last_pixel, y.first_pixel, "#333");
    svg.line(x.first_pixel, y.last_pixel, x.first_pixel, y.first_pixel, "#333");
    svg.text(x.first_pixel, 18, title, "start");
    svg.text(x.last_pixel, y.first_pixel + 35, x_label, "end");
    for (double value : y.ticks()) svg.text(x.first_pixel - 6, y(value) + 4, short_number(value, 2), "end");
    std::vector<double> marks;
    if (dots && !series.empty())
        for (const ChartPoint& point : series[0].points) marks.push_back(point.x);
    else
        marks = x.ticks();
    for (double value : marks) svg.text(x(value), y.first_pixel + 16, short_number(value, 3), "middle");
    double legend = y.last_pixel + 18;
    for (size_t n = 0; n < series.size(); ++n, legend += 18) {
        const char* const colour = curve_colour(n);
        std::vector<std::pair<double, double>> points;
        for (const ChartPoint& point : series[n].points) points.emplace_back(x(point.x), y(point.y));
        svg.curve(points, n, 1.5);
        if (dots)
            for (const ChartPoint& point : series[n].points)
                svg.dot(x(point.x), y(point.y), colour, point.hollow);
        svg.curve({{x.last_pixel + 14, legend - 4}, {x.last_pixel + 36, legend - 4}}, n, 1.5);
        svg.text(x.last_pixel + 42, legend, series[n].name, "start", colour);
    }
    if (!note.empty()) svg.text(x.last_pixel + 14, legend + 10, note, "start");
    svg.write(path);
}

}  // namespace schedbench
