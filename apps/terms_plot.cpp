#include "apps/terms_plot.h"

#include <algorithm>
#include <cmath>

#include "apps/svg.h"
#include "apps/text_table.h"
#include "core/error.h"

namespace schedbench {

namespace {

constexpr size_t kMostRows = 14;
constexpr double kWidth = 900, kLeft = 70, kRight = 30, kTop = 34, kHeight = 380, kLegendRow = 18;

/// A logarithmic axis between two places of the picture.
class LogAxis {
  public:
    LogAxis(double low, double high, double from, double to)
        : low_(std::log10(low)),
          high_(std::max(std::log10(high), std::log10(low) + 1e-3)),
          from_(from),
          to_(to) {}
    double at(double value) const {
        return from_ + (to_ - from_) * (std::clamp(std::log10(value), low_, high_) - low_) / (high_ - low_);
    }
    std::vector<double> decades() const {
        std::vector<double> out;
        for (int e = static_cast<int>(std::ceil(low_ - 1e-9)); e <= high_ + 1e-9; ++e)
            out.push_back(std::pow(10.0, e));
        return out;
    }

  private:
    double low_, high_, from_, to_;
};

}  // namespace

void write_terms_plot(const std::string& path, const std::vector<LikelihoodRow>& rows,
                      const std::string& where) {
    if (rows.size() > kMostRows)
        throw Error("option",
                    "would draw " + std::to_string(rows.size()) + " curves; at most " +
                        std::to_string(kMostRows) + " can be told apart",
                    where, "choose with --stride, --variance, --steps and --first-step");
    double low = HUGE_VAL, high = 0;
    int last = 1;
    for (const LikelihoodRow& row : rows) {
        last = std::max(last, row.path.back());
        for (double term : row.edge_terms)
            if (term > 0) low = std::min(low, term), high = std::max(high, term);
        if (row.decoder_term > 0)
            low = std::min(low, row.decoder_term), high = std::max(high, row.decoder_term);
    }
    if (!(low < high)) low = 1e-3, high = 10;
    const LogAxis x(1, last, kLeft, kWidth - kRight), y(low / 1.5, high * 1.5, kTop + kHeight, kTop);
    const double legend = kTop + kHeight + 56;
    Svg svg(kWidth, legend + kLegendRow * static_cast<double>(rows.size()));
    for (double value : x.decades()) {
        svg.line(x.at(value), kTop, x.at(value), kTop + kHeight, "#ddd");
        svg.text(x.at(value), kTop + kHeight + 16, short_number(value), "middle");
    }
    for (double value : y.decades()) {
        svg.line(kLeft, y.at(value), kWidth - kRight, y.at(value), "#ddd");
        svg.text(kLeft - 6, y.at(value) + 4, short_number(value), "end");
    }
    svg.text(kLeft - 60, kTop - 14, "bits/dim of each step; hollow: the decoder", "start");
    svg.text((kLeft + kWidth - kRight) / 2, kTop + kHeight + 32,
             "entry t of the table from which the step starts, 1 to " + std::to_string(last), "middle");
    for (size_t i = 0; i < rows.size(); ++i) {
        const LikelihoodRow& row = rows[i];
        const char* colour = curve_colour(i);
        svg.dot(x.at(row.path[0]), y.at(std::max(row.decoder_term, low / 1.5)), colour, true);
        std::vector<std::pair<double, double>> points;
        for (size_t k = 0; k < row.edge_terms.size(); ++k)
            points.emplace_back(x.at(row.path[k + 1]), y.at(std::max(row.edge_terms[k], low / 1.5)));
        svg.curve(points, i, 1.2);
        for (const auto& [px, py] : points) svg.dot(px, py, colour, false);
        svg.text(kLeft, legend + kLegendRow * static_cast<double>(i),
                 row.variance + " " + row.stride + ", K = " + std::to_string(row.steps) + ", first step " +
                     row.first_step + ", clip " + row.clip + ", " + row.split + ": " +
                     fixed_number(row.bits_per_dim.value, 4) + " bits/dim, of which decoder " +
                     fixed_number(row.decoder_term, 4) + " and prior " + short_number(row.prior_term, 2),
                 "start", colour);
    }
    svg.write(path);
}

}  // namespace schedbench
