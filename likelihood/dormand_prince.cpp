#include "likelihood/dormand_prince.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

constexpr int kStages = 7;
constexpr std::array<double, kStages> kNodes{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};
constexpr std::array<std::array<double, kStages>, kStages> kWeights{{
    {},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},  // order 5, and the last stage
}};
constexpr std::array<double, kStages> kFourth{5179. / 57600,    0,           7571. / 16695, 393. / 640,
                                              -92097. / 339200, 187. / 2100, 1. / 40};

/// sum_j weights[j] slopes[j]
at::Tensor weighted(const std::array<at::Tensor, kStages>& slopes,
                    const std::array<double, kStages>& weights) {
    at::Tensor out;
    for (size_t j = 0; j < kStages; ++j)
        if (weights[j] != 0) out = out.defined() ? out + weights[j] * slopes[j] : weights[j] * slopes[j];
    return out;
}

/// Error norm of each row in units of the tolerance.
at::Tensor norm_of(const at::Tensor& ratio, int64_t alone) {
    const int64_t together = ratio.size(1) - alone;
    at::Tensor norm = at::zeros({ratio.size(0)}, at::kDouble);
    if (together > 0) norm = ratio.narrow(1, 0, together).square().mean(1).sqrt();
    if (alone > 0) norm = at::maximum(norm, ratio.narrow(1, together, alone).abs().amax(1));
    return norm;
}

}  // namespace

at::Tensor integrate_rows(const RowSlope& slope, const at::Tensor& start, int64_t alone, double begin,
                          double end, const StepControl& control, const std::string& where) {
    SCHEDBENCH_ASSERT(start.dim() == 2 && begin < end && alone >= 0 && alone <= start.size(1));
    const int64_t count = start.size(0);
    std::array<double, kStages> difference = kWeights[kStages - 1];
    for (size_t j = 0; j < kStages; ++j) difference[j] -= kFourth[j];

    at::Tensor out = at::empty_like(start), y = start.to(at::kDouble), rows = at::arange(count, at::kLong);
    at::Tensor t = at::full({count}, begin, at::kDouble),
               h = at::full({count}, (end - begin) / 100, at::kDouble);
    at::Tensor rejected_before = at::zeros({count}, at::kBool);
    std::array<at::Tensor, kStages> k;
    k[0] = slope(rows, t, y);
    for (int64_t attempt = 0; rows.numel() > 0; ++attempt) {
        const double shortest = h.min().item<double>();
        if (attempt >= control.max_steps || !(shortest > 1e-12 * (end - begin)))
            throw Error("number",
                        "the integration of the probability flow stopped at ln sigma = " +
                            format_number(t.min().item<double>()) + " of " + format_number(end) + ", after " +
                            std::to_string(attempt) + " steps, with a step of " + format_number(shortest),
                        where, "give a larger --rtol and --atol, or a larger --sigma-min");
        const at::Tensor left = end - t, last = h >= left;
        const at::Tensor step = at::minimum(h, left), column = step.unsqueeze(1);
        at::Tensor next;
        for (size_t stage = 1; stage < kStages; ++stage) {
            next = y + column * weighted(k, kWeights[stage]);
            k[stage] = slope(rows, t + kNodes[stage] * step, next);
        }
        const at::Tensor scale = control.atol + control.rtol * at::maximum(y.abs(), next.abs());
        const at::Tensor error = norm_of(column * weighted(k, difference) / scale, alone);
        const at::Tensor accepted = error <= 1;  // false for NaN
        at::Tensor factor = (0.9 * error.clamp_min(1e-10).pow(-0.2)).clamp(0.2, 5).nan_to_num(0.2);
        factor = at::where(rejected_before, factor.clamp_max(1), factor);
        const at::Tensor column_accepted = accepted.unsqueeze(1);
        y = at::where(column_accepted, next, y);
        k[0] = at::where(column_accepted, k[kStages - 1], k[0]);
        t = at::where(accepted, at::where(last, at::full_like(t, end), t + step), t);
        h = step * factor;
        rejected_before = accepted.logical_not();

        const at::Tensor running = t < end;
        if (running.all().item<bool>()) continue;
        const at::Tensor done = at::nonzero(running.logical_not()).squeeze(1),
                         kept = at::nonzero(running).squeeze(1);
        out.index_copy_(0, rows.index_select(0, done), y.index_select(0, done));
        for (at::Tensor* state : {&rows, &t, &h, &y, &k[0], &rejected_before})
            *state = state->index_select(0, kept);
    }
    return out;
}

}  // namespace schedbench
