// bits/dim of strides, variances and step counts from denoising statistics: no network evaluation.
#pragma once

#include <string>
#include <vector>

#include "core/estimate.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/path_bound.h"
#include "store/records.h"

namespace schedbench {

struct LikelihoodRow {
    std::string model{};  ///< id; empty outside a run
    std::string stride, variance, decoder, first_step, clip, split;
    int steps = 0;
    Estimate bits_per_dim;
    std::vector<int> path;
};

/// Nodes of a stride over T entries: even, even-kt, quadratic, or dp (chosen on `choose`, under `variance`).
std::vector<int> stride_path(const std::string& stride, const DenoisingStatistics& choose,
                             ElboVariance variance, int steps);

/// All combinations; paths are chosen on `train` and scored on both splits.
std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const std::vector<std::string>& strides,
                                           const std::vector<std::string>& variances,
                                           const std::vector<int>& steps);

LikelihoodRecord likelihood_record(const std::string& id, const std::string& model,
                                   const std::vector<LikelihoodRow>& rows);
std::vector<LikelihoodRow> likelihood_rows(const LikelihoodRecord& record);

}  // namespace schedbench
