// bits/dim of strides, variances and step counts from denoising statistics: no network evaluation.
#pragma once

#include <cmath>
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
    double decoder_term = 0, prior_term = 0;  ///< bits/dim
    std::vector<double> edge_terms{};  ///< bits/dim, [k] from path[k+1] to path[k]; empty in older records
    std::string images{};              ///< images_of() what was measured; empty in older records
    std::vector<double> per_image{};   ///< [n] bits/dim, for paired differences; empty in older records
    double published = NAN;            ///< what a paper printed for this row
    std::string published_source{};    ///< which paper, and its model
};

/// The images and the noise behind statistics, in one line: sets of statistics with equal lines are paired
/// image by image, whatever the network.
std::string images_of(const DenoisingStatistics& statistics);

/// Nodes of a stride over T entries; `dp` is chosen on what `choose` bounds, for up to `most` steps at once.
std::vector<int> stride_path(const std::string& stride, const PathBounds& choose, int table, int steps,
                             int most = 0);

/// What is wanted of a pair of statistics.
struct LikelihoodRequest {
    std::vector<std::string> strides, variances;
    std::vector<std::string> first_steps{"table"};
    std::vector<std::string> decoders{};  ///< empty: the one that was measured
    std::vector<int> steps;
};

/// All combinations; paths are chosen on `train` and scored on both splits, train first. Combinations that
/// the statistics do not hold are left out, with the reason in `left_out`; if none is left, the first reason
/// is thrown.
std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const LikelihoodRequest& request,
                                           std::vector<std::string>* left_out);
/// The same where nothing may be left out, with the measured decoder and the table variance in the first
/// step.
std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const std::vector<std::string>& strides,
                                           const std::vector<std::string>& variances,
                                           const std::vector<int>& steps);

/// The reverse variances that the statistics hold, in the order of ElboVariance.
std::vector<std::string> known_variances(const DenoisingStatistics& statistics);

LikelihoodRecord likelihood_record(const std::string& id, const std::string& model,
                                   const std::vector<LikelihoodRow>& rows);
std::vector<LikelihoodRow> likelihood_rows(const LikelihoodRecord& record);

}  // namespace schedbench
