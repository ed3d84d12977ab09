// bits/dim of one path through the levels of a chain, with an error bar over images.
//
// The terms of one image along a path share the image (and are correlated over t), so the error is taken of
// per-image totals, which the kept per-image terms give exactly: each is linear in that image's squared
// errors.
#pragma once

#include <vector>

#include "core/estimate.h"
#include "likelihood/denoising_statistics.h"
#include "schedules/elbo_cost.h"

namespace schedbench {

struct PathBound {
    std::vector<int> path;  ///< t_1 < ... < t_K
    ElboVariance variance = ElboVariance::posterior;
    Estimate bits_per_dim;          ///< total; log2(127.5) is in it for the `density` decoder
    double decoder = 0, prior = 0;  ///< bits/dim
    std::vector<double> edges;      ///< [K-1] bits/dim, edges[k] from path[k+1] to path[k]
    std::vector<double> per_image;  ///< [n] bits/dim, or empty where no per-image terms were kept
};

/// Error("number") for a path that is empty, does not rise, or leaves 1..T.
PathBound path_bound(const DenoisingStatistics& statistics, ElboVariance variance,
                     const std::vector<int>& path);

}  // namespace schedbench
