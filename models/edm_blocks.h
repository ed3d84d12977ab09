// Building blocks of the EDM networks (Karras et al. 2022, arXiv 2206.00364, appendix F.1 and table 1), with
// that project's parameter names: one residual block that covers DDPM++, NCSN++ and ADM, a convolution with
// an optional change of resolution, and the embeddings of the noise level.
//
// A change of resolution filters with the outer product of the taps of `resample_filter`, normalised to sum 1
// (4 when going up); [1,1] is a 2x2 box (Song et al. 2021, DDPM++; Dhariwal & Nichol 2021, ADM), [1,3,3,1]
// NCSN++'s.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/attention.h"
#include "models/parameters.h"

namespace schedbench {

/// Convolution, change of resolution, or both. Parameters: weight and bias if kernel > 0, resample_filter if
/// the resolution changes.
struct EdmConv {
    std::string prefix;
    int64_t in = 0, out = 0;
    int64_t kernel = 3;  ///< 0: the change of resolution alone
    Resample resample = Resample::none;
    std::vector<double> taps = {1, 1};
    bool fused =
        false;  ///< filter and convolution share the padding: going down, the convolution comes first

    void add_shapes(ParameterShapes& shapes) const;
    /// x [B, in, H, W] -> [B, out, H', W'].
    at::Tensor operator()(const Parameters& parameters, const at::Tensor& x) const;
    /// Multiply-accumulates of the convolution at so many pixels; the filter is not counted.
    int64_t macs(int64_t pixels) const { return kernel * kernel * in * out * pixels; }
};

/// Residual block with an optional change of resolution and self-attention. The noise embedding enters
/// between the two convolutions, as a shift before the second norm or as scale and shift after it
/// (`adaptive_scale`).
struct EdmBlock {
    std::string prefix;
    int64_t in = 0, out = 0;
    int64_t embedding = 0;  ///< channels of the embedding
    Resample resample = Resample::none;
    int64_t heads = 0;      ///< 0: no attention
    double skip_scale = 1;  ///< after the residual sum, and again after attention
    double epsilon = 1e-5;  ///< of the group norms
    std::vector<double> taps = {1, 1};
    bool resample_proj = false;  ///< a change of resolution puts a 1x1 convolution on the skip path
    bool adaptive_scale = true;

    void add_shapes(ParameterShapes& shapes) const;
    /// x [B, in, H, W], emb [B or 1, embedding], `dropout`: the rate before the last convolution
    /// -> [B, out, H', W'].
    at::Tensor operator()(const Parameters& parameters, const at::Tensor& x, const at::Tensor& emb,
                          double dropout = 0) const;
    /// Multiply-accumulates for an output of so many pixels.
    int64_t macs(int64_t pixels) const;

  private:
    EdmConv conv0() const;
    bool has_skip() const { return in != out || resample != Resample::none; }
    EdmConv skip() const;
    SelfAttention attention() const;
};

/// Groups of every group norm: 32, but no fewer than 4 channels a group.
int64_t edm_groups(int64_t channels);
/// SiLU of the norm.
at::Tensor edm_norm_silu(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                         double epsilon);

/// [cos(t w_i), sin(t w_i)], w_i = 10000^(-i/half), i < half = dim/2; with `endpoint` i/(half-1), so that the
/// last w is 1/10000. In float32 unless time is float64. [B] -> [B, dim].
at::Tensor positional_embedding(const at::Tensor& time, int64_t dim, bool endpoint);

/// [cos(2 pi f_i t), sin(2 pi f_i t)] with stored frequencies f [dim/2] (Song et al. 2021). [B] -> [B, dim].
at::Tensor fourier_embedding(const at::Tensor& time, const at::Tensor& frequencies);

}  // namespace schedbench
