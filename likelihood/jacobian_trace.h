// The trace of a denoiser's Jacobian, tr dD/dx: what the divergence of the probability flow is made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "models/denoiser.h"

namespace schedbench {

struct TracedDenoising {
    at::Tensor x0;     ///< D(x; sigma), like x, without a graph
    at::Tensor trace;  ///< [B, P] float64: v_p^T (dD/dx) v_p of each probe; exact: [B, 1]
    int64_t products;  ///< vector-Jacobian products taken: P, or d
};

/// One evaluation of the model and P vector-Jacobian products on its graph (reverse mode, x float64 [B,
/// shape...]). probes [B, P, d] of mean 0 and covariance 1 give the estimator of Hutchinson (Communications
/// in Statistics 19(2), 1990), E[v^T J v] = tr J; undefined probes give the exact trace by the d unit
/// vectors. Error("option") if the model has no derivatives. Rows must not see each other, as in all models
/// here.
TracedDenoising denoise_with_trace(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& levels,
                                   const at::Tensor& model_time, const at::Tensor& labels,
                                   const at::Tensor& probes);

/// Error("option") naming the model, unless it can be differentiated.
void check_differentiable(const Denoiser& denoiser);

/// signs[e] = +1 or -1 with probability 1/2 each: bit e % 128 of block e / 128 of the draw (seed, purpose
/// probe, sample, draw) of core/noise.h.
void fill_signs(uint64_t seed, uint64_t sample, uint32_t draw, std::span<double> signs);

}  // namespace schedbench
