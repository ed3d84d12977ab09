#include "learn/corrector_cost.h"

#include <ATen/ATen.h>

namespace schedbench {

at::Tensor corrector_values(const at::Tensor& entered_score, const at::Tensor& left_score,
                            double squared_velocity) {
    // Two equal scores differ by their rounding, and a path without any cost must have none: 1e-14 of a
    // score, squared. Networks round at 1e-7, but there costs are never as small.
    constexpr double kRounding = 1e-28;
    const auto square = [](const at::Tensor& x) { return x.to(at::kDouble).square().flatten(1).sum(1); };
    const at::Tensor gap = square(entered_score - left_score);
    const at::Tensor least = kRounding * (square(entered_score) + square(left_score));
    return squared_velocity * at::where(gap <= least, at::zeros_like(gap), gap);  // keeps NaN
}

at::Tensor corrector_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                            const PathPoint& left, const Velocity& velocity, const at::Tensor& labels) {
    return corrector_values(path_score(denoiser, x, entered, labels), path_score(denoiser, x, left, labels),
                            velocity.squared(entered, left));
}

}  // namespace schedbench
