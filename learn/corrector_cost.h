// The corrector cost of going from one level to the next cleaner one (Williams, Campbell, Doucet, Syed 2024,
// arXiv 2412.07877, eqs. 13-15, identity predictor):
//
//     L(t, t') = v^2 E_{X ~ p_t} | score_{t'}(X) - score_t(X) |^2,     t' < t
//
// Both scores at the same x, drawn from the noisier marginal: two evaluations a probe and interval, no
// derivatives. The norm is a sum over all components.
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/noise_path.h"

namespace schedbench {

/// The cost of each row of x, drawn from `left`: [B] float64. A gap of scores within their rounding counts as
/// 0.
at::Tensor corrector_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                            const PathPoint& left, const Velocity& velocity, const at::Tensor& labels);

/// The same from two scores that are known already, like x.
at::Tensor corrector_values(const at::Tensor& entered_score, const at::Tensor& left_score,
                            double squared_velocity);

}  // namespace schedbench
