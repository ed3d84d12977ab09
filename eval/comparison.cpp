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

/// Variances of two means, twice their covariance, and the variance of the difference.
struct SecondMoments {
    double a = 0, b = 0, both = 0, difference = 0;
};

RunningMean moments_of(std::span<const double> values) {
    RunningMean out;
    for (double value : values) out.add(value);
    return out;
}

/// The first `shared` values of both belong to the same samples.
SecondMoments second_moments(std::span<const double> x, std::span<const double> y, size_t shared) {
    const RunningMean of_x = moments_of(x), of_y = moments_of(y);
    const auto n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
    SecondMoments out{x.empty() ? 0 : of_x.variance() / n, y.empty() ? 0 : of_y.variance() / m, 0, 0};
    double cross = 0;
    for (size_t i = 0; i < shared; ++i) cross += (x[i] - of_x.mean) * (y[i] - of_y.mean);
    if (shared > 1) out.both = cross / static_cast<double>(shared - 1) * static_cast<double>(shared) / n / m;
    if (shared > 1 && shared == x.size() && shared == y.size()) {
        RunningMean difference;  // exact also where the two sides are nearly equal
        for (size_t i = 0; i < shared; ++i) difference.add(x[i] - y[i]);
        out.difference = difference.variance() / n;
    } else {
        out.difference = std::max(0.0, out.a + out.b - 2 * out.both);
    }
    return out;
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

    return difference_of(a, b, {n, m > 0}, name);
}

PairedDifference difference_of(const PairedSide& a, const PairedSide& b, const SharedErrors& shared,
                               const std::string& name) {
    const size_t n = std::min(a.influence.size(), b.influence.size()),
                 m = std::min(a.influence_ref.size(), b.influence_ref.size());
    const size_t shared_samples = n > 1 ? std::min(shared.samples, n) : 0;
    const bool shared_reference =
        shared.reference && m > 1 && a.influence_ref.size() == b.influence_ref.size();
    SecondMoments samples = second_moments(a.influence, b.influence, shared_samples);
    SecondMoments reference = second_moments(a.influence_ref, b.influence_ref, shared_reference ? m : 0);
    if (shared_samples == 0 && !shared_reference) {
        // The stored errors know more than the influence values do (second order, blocks).
        const auto scale = [](double stored, double& of_samples, double& of_reference) {
            const double total = of_samples + of_reference;
            if (std::isnan(stored) && total > 0) return;
            const double factor = total > 0 ? stored * stored / total : 0;
            of_samples = total > 0 ? factor * of_samples : stored * stored;
            of_reference *= factor;
        };
        scale(a.se, samples.a, reference.a);
        scale(b.se, samples.b, reference.b);
        samples.difference = samples.a + samples.b;
        reference.difference = reference.a + reference.b;
    }
    PairedDifference out;
    out.sample_variance = samples.difference;
    out.reference_variance = reference.difference;
    Estimate& e = out.difference;
    e.name = name;
    e.value = a.value - b.value;
    e.se = std::sqrt(samples.difference + reference.difference);
    e.n = static_cast<int64_t>(n);
    e.estimand = shared_samples > 0 ? "paired difference" : "difference";
    e.method = shared_samples > 0 ? "influence functions of shared samples, reference "
               : shared_reference ? "influence functions of independent samples, reference "
                                  : "independent errors, reference ";
    e.method += m > 0 ? "sampled" : "exact";
    if ((n > 0 && n < 30) || (m > 0 && m < 30)) e.warning = "fewer than 30 samples: the error is rough";
    const double of_a = samples.a + reference.a, of_b = samples.b + reference.b;
    out.correlation = (samples.both + reference.both) / std::sqrt(of_a * of_b);
    out.unpaired_se = std::sqrt(of_a + of_b);
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
