#include "eval/fid_infinity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/noise.h"

namespace schedbench {

namespace {

/// Row numbers of one subset, rising: those with the `size` smallest keys, a key being two words of noise
/// that depend on the row alone.
std::vector<int64_t> subset_rows(int64_t n, int64_t size, uint64_t seed, uint64_t stream) {
    std::vector<std::pair<uint64_t, int64_t>> keys;
    for (int64_t i = 0; i < n; ++i) {
        const auto words = noise_words({seed, NoisePurpose::selection}, stream, 0, static_cast<uint32_t>(i));
        keys.emplace_back(uint64_t{words[0]} << 32 | words[1], i);
    }
    std::nth_element(keys.begin(), keys.begin() + (size - 1), keys.end());
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < size; ++i) rows.push_back(keys[static_cast<size_t>(i)].second);
    std::sort(rows.begin(), rows.end());
    return rows;
}

double variance(const std::vector<double>& values) {
    RunningMean running;
    for (double value : values) running.add(value);
    return running.variance();
}

}  // namespace

FidInfinityResult fid_infinity(const at::Tensor& generated, const FrechetReference& reference,
                               const FidInfinityOptions& options) {
    const FrechetResult full = frechet(generated, reference, {options.name, options.reference});
    const int64_t n = generated.size(0);
    const int64_t smallest = options.smallest > 0 ? options.smallest : std::min<int64_t>(5000, n / 10);
    if (options.points < 2 || smallest < 2 || n - smallest < options.points - 1) {
        throw Error("option",
                    std::to_string(options.points) + " different sizes from " + std::to_string(smallest) +
                        " to " + std::to_string(n) + " samples do not exist",
                    options.name, "take at least two sizes, the smallest at least 2, and enough samples");
    }
    const size_t points = static_cast<size_t>(options.points);
    FidInfinityResult out;
    std::vector<std::vector<int64_t>> subsets;
    for (int64_t q = 0; q < options.points; ++q) {
        const int64_t size = smallest + (n - smallest) * q / (options.points - 1);
        out.sizes.push_back(size);
        if (size == n) {
            subsets.emplace_back(static_cast<size_t>(n));
            std::iota(subsets.back().begin(), subsets.back().end(), int64_t{0});
            out.distances.push_back(full.at_n.value);
            continue;
        }
        subsets.push_back(subset_rows(n, size, options.seed, static_cast<uint64_t>(q)));
        const at::Tensor rows =
            generated.index_select(0, at::tensor(subsets.back(), at::kLong).to(generated.device()));
        out.distances.push_back(gaussian_transport(feature_sums(rows).moments(), rows, reference.moments,
                                                   reference.features, TransportParts::distance)
                                    .distance());
    }

    RunningMean x;
    for (int64_t size : out.sizes) x.add(1 / static_cast<double>(size));
    std::vector<double> weights;
    double intercept = 0;
    for (size_t q = 0; q < points; ++q) {
        const double away = 1 / static_cast<double>(out.sizes[q]) - x.mean;
        weights.push_back(1 / static_cast<double>(points) - x.mean * away / x.m2);
        intercept += weights[q] * out.distances[q];
        out.slope += away / x.m2 * out.distances[q];
    }
    std::vector<double> load(static_cast<size_t>(n), 0);
    for (size_t q = 0; q < points; ++q) {
        for (int64_t row : subsets[q])
            load[static_cast<size_t>(row)] += weights[q] / static_cast<double>(out.sizes[q]);
    }
    double squares = 0, mean = 0;
    for (size_t i = 0; i < load.size(); ++i) {
        squares += load[i] * load[i];
        out.influence.push_back(static_cast<double>(n) * load[i] * full.influence[i]);
        mean += out.influence.back() / static_cast<double>(n);
    }
    for (double& value : out.influence) value -= mean;
    out.influence_ref = full.influence_ref;
    double total = variance(full.influence) * squares;
    const bool both = !full.influence_ref.empty();
    if (both) total += variance(full.influence_ref) / static_cast<double>(full.influence_ref.size());

    Estimate& e = out.intercept;
    e.name = options.name;
    e.value = intercept;
    e.se = std::sqrt(total);
    e.n = n;
    e.estimand = "Frechet distance at infinitely many generated samples, from this reference";
    e.method = "influence function through " + std::to_string(points) + " overlapping subsets, reference " +
               (both ? "sampled" : "exact");
    e.warning = full.debiased.warning;
    if (e.warning.empty() && smallest < 4 * generated.size(1)) {
        e.warning = kUnreliable;
        e.warning += "the smallest subset has fewer than 4 samples a feature: not linear in 1/n there";
    }
    return out;
}

}  // namespace schedbench
