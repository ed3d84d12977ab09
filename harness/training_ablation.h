// How many training images a schedule needs: optimal paths and fitted variances of random subsets of the
// training images, scored on the test images (the ablations of Watson et al. 2021 and Bao et al. 2022, from
// one pass of statistics).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "likelihood/denoising_statistics.h"
#include "likelihood/path_bound.h"

namespace schedbench {

struct AblationRequest {
    std::vector<std::string> variances;  ///< posterior, beta, corrected-analytic
    std::vector<int> steps;
    std::vector<int64_t>
        images;        ///< sizes of the subsets; all of the training images are added as the last row
    int repeats = 10;  ///< subsets of each size
    uint64_t seed = 0;
};

struct AblationRow {
    std::string variance;
    int steps = 0, repeats = 0;
    int64_t images = 0;
    double mean = 0, sd = 0;  ///< bits/dim on the test images, over the subsets; sd 0 for all images
    double test_se = 0;       ///< over the test images, of the row with all training images
};

/// Decoder as measured, first-step variance `table`. Subsets are drawn without replacement; `progress` after
/// each. Error("option") for more images than there are or variances that need more than the squared errors,
/// Error("run") for statistics without terms of each image.
std::vector<AblationRow> training_ablation(
    const DenoisingStatistics& train, const DenoisingStatistics& test, const AblationRequest& request,
    const std::function<void(int64_t done, int64_t all)>& progress = {});

}  // namespace schedbench
