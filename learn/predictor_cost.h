// The predictor cost of going from one level to the next cleaner one (Williams, Campbell, Doucet, Syed 2024,
// arXiv 2412.07877, eqs. 13-15) with one Euler step F of the probability-flow ODE as predictor:
//
//     L(t, t') = v^2 E_{X ~ p_t} | score_{t'}(F(X)) - J^{-T} (score_t(X) - g(X)) |^2
//     J = dF/dx,    g_k = d/dx_k log |det J| = tr(J^{-1} d_k J)
//     VE: F(x) = x + (t - t') t score_t(x)           t = sigma
//     VP: F(x) = x + (t - t') tan(t) (x + score_t(x))    t = arctan(level)
//
// The second score is that of the distribution F pushes p_t to. The inverse is a solve, never 1 - h J': on
// Gaussian data the first-order form is wrong by (1 - t^2/c^2)^2. For a smooth score L is of *fourth* order
// in the step.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "learn/noise_path.h"

namespace schedbench {

struct PredictorOptions {
    int64_t dense_dims =
        16;  ///< up to this many dimensions: all of J, its inverse and its determinant, exactly
    bool gaussian = false;     ///< normal probes instead of random signs
    int64_t probes = 1;        ///< probes in each of the two independent sets, above dense_dims
    double tolerance = 1e-6;   ///< largest relative residual of a solve; float32 networks reach about 1e-6.
                               ///< 1e-4 is enough in profile fast and with precision=bf16, which reach 1e-5
    int64_t iterations = 200;  ///< of a solve, at most
    uint64_t seed = 0;         ///< of the probes
};

/// Whether the network's products are rounded to bfloat16 or TF32 (profile fast, precision=bf16). The cost, a
/// small difference of large numbers, was then up to 40 % off that of float32.
bool has_rounded_products(const Denoiser& denoiser);

/// The Euler step F, like x. Keeps the graph of x.
at::Tensor predictor_step(const at::Tensor& x, const at::Tensor& score, const PathPoint& entered,
                          const PathPoint& left);

/// The cost of each row of x, drawn from `left`: [B] float64. Above dense_dims the gradient of the
/// log-determinant is Hutchinson's estimate z^T (d_k J) e with J^T z = e for probes e, and the square of the
/// residual is the product of two residuals with independent probe sets: its mean has no bias (the square of
/// one has), but a single value may be negative. `ids` name the rows' probes (with `draw`). Error("option")
/// if the model has no derivatives; Error("number") where F folds space (det J <= 0) or where a solve does
/// not reach the tolerance.
at::Tensor predictor_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                            const PathPoint& left, const Velocity& velocity, const at::Tensor& labels,
                            const PredictorOptions& options, std::span<const int64_t> ids, uint32_t draw);

/// The estimate with one probe set squared, which is biased upwards: to show by how much.
at::Tensor predictor_plugin_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                                   const PathPoint& left, const Velocity& velocity, const at::Tensor& labels,
                                   const PredictorOptions& options, std::span<const int64_t> ids,
                                   uint32_t draw);

}  // namespace schedbench
