// Convolutions of 3x3 on the CPU by fewer multiplications: the minimal filtering F(m x m, 3x3) of Winograd
// (1980; Lavin & Gray 2016, arXiv 1509.09308), (m+2)^2 in place of 9 m^2 for m x m outputs of a pair of
// channels, with tiles of side m = 4 (a quarter of them) or 8 (less than a fifth).
//
//     Y = A^T [ sum_c (G g_c G^T) * (B^T d_c B) ] A
//
// Points for m = 4: 0, +-1/sqrt(2), +-sqrt(2), infinity, whose rounding errors are half those of the usual 0,
// +-1, +-2 and less than twice those of the direct sum. For m = 8: 0, +-0.4, +-0.8, +-1.25, +-2.5,
// infinity, the best of a search; their errors are about 25 times larger, 3e-5 to 5e-5 of the outputs' root mean
// square, which is a hundredth of what rounding to bfloat16 does: so only there. Sums are float32 in any
// case. Every tile is computed the same way wherever it lies: results depend on neither batch nor position in
// it nor threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace schedbench {

/// Whether a convolution with this weight [out, in, 3, 3], padded to the same size, can be done so: float32
/// or bfloat16 on the CPU, in and out multiples of 32.
bool winograd_applies(const at::Tensor& weight);

/// The side of tiles, 4 or 8, for images of this type and size: 8 where bfloat16 images are cut into such
/// without remainder and are large enough that weights are used more than once. Not by the batch, on which
/// results may not depend.
int64_t winograd_side(at::ScalarType dtype, int64_t height, int64_t width);

/// G g G^T of all pairs of channels, float32 [(side+2)^2, out, in], 4 or 11 times the size of a float32
/// weight; laid out for winograd_conv().
at::Tensor winograd_weights(const at::Tensor& weight, int64_t side);

/// (conv(x) + bias + residual) * scale; x [B, in, H, W] float32 or bfloat16, `residual` [B, out, H, W] or
/// undefined (then `scale` must be 1). Tiles as `transformed` was made for. Output in x's dtype,
/// channels-last. No gradients.
at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed, const at::Tensor& bias,
                         const at::Tensor& residual = {}, double scale = 1);

}  // namespace schedbench
