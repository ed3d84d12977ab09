// Features and their statistics in files that other tools read and write.
//
// Statistics: NPZ with mu [d] and sigma [d, d] (denominator n - 1), as pytorch-fid, clean-fid and EDM keep
// them; the ADM evaluator adds mu_s and sigma_s of the 2023 spatial values (sFID), in NHWC order. We add "n",
// the number of samples, which others ignore. Sums: NPZ with n, shift [d], sum [d] and outer [d, d] of
// eval/features.h: unlike mu and sigma they can be merged. Features: NPY [n, d].
//
// Readers refuse, as Error("file") naming file and array: an array that is absent or of another shape, NaN or
// infinity, a matrix that is not symmetric (beyond rounding to float32) or has a negative variance, fewer
// than two rows of features; and Error("shape") a dimension other than the one expected.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "eval/features.h"

namespace schedbench {

struct FeatureStatistics {
    Moments moments;                   ///< n = 0 where the file does not say
    std::optional<Moments> spatial{};  ///< of sFID
};

/// `dimension`: what the moments must have; 0 takes any.
FeatureStatistics read_statistics(const std::string& path, int64_t dimension = 0);
void write_statistics(const std::string& path, const FeatureStatistics& statistics);

FeatureSums read_feature_sums(const std::string& path, int64_t dimension = 0);
void write_feature_sums(const std::string& path, const FeatureSums& sums);

/// float32 or float64, as in the file.
at::Tensor read_features(const std::string& path, int64_t dimension = 0);
/// [n, d] floating point; float64 stays, all else becomes float32. Error("shape"), Error("number").
void write_features(const std::string& path, const at::Tensor& features);

}  // namespace schedbench
