// Group norm (Wu & He 2018, arXiv 1803.08494) with what surrounds it in a residual block, in one kernel on
// the CPU: what is added before it, scale and shift after it, and SiLU. Two passes over memory in place of
// five.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace schedbench {

/// silu( (1 + scale) * norm(x + before) + shift ). Tensors [B or 1, C], each of them may be undefined.
struct NormSurroundings {
    at::Tensor before, scale, shift;
    bool silu = false;
};

/// Whether fused_norm() can do it: float32 or bfloat16 in channels-last memory on the CPU, a multiple of 4
/// channels.
bool fused_norm_applies(const at::Tensor& x);

/// x [B, C, H, W] -> the same shape and dtype, channels-last. Statistics are float32 over 64 pixels and
/// float64 over those; results depend on neither the batch nor the threads. No gradients.
at::Tensor fused_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      double epsilon, const NormSurroundings& around);

}  // namespace schedbench
