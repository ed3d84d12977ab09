// The residual block of the U-Nets that are told a time step: norm, SiLU, convolution, the time, norm, SiLU,
// convolution, plus the input. Ho et al. 2020 (arXiv 2006.11239) add the time before the second norm; Nichol
// & Dhariwal 2021 (arXiv 2102.09672) may let it scale and shift the result of the norm; Dhariwal & Nichol
// 2021 (arXiv 2105.05233) may change the resolution inside the block.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "models/evaluation.h"
#include "models/parameters.h"

namespace schedbench {

struct ResidualBlock {
    /// How a family names the parts, after PREFIX.
    struct Names {
        const char *norm0, *conv0, *embedding, *norm1, *conv1, *skip;
    };

    const Names* names = nullptr;
    std::string prefix;
    int64_t in = 0, out = 0;
    int64_t embedding = 0;  ///< channels of the time embedding
    int64_t groups = 32;
    double epsilon = 1e-5;
    bool scale_shift = false;
    Resample resample =
        Resample::none;  ///< nearest neighbour up, 2x2 mean down; before the first convolution

    void add_shapes(ParameterShapes& shapes) const;
    /// x [B, in, H, W]; emb [B, embedding] after the SiLU that stands before each block's linear layer;
    /// `dropout`: the rate before the last convolution -> [B, out, H', W'].
    at::Tensor operator()(const Parameters& parameters, const at::Tensor& x, const at::Tensor& emb,
                          double dropout) const;
    /// Multiply-accumulates for an input of so many pixels.
    int64_t macs(int64_t pixels) const;

  private:
    std::string name(const char* part) const { return prefix + "." + part; }
};

/// How the embedding, [B, C] or [B, 2 C] after its linear layer, enters a norm that SiLU follows: added before it, or as
/// scale and shift after it.
NormSurroundings embedding_around(const at::Tensor& embedded, bool scale_shift);

/// Without parameters: nearest neighbour (x2) up, 2x2 mean down.
at::Tensor resample_plainly(const at::Tensor& x, Resample resample);

/// Convolution over a doubled image, or with stride 2; `one_sided` pads the right and the bottom alone when
/// going down, as TensorFlow's "same" rule does for even sizes.
at::Tensor upsampling_conv(const Parameters& parameters, const std::string& prefix, const at::Tensor& x);
at::Tensor downsampling_conv(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                             bool one_sided);

/// [cos(t w_i), sin(t w_i)], w_i = 10000^(-i/half), i < half = dim/2 (with `endpoint` i/(half - 1)), in
/// float32 unless time is float64. [B] -> [B, dim].
at::Tensor sinusoidal_embedding(const at::Tensor& time, int64_t dim, bool endpoint = false);

}  // namespace schedbench
