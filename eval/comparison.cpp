#include "eval/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace schedbench {

namespace {

/// Variances of the two means and their covariance, from paired influences.
struct SecondMoments {
    double a = 0, b = 0, both = 0, difference = 0;
};

SecondMoments second_moments(std::span<const double> x, std::span<const double> y) {
    const double n = static_cast<double>(x.size());
    RunningMean of_x, of_y, of_difference;
    for (size_t i = 0; i < x.size(); ++i) {
        of_x.add(x[i]);
        of_y.add(y[i]);
        of_difference.add(x[i] - y[i]);
    }
    double cross = 0;
    for (size_t i = 0; i < x.size(); ++i) cross += (x[i] - of_x.mean) * (y[i] - of_y.mean);
    return {of_x.variance() / n, of_y.variance() / n, cross / (n - 1) / n, of_difference.variance() / n};
}

void check_lengths(size_t a, size_t b, const char* what, const std::string& name) {
    if (a != b) {
        throw Error("shape",
                    "paired " + std::string(what) + " differ in number: " + std::to_string(a) + " and " +
                        std::to_string(b),
                    name, "compare over the sample ids that both have");
    }
}

}  // namespace

bool PairedDifference::resolved(double z) const {
    return std::abs(difference.value) > z * difference.se;
}

PairedDifference paired_difference(const PairedSide& a, const PairedSide& b, const std::string& name) {
    check_lengths(a.influence.size(), b.influence.size(), "samples", name);
    check_lengths(a.influence_ref.size(), b.influence_ref.size(), "reference samples", name);
    const size_t n = a.influence.size(), m = a.influence_ref.size();
    if (n < 2 || m == 1) throw Error("number", "a paired difference needs at least two samples", name);

    SecondMoments total = second_moments(a.influence, b.influence);
    if (m > 0) {
        const SecondMoments reference = second_moments(a.influence_ref, b.influence_ref);
        total.a += reference.a, total.b += reference.b;
        total.both += reference.both, total.difference += reference.difference;
    }
    PairedDifference out;
    Estimate& e = out.difference;
    e.name = name;
    e.value = a.value - b.value;
    e.se = std::sqrt(total.difference);
    e.n = static_cast<int64_t>(n);
    e.estimand = "paired difference";
    e.method = m > 0 ? "influence functions of shared samples, reference sampled"
                     : "influence functions of shared samples, reference exact";
    if (n < 30 || (m > 0 && m < 30)) e.warning = "fewer than 30 samples: the error is rough";
    out.correlation = total.both / std::sqrt(total.a * total.b);
    out.unpaired_se = std::sqrt(total.a + total.b);
    return out;
}

std::vector<double> holm_adjust(std::span<const double> p_values) {
    std::vector<size_t> order(p_values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t i, size_t j) { return p_values[i] < p_values[j]; });
    std::vector<double> out(p_values.size());
    double adjusted = 0;  // the j-th smallest times the number still open, never below an earlier one
    for (size_t j = 0; j < order.size(); ++j) {
        adjusted =
            std::max(adjusted, std::min(1.0, p_values[order[j]] * static_cast<double>(order.size() - j)));
        out[order[j]] = adjusted;
    }
    return out;
}

BestAndTies holm_ties(std::span<const double> values, const std::function<double(size_t, size_t)>& paired_se,
                      double alpha, bool smaller_is_better) {
    SCHEDBENCH_ASSERT(alpha > 0 && alpha < 1);
    BestAndTies out;
    out.tied.assign(values.size(), false);
    out.p_value.assign(values.size(), std::numeric_limits<double>::quiet_NaN());
    std::vector<size_t> cells;
    for (size_t i = 0; i < values.size(); ++i) {
        if (std::isnan(values[i])) continue;
        const bool better = cells.empty() ||
                            (smaller_is_better ? values[i] < values[out.best] : values[i] > values[out.best]);
        if (better) out.best = i;
        cells.push_back(i);
    }
    if (cells.empty()) return out;

    std::vector<std::pair<size_t, size_t>> pairs;
    std::vector<double> p_values;
    for (size_t a = 0; a < cells.size(); ++a) {
        for (size_t b = a + 1; b < cells.size(); ++b) {
            const size_t i = cells[a], j = cells[b];
            const double difference = std::abs(values[i] - values[j]), se = paired_se(i, j);
            double p = 1;  // an unknown error, or no difference at all
            if (se > 0) p = std::erfc(difference / se / std::numbers::sqrt2);
            if (se == 0 && difference > 0) p = 0;
            pairs.emplace_back(i, j);
            p_values.push_back(p);
        }
    }
    const auto adjusted = holm_adjust(p_values);
    out.tied[out.best] = true;
    out.p_value[out.best] = 1;
    for (size_t k = 0; k < pairs.size(); ++k) {
        const auto [i, j] = pairs[k];
        if (i != out.best && j != out.best) continue;
        const size_t other = i == out.best ? j : i;
        out.p_value[other] = adjusted[k];
        out.tied[other] = adjusted[k] > alpha;
    }
    return out;
}

}  // namespace schedbench
