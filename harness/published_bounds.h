// bits/dim beside what papers printed (results/published/): each published row names a model, a method and a
// number of steps; the methods of arXiv:2106.03802 and arXiv:2201.06503 say which stride, reverse variance
// and first-step variance belong to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "likelihood/denoising_statistics.h"

namespace schedbench {

struct PublishedRow {
    std::string source, table, dataset, model, metric, method, status, remark;
    int steps = 0;
    double value = 0;
};

/// Rows of a CSV file with the columns that results/published/README.md explains. Error("file") names file
/// and line.
std::vector<PublishedRow> read_published(const std::string& path);

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

}  // namespace schedbench
