#include "apps/knot_plot.h"

#include <algorithm>
#include <cmath>

#include "apps/svg.h"
#include "apps/text_table.h"
#include "harness/table.h"

namespace schedbench {

namespace {

constexpr double kWidth = 900, kLeft = 60, kRight = 30, kTop = 34, kCurves = 340, kGap = 46, kRow = 26;

/// Axis of ln sigma, noisy to the left as sampling goes, with a place for level 0 at its right end.
class LevelAxis {
  public:
    explicit LevelAxis(const std::vector<Schedule>& schedules) {
        low_ = HUGE_VAL, high_ = 0;
        for (const Schedule& schedule : schedules)
            for (double level : schedule.effective) {
                if (level > 0) low_ = std::min(low_, level);
                high_ = std::max(high_, level);
                zero_ = zero_ || level == 0;
            }
        if (!(low_ < high_)) low_ = high_ / 10;
    }
    double x(double level) const {
        const double end = kWidth - kRight, last = zero_ ? end - 40 : end;
        if (level == 0) return end;
        return kLeft + (last - kLeft) * std::log(high_ / level) / std::log(high_ / low_);
    }
    bool zero() const { return zero_; }
    double low() const { return low_; }
    double high() const { return high_; }

  private:
    double low_, high_;
    bool zero_ = false;
};

void draw_axis(Svg& svg, const LevelAxis& axis, double top, double bottom) {
    for (int e = static_cast<int>(std::floor(std::log10(axis.low()))); e <= std::log10(axis.high()); ++e) {
        const double level = std::pow(10.0, e);
        if (level < axis.low() * 0.999) continue;
        svg.line(axis.x(level), top, axis.x(level), bottom, "#ddd");
        svg.text(axis.x(level), bottom + 16, short_number(level), "middle");
    }
    if (axis.zero()) {
        svg.line(axis.x(0), top, axis.x(0), bottom, "#ddd");
        svg.text(axis.x(0), bottom + 16, "0", "middle");
    }
    svg.text((kLeft + kWidth - kRight) / 2, bottom + 32, "level sigma (logarithmic; 0 apart)", "middle");
}

}  // namespace

void write_knot_plot(const std::string& path, const std::vector<Schedule>& schedules) {
    const LevelAxis axis(schedules);
    const double rows = kTop + kCurves + kGap, bottom = rows + kRow * static_cast<double>(schedules.size());
    Svg svg(kWidth, bottom + 44);
    for (int percent = 0; percent <= 100; percent += 25) {
        const double y = kTop + kCurves * (1 - percent / 100.0);
        svg.line(kLeft, y, kWidth - kRight, y, "#eee");
        svg.text(kLeft - 6, y + 4, std::to_string(percent) + " %", "end");
    }
    svg.text(kLeft - 50, kTop - 16, "steps done", "start");
    draw_axis(svg, axis, kTop, kTop + kCurves);
    for (size_t s = 0; s < schedules.size(); ++s) {
        const Schedule& schedule = schedules[s];
        const double y_row = rows + kRow * (static_cast<double>(s) + 0.5);
        svg.line(kLeft, y_row, kWidth - kRight, y_row, "#ddd");
        std::vector<std::pair<double, double>> points;
        for (size_t i = 0; i < schedule.effective.size(); ++i)
            points.emplace_back(axis.x(schedule.effective[i]),
                                kTop + kCurves * (1 - static_cast<double>(i) / schedule.steps()));
        svg.curve(points, s, 1.2);
        for (size_t i = 0; i < points.size(); ++i) {
            const auto [x, y] = points[i];
            const bool hollow = schedule.effective[i] == 0;
            svg.dot(x, y, curve_colour(s), hollow);
            svg.dot(x, y_row, curve_colour(s), hollow);
        }
        svg.text(kLeft, y_row - 7, short_spec(schedule.spec) + ", N = " + std::to_string(schedule.steps()),
                 "start", curve_colour(s));
    }
    svg.write(path);
}

}  // namespace schedbench
