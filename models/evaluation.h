// What networks run through when nobody asks for a gradient: the same layers, with faster kernels of our own
// where the tensors are on the CPU. With gradients, in float64 and on other devices they are LibTorch's
// operations.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "models/fused_norm.h"
#include "models/parameters.h"

namespace schedbench {

/// Parameters and, beside the weights of 3x3 convolutions, those weights transformed for winograd_conv(),
/// which conv() and conv_add() then use. They take four times the memory of float32 weights, and a network
/// for which they would take more than 4 GiB goes without. Made at the first use, so that loading does not
/// wait for them. A copy makes its own.
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
