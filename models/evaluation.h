// What networks run through when nobody asks for a gradient: the same layers, with faster kernels of our own
// where the tensors are on the CPU. With gradients, in float64 and on other devices they are LibTorch's
// operations.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "models/fused_norm.h"
#include "models/parameters.h"

namespace schedbench {

/// The weights of a network's 3x3 convolutions transformed for winograd_conv(), each made when it is first
/// used, for the size of image that comes. They take 4 or 11 times the memory of float32 weights; a network
/// for which they could take more than 4 GiB goes with the smaller, or without. May be used by several
/// threads.
class TransformedWeights {
  public:
    explicit TransformedWeights(const Parameters& parameters);

    /// Of PREFIX.weight, for x; null where winograd_conv() cannot be used. Valid as long as this object.
    const at::Tensor* of(const std::string& prefix, const at::Tensor& weight, const at::Tensor& x) const;

  private:
    int64_t largest_side_ = 0;  ///< that fits; 0: none
    mutable std::mutex mutex_;
    mutable std::map<std::pair<std::string, int64_t>, at::Tensor> made_;  ///< by prefix and side of a tile
};

/// Parameters with their transformed weights, which conv() and conv_add() then use. A copy makes its own.
class EvaluationParameters {
  public:
    EvaluationParameters() = default;
    EvaluationParameters(const EvaluationParameters&) {}
    EvaluationParameters& operator=(const EvaluationParameters&) = delete;

    /// `original` must be the same at every call.
    const Parameters& of(const Parameters& original) const;

  private:
    mutable std::once_flag once_;
    mutable Parameters parameters_;
};

/// The transformed weight of the convolution PREFIX for x, or null: there is none, or x wants a gradient.
const at::Tensor* transformed_weight(const Parameters& parameters, const std::string& prefix,
                                     const at::Tensor& x);

/// (conv(x) + residual) * scale.
at::Tensor conv_add(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                    const at::Tensor& residual, double scale = 1);

/// Group norm with PREFIX.weight and PREFIX.bias, and what surrounds it; the tensors of `around` are float32.
at::Tensor norm_around(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                       int64_t groups, double epsilon, const NormSurroundings& around);

}  // namespace schedbench
