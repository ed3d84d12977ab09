#include "schedules/arc_length.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

void check_rising(const std::vector<double>& values, const char* what, const std::string& where) {
    if (values.size() < 2) throw Error("number", std::string(what) + " needs at least two values", where);
    for (size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i]) || (i > 0 && !(values[i] > values[i - 1])))
            throw Error("number",
                        std::string(what) + " must be finite and rise, but entry " + std::to_string(i) +
                            " is " + format_number(values[i]),
                        where, "");
    }
}

/// Three-point slope at an end with intervals h0 (at the end), h1 and their secants, kept from overshooting.
double end_slope(double h0, double h1, double d0, double d1) {
    const double slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
    if (slope * d0 <= 0) return 0;
    if (d0 * d1 <= 0 && std::abs(slope) > 3 * std::abs(d0)) return 3 * d0;
    return slope;
}

}  // namespace

std::vector<double> pchip_slopes(const std::vector<double>& x, const std::vector<double>& y) {
    const size_t n = x.size();
    SCHEDBENCH_ASSERT(n >= 2 && y.size() == n);
    std::vector<double> h(n - 1), secant(n - 1), slope(n);
    for (size_t i = 0; i + 1 < n; ++i) {
        h[i] = x[i + 1] - x[i];
        secant[i] = (y[i + 1] - y[i]) / h[i];
    }
    if (n == 2) return {secant[0], secant[0]};
    for (size_t i = 1; i + 1 < n; ++i) {
        if (secant[i - 1] * secant[i] <= 0) continue;  // a turning point, or flat: slope 0
        const double before = 2 * h[i] + h[i - 1], after = h[i] + 2 * h[i - 1];
        slope[i] = (before + after) / (before / secant[i - 1] + after / secant[i]);
    }
    slope[0] = end_slope(h[0], h[1], secant[0], secant[1]);
    slope[n - 1] = end_slope(h[n - 2], h[n - 3], secant[n - 2], secant[n - 3]);
    return slope;
}

LengthCurve::LengthCurve(std::vector<double> length, std::vector<double> sigma, Interpolant kind,
                         const std::string& where)
    : length_(std::move(length)), sigma_(std::move(sigma)), kind_(kind) {
    check_rising(length_, "the cumulative length", where);
    check_rising(sigma_, "the grid of levels", where);
    if (length_.size() != sigma_.size())
        throw Error("number",
                    "the curve has " + std::to_string(length_.size()) + " lengths but " +
                        std::to_string(sigma_.size()) + " levels",
                    where);
    if (!kind_.takes_zero() && !(sigma_[0] > 0))
        throw Error(
            "number",
            "interpolation in ln sigma needs positive levels, but the lowest is " + format_number(sigma_[0]),
            where, "use interpolant=pchip-sigma");
    for (double level : sigma_) value_.push_back(kind_.value_of(level));
    if (kind_.cubic) slope_ = pchip_slopes(length_, value_);
}

double LengthCurve::sigma_at(double length) const {
    if (length <= length_.front()) return sigma_.front();
    if (length >= length_.back()) return sigma_.back();
    const auto above = std::upper_bound(length_.begin(), length_.end(), length);
    const size_t i = static_cast<size_t>(above - length_.begin()) - 1;
    const double h = length_[i + 1] - length_[i], u = (length - length_[i]) / h,
                 rise = value_[i + 1] - value_[i];
    if (u == 0) return sigma_[i];
    double value = value_[i] + u * rise;
    if (!slope_.empty()) {
        // Cubic Hermite polynomial as the straight line plus u (1 - u) times what the slopes add to it.
        const double left = h * slope_[i] - rise, right = rise - h * slope_[i + 1];
        value += u * (1 - u) * ((1 - u) * left + u * right);
    }
    return kind_.sigma_of(value);
}

