// Convolutions of 3x3 on the CPU by fewer multiplications: the minimal filtering F(4x4, 3x3) of Winograd
// (1980; Lavin & Gray 2016, arXiv 1509.09308), 36 in place of 144 for 4x4 outputs of a pair of channels.
//
//     Y = A^T [ sum_c (G g_c G^T) * (B^T d_c B) ] A
//
// with the points 0, +-1/sqrt(2), +-sqrt(2), infinity, whose rounding errors are half those of the usual 0,
// +-1, +-2 and less than twice those of the direct sum. Sums are float32 in any case. Every tile is computed
// the same way wherever it lies: results depend on neither batch nor position in it nor threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace schedbench {

/// Whether a convolution with this weight [out, in, 3, 3], padded to the same size, can be done so: float32
/// or bfloat16 on the CPU, in and out multiples of 32.
bool winograd_applies(const at::Tensor& weight);

/// G g G^T of all pairs of channels, float32, four times the size of a float32 weight; laid out for
/// winograd_conv().
at::Tensor winograd_weights(const at::Tensor& weight);

/// (conv(x) + bias + residual) * scale; x [B, in, H, W] float32 or bfloat16, `residual` [B, out, H, W] or
/// undefined (then `scale` must be 1). Output in x's dtype, channels-last. No gradients.
at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed, const at::Tensor& bias,
                         const at::Tensor& residual = {}, double scale = 1);

}  // namespace schedbench
