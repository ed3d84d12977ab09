// DPM-Solver++(3M) (the multistep form of Lu et al. 2022, arXiv 2211.01095, in their code; the equations are
// those of alg. 1 of Lu et al. 2022, arXiv 2206.00927, for DPM-Solver-3), in the VE form:
//
//     h = ln(a / b),   r0 = h_{i-1} / h,   r1 = h_{i-2} / h
//     E0 = (D_i - D_{i-1}) / r0,   E1 = (D_{i-1} - D_{i-2}) / r1
//     D' = E0 + r0 / (r0 + r1) (E0 - E1),   D'' = kappa (E0 - E1) / (r0 + r1)
//     x' = (b / a) x + f1 D_i + f2 D' - f3 D'',   f1 = 1 - b/a,   f2 = 1 - f1 / h,   f3 = f2 / h - 1/2
//
// a = sigma_i, b = sigma_{i+1}; D' and D'' estimate h and h^2 times the first and second derivative in lambda
// = -ln sigma. kappa = 2 makes the second one right (order 3); the published code has kappa = 1, which is of
// order 2. The first step is first order, and so is a step to b = 0; the second is
//
//     midpoint   (b / a) x + f1 (D_i + E0 / 2)          phi2   (b / a) x + f1 D_i + f2 E0
//
// lower-order-final=true makes the last step first order and the one before it second order.
#include "samplers/family_list.h"
#include "samplers/linear_multistep.h"
#include "samplers/phi_functions.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    const double kappa = spec.text("variant") == "published" ? 1 : 2;
    const bool midpoint = spec.text("warmup") == "midpoint", lower_final = spec.flag("lower-order-final");
    const size_t steps = levels.size() - 1;
    std::vector<StepWeights> out;
    for (size_t i = 0; i < steps; ++i) {
        const double a = levels[i], b = levels[i + 1], keep = b / a, f1 = (a - b) / a;
        size_t order = std::min<size_t>(i + 1, 3);
        if (lower_final) order = std::min(order, steps - i);
        if (order == 1 || b == 0) {
            out.push_back({keep, {f1}});
            continue;
        }
        const double h = log_step(a, b), f2 = h * phi(2, -h), f3 = -h * phi(3, -h);
        const double r0 = log_step(levels[i - 1], a) / h;
        if (order == 2) {
            const double slope = (midpoint ? f1 / 2 : f2) / r0;
            out.push_back({keep, {f1 + slope, -slope}});
            continue;
        }
        const double r1 = log_step(levels[i - 2], levels[i - 1]) / h;
        const double bend = (f2 * r0 - f3 * kappa) / (r0 + r1);  // of E0 - E1
        const double recent = (f2 + bend) / r0, older = -bend / r1;
        out.push_back({keep, {f1 + recent, older - recent, -older}});
    }
    return out;
}

int order(const Spec& spec) {
    return spec.text("variant") == "published" || spec.flag("lower-order-final") ? 2 : 3;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return make_linear_multistep(spec, HistoryKind::denoised, weights);
}

}  // namespace

SamplerFamily dpmpp_3m() {
    constexpr auto choice = SpecParam::Type::choice;
    return {
        {"dpmpp-3m",
         "DPM-Solver++(3M), corrected or as published; the step to level 0 is first order",
         "Lu et al. 2022 (DPM-Solver++), section 5 and code",
         {{"variant",
           choice,
           "order3",
           "second difference: order3 (with its factor 2), or as published (without it: order 2)",
           {"order3", "published"}},
          {"warmup",
           choice,
           "midpoint",
           "second-order step: midpoint as in 2M, or phi2",
           {"midpoint", "phi2"}},
          {"lower-order-final", SpecParam::Type::flag, "false",
           "orders 2 and 1 on the last two steps (published: on for few steps, or always); order 2 then"}}},
        "1",
        order,
        make};
}

}  // namespace schedbench::sampler_list