std::vector<double> LengthCurve::equal_pieces(int steps) const {
    SCHEDBENCH_ASSERT(steps >= 1);
    std::vector<double> out(static_cast<size_t>(steps) + 1);
    for (int i = 0; i <= steps; ++i) {
        const double start = length_.front();
        out[static_cast<size_t>(i)] = sigma_at(start + i * (length_.back() - start) / steps);
    }
    out.front() = sigma_.front();
    out.back() = sigma_.back();
    return out;
}

std::vector<double> cumulative_length(const std::vector<double>& costs, double exponent, double floor,
                                      double cap) {
    if (cap != 0 && !(cap >= 1))
        throw Error("number",
                    "the cap on single lengths must be 0 (off) or at least 1, not " + format_number(cap),
                    "cap", "it is a multiple of the mean length");
    const double largest = costs.empty() ? 0 : std::max(0.0, *std::max_element(costs.begin(), costs.end()));
    std::vector<double> piece;
    double sum = 0;
    for (double value : costs) {
        const double cost = std::max(value, floor * largest);
        piece.push_back(exponent == 0.5 ? std::sqrt(cost) : std::pow(cost, exponent));
        sum += piece.back();
    }
    const double most = cap > 0 ? cap * sum / static_cast<double>(piece.size()) : INFINITY;
    std::vector<double> out{0};
    for (double length : piece) out.push_back(out.back() + std::min(length, most));
    return out;
}

std::string Collapse::advice() const {
    if (!found) return "";
    return "the knots are leaving the clean end: the cleanest interval is " + format_number(clean_widening) +
           " times as wide as at first, and the measured length fell to " + format_number(length_ratio) +
           " of what it was; read few knots off a fine grid (iterations=0), or use weight=geometric or "
           "weight=left";
}

Collapse find_collapse(const std::vector<std::vector<double>>& grids, const std::vector<double>& lengths) {
    constexpr double kFallen = 0.5;  // few knots measure the length within some 40 %, whatever their spacing
    SCHEDBENCH_ASSERT(grids.size() == lengths.size());
    Collapse out;
    if (grids.size() < 2 || !(lengths.front() > 0)) return out;
    const auto clean_width = [](const std::vector<double>& grid) { return std::log(grid[1] / grid[0]); };
    out.length_ratio = lengths.back() / lengths.front();
    out.clean_widening = clean_width(grids.back()) / clean_width(grids.front());
    out.found = out.length_ratio < kFallen && out.clean_widening > 1;
    return out;
}

std::vector<double> update_schedule(const std::vector<double>& grid, const std::vector<double>& costs,
                                    const UpdateOptions& options, const std::string& where) {
    check_rising(grid, "the grid of levels", where);
    if (costs.size() + 1 != grid.size())
        throw Error("number",
                    "a grid of " + std::to_string(grid.size()) + " levels needs one cost an interval, not " +
                        std::to_string(costs.size()),
                    where);
    for (size_t i = 0; i < costs.size(); ++i)
        if (!(costs[i] >= 0) || !std::isfinite(costs[i]))
            throw Error("number",
                        "cost " + std::to_string(i) + " is " + format_number(costs[i]) +
                            ", but costs must be finite and not negative",
                        where);
    if (!(options.gamma > 0 && options.gamma <= 1))
        throw Error("number", "gamma must lie in (0, 1], not " + format_number(options.gamma), where);
    const int steps_in = static_cast<int>(costs.size());
    const int steps = options.steps_out > 0 ? options.steps_out : steps_in;
    if (steps != steps_in && options.gamma != 1)
        throw Error("number", "gamma must be 1 where the number of steps changes", where);
    std::vector<double> length = cumulative_length(costs, options.exponent, options.floor, options.cap);
    if (length.back() == 0) {
        if (steps == steps_in) return grid;
        for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<double>(i);
    }
    std::vector<double> out = LengthCurve(length, grid, options.interpolant, where).equal_pieces(steps);
    if (options.gamma != 1)
        for (size_t i = 1; i + 1 < out.size(); ++i)
            out[i] = options.gamma * out[i] + (1 - options.gamma) * grid[i];
    return out;
}

}  // namespace schedbench
