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

std::string interpolant_name(Interpolant kind) {
    switch (kind) {
        case Interpolant::linear:
            return "linear";
        case Interpolant::pchip_sigma:
            return "pchip-sigma";
        case Interpolant::pchip_ln_sigma:
            return "pchip-ln-sigma";
    }
    return "";
}

Interpolant parse_interpolant(const std::string& name, const std::string& where) {
    for (Interpolant kind : {Interpolant::linear, Interpolant::pchip_sigma, Interpolant::pchip_ln_sigma})
        if (interpolant_name(kind) == name) return kind;
    throw Error("spec", "\"" + name + "\" is not an interpolant", where,
                "known: linear, pchip-sigma, pchip-ln-sigma");
}

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
    value_ = sigma_;
    if (kind_ == Interpolant::pchip_ln_sigma) {
        if (!(sigma_[0] > 0))
            throw Error("number",
                        "interpolation in ln sigma needs positive levels, but the lowest is " +
                            format_number(sigma_[0]),
                        where, "use interpolant=pchip-sigma");
        for (double& value : value_) value = std::log(value);
    }
    if (kind_ != Interpolant::linear) slope_ = pchip_slopes(length_, value_);
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
    return kind_ == Interpolant::pchip_ln_sigma ? std::exp(value) : value;
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

std::vector<double> cumulative_length(const std::vector<double>& costs, double exponent, double floor) {
    const double largest = costs.empty() ? 0 : *std::max_element(costs.begin(), costs.end());
    std::vector<double> out(costs.size() + 1);
    for (size_t i = 0; i < costs.size(); ++i) {
        const double cost = std::max(costs[i], floor * largest);
        out[i + 1] = out[i] + (exponent == 0.5 ? std::sqrt(cost) : std::pow(cost, exponent));
    }
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
    std::vector<double> length = cumulative_length(costs, options.exponent, options.floor);
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
