#include "learn/predictor_cost.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/noise.h"
#include "core/profile.h"
#include "learn/flow_jacobian.h"
#include "likelihood/jacobian_trace.h"

namespace schedbench {

namespace {

/// Derivatives through products rounded to bfloat16 or TF32 meet a solve to about 1e-5 only.
constexpr double kRoundedTolerance = 1e-4;

/// F(x) = (1 + linear) x + of_score score(x).
struct StepWeights {
    double linear = 0, of_score = 0;
};

StepWeights step_weights(const PathPoint& entered, const PathPoint& left) {
    const double h = left.time - entered.time;
    if (left.form == PathForm::ve) return {0, h * left.sigma};
    return {h * left.located.level, h * left.located.level};
}

std::string interval_name(const Denoiser& denoiser, const PathPoint& entered, const PathPoint& left) {
    return denoiser.spec() + ", levels " + format_number(left.located.level) + " to " +
           format_number(entered.located.level);
}

/// [B, d] random signs or normals of probe set `set`.
at::Tensor probe_set(const at::Tensor& rows, const PredictorOptions& options, std::span<const int64_t> ids,
                     uint32_t draw, uint32_t set) {
    at::Tensor out = at::empty(rows.sizes(), at::kDouble);
    const auto dims = static_cast<size_t>(rows.size(1));
    std::vector<float> normals(options.gaussian ? dims : 0);
    double* row = out.mutable_data_ptr<double>();
    // Draws of the data's noise are counted from 0, so those of the probes are told apart by their seed.
    const uint64_t seed = options.seed + 0x9e3779b97f4a7c15ULL * (set + 1);
    for (int64_t id : ids) {
        if (options.gaussian) {
            fill_normals({seed, NoisePurpose::probe}, static_cast<uint64_t>(id), draw, normals);
            std::copy(normals.begin(), normals.end(), row);
        } else {
            fill_signs(seed, static_cast<uint64_t>(id), draw, {row, dims});
        }
        row += dims;
    }
    return out;
}

/// While it lives, attention in half precision is products and a softmax too: LibTorch's fused kernels have
/// no second derivatives.
class PlainAttention {
  public:
    PlainAttention() { allow(false, false, false); }
    ~PlainAttention() { allow(flash_, efficient_, cudnn_); }
    PlainAttention(const PlainAttention&) = delete;
    PlainAttention& operator=(const PlainAttention&) = delete;

  private:
    static void allow(bool flash, bool efficient, bool cudnn) {
        at::globalContext().setSDPUseFlash(flash);
        at::globalContext().setSDPUseMemEfficient(efficient);
        at::globalContext().setSDPUseCuDNN(cudnn);
    }
    bool flash_ = at::globalContext().userEnabledFlashSDP(),
         efficient_ = at::globalContext().userEnabledMemEfficientSDP(),
         cudnn_ = at::globalContext().userEnabledCuDNNSDP();
};

struct Pushed {
    at::Tensor target;  ///< score_{t'}(F(X)), [B, d]
    std::array<at::Tensor, 2>
        pushed;  ///< J^{-T} (score_t(X) - g), with one probe set each; dense: twice the same
};

Pushed push_forward(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                    const PathPoint& left, const at::Tensor& labels, const PredictorOptions& options,
                    std::span<const int64_t> ids, uint32_t draw) {
    if (!denoiser.differentiable())
        throw Error(
            "option",
            "the model " + denoiser.spec() +
                " gives no derivatives of its output, and the predictor cost needs the Jacobian of a step",
            "cost=predictor", "use cost=corrector, or a native or exact model");
    const std::string where = interval_name(denoiser, entered, left);
    const at::AutoGradMode with_graph(true);
    const PlainAttention plain;
    const at::Tensor leaf = x.detach().to(at::kDouble).clone().requires_grad_(true);
    const at::Tensor score = path_score(denoiser, leaf, left, labels);
    const at::Tensor step = predictor_step(leaf, score, entered, left);
    const FlowJacobian jacobian(leaf, step);
    const at::Tensor start = score.detach().flatten(1);
    Pushed out;
    if (start.size(1) <= options.dense_dims) {
        const at::Tensor full = jacobian.dense();
        const auto [sign, log_determinant] = at::linalg_slogdet(full);
        if ((sign <= 0).any().item<bool>())  // NaN is for the check of values
            throw Error("number", "the Euler step of the predictor folds space: its Jacobian is singular",
                        where, "use a smaller spacing, or cost=corrector");
        const at::Tensor g = jacobian.gradient(log_determinant);
        const at::Tensor y =
            at::linalg_solve(full.detach().transpose(1, 2), (start - g).unsqueeze(2)).squeeze(2);
        out.pushed = {y, y};
    } else {
        const double tolerance = has_rounded_products(denoiser)
                                     ? std::max(options.tolerance, kRoundedTolerance)
                                     : options.tolerance;
        for (uint32_t set = 0; set < 2; ++set) {
            at::Tensor g = at::zeros_like(start);
            for (int64_t probe = 0; probe < options.probes; ++probe) {
                const at::Tensor e =
                    probe_set(start, options, ids, draw, set + 2 * static_cast<uint32_t>(probe));
                const at::Tensor z =
                    jacobian.solve_transposed(e, tolerance, options.iterations, where).solution;
                g = g + jacobian.gradient((jacobian.transposed(z, /*with_graph=*/true) * e).sum());
            }
            g = g / static_cast<double>(options.probes);
            out.pushed[set] =
                jacobian.solve_transposed(start - g, tolerance, options.iterations, where).solution;
        }
    }
    const c10::NoGradGuard no_grad;
    out.target = path_score(denoiser, step.detach(), entered, labels).flatten(1);
    return out;
}

}  // namespace

bool has_rounded_products(const Denoiser& denoiser) {
    return profile_in_force().fast || denoiser.spec().find("precision=bf16") != std::string::npos;
}

at::Tensor predictor_step(const at::Tensor& x, const at::Tensor& score, const PathPoint& entered,
                          const PathPoint& left) {
    const StepWeights weights = step_weights(entered, left);
    return x * (1 + weights.linear) + score * weights.of_score;
}

namespace {

/// v^2 a.b of two residuals; within the rounding of what they are differences of, 0.
at::Tensor weighted_product(const Pushed& p, size_t first, size_t second, double squared_velocity) {
    constexpr double kRounding = 1e-26;
    const at::Tensor product = ((p.target - p.pushed[first]) * (p.target - p.pushed[second])).sum(1);
    const at::Tensor least = kRounding * (p.target.square().sum(1) + p.pushed[first].square().sum(1));
    return squared_velocity *
           at::where(product.abs() <= least, at::zeros_like(product), product);  // keeps NaN
}

}  // namespace

at::Tensor predictor_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                            const PathPoint& left, const Velocity& velocity, const at::Tensor& labels,
                            const PredictorOptions& options, std::span<const int64_t> ids, uint32_t draw) {
    const Pushed p = push_forward(denoiser, x, entered, left, labels, options, ids, draw);
    return weighted_product(p, 0, 1, velocity.squared(entered, left));
}

at::Tensor predictor_plugin_values(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& entered,
                                   const PathPoint& left, const Velocity& velocity, const at::Tensor& labels,
                                   const PredictorOptions& options, std::span<const int64_t> ids,
                                   uint32_t draw) {
    const Pushed p = push_forward(denoiser, x, entered, left, labels, options, ids, draw);
    return weighted_product(p, 0, 0, velocity.squared(entered, left));
}

}  // namespace schedbench
