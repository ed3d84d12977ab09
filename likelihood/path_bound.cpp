#include "likelihood/path_bound.h"

#include <cmath>

#include "core/error.h"

namespace schedbench {

PathBound path_bound(const DenoisingStatistics& statistics, ElboVariance variance,
                     const std::vector<int>& path) {
    const int levels = statistics.levels();
    if (path.empty()) throw Error("number", "a path needs at least one node", "path");
    for (size_t k = 0; k < path.size(); ++k)
        if (path[k] < 1 || path[k] > levels || (k > 0 && path[k] <= path[k - 1]))
            throw Error("number",
                        "node " + std::to_string(path[k]) + " at position " + std::to_string(k + 1) +
                            " of the path does not rise within 1.." + std::to_string(levels),
                        "path");
    const ElboChain chain = statistics.elbo();
    chain.require(variance);
    const NoiseProcess process = statistics.chain();
    const double offset = statistics.decoder == DecoderKind::density ? std::log2(127.5) : 0;
    const auto first = static_cast<size_t>(path.front()), last = static_cast<size_t>(path.back());

    PathBound out;
    out.path = path;
    out.variance = variance;
    out.decoder = nats_to_bits(chain.decoder()[first]) + offset;
    out.prior = nats_to_bits(chain.prior(path.back()));
    double total = out.decoder + out.prior;
    for (size_t k = 1; k < path.size(); ++k) {
        out.edges.push_back(nats_to_bits(chain.edge(variance, path[k - 1], path[k])));
        total += out.edges.back();
    }
    Estimate& bits = out.bits_per_dim;
    bits = {.name = "bits_per_dim",
            .value = total,
            .n = statistics.images,
            .estimand = "evidence bound of the path",
            .method = "per-image totals, one noise draw per image and level"};
    if (statistics.image_error.empty()) {
        bits.method = "none: per-image terms were not kept";
        return out;
    }
    // Changes of the total per image, around the means of the same float32 values that are kept.
    const auto n = static_cast<size_t>(statistics.images);
    std::vector<double> slope(static_cast<size_t>(levels) + 1, 0.0);
    for (size_t k = 1; k < path.size(); ++k)
        slope[static_cast<size_t>(path[k])] = chain.error_slope(variance, path[k - 1], path[k]);
    const double m2 = statistics.m2(), prior_slope = process.abar(static_cast<int>(last)) / 2;
    RunningMean spread;
    for (size_t i = 0; i < n; ++i) {
        const size_t row = i * static_cast<size_t>(levels);
        double nats = static_cast<double>(statistics.image_decoder[row + first - 1]) -
                      chain.decoder()[first] + prior_slope * (statistics.second_moment[i] - m2);
        for (size_t k = 1; k < path.size(); ++k) {
            const auto t = static_cast<size_t>(path[k]);
            nats += slope[t] * (static_cast<double>(statistics.image_error[row + t - 1]) - chain.error()[t]);
        }
        out.per_image.push_back(total + nats_to_bits(nats));
        spread.add(out.per_image.back());
    }
    bits.se = spread.standard_error();
    if (n < 30) bits.warning = "few images: the error bar is rough";
    return out;
}

}  // namespace schedbench
