// bits/dim beside what papers printed.
#pragma once

#include <string>
#include <vector>

#include "harness/likelihood_job.h"
#include "harness/published.h"
#include "likelihood/denoising_statistics.h"

namespace schedbench {

struct ComparedRow {
    PublishedRow published;
    std::string stride, variance, first_step, decoder;
    double bits_per_dim = 0, se = 0;
    std::string note;  ///< where the method could not be matched in full
};

/// The rows with metric bits/dim of this dataset (any if empty) and of models whose name contains one of
/// `models` (any if empty), that the statistics can answer; the others are named in `left_out`. Paths are
/// chosen on `train`.
std::vector<ComparedRow> compare_with_published(
    const DenoisingStatistics& train, const DenoisingStatistics& test, const std::vector<PublishedRow>& rows,
    const std::string& dataset, const std::vector<std::string>& models, std::vector<std::string>& left_out);

/// Fills in what was printed for rows of the test split, over statistics like these.
void attach_published(std::vector<LikelihoodRow>& rows, const std::vector<PublishedRow>& published,
                      const DenoisingStatistics& statistics);

}  // namespace schedbench
