// SDE-DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, appendix B.5 and table 1; eta as in k-diffusion),
// in the VE form: the first-order step (sde_dpmpp_1.cpp) and the change of D since the last knot,
//
//     x' = (b / a) e^{-eta h} x + share D_i + c (D_i - D_{i-1}) / r + b sqrt(1 - e^{-2 eta h}) z
//     share = 1 - e^{-(1 + eta) h},     h = ln(a / b),     r = h_{i-1} / h
//     midpoint  c = share / 2              heun  c = 1 - share / ((1 + eta) h)
//
// a = sigma_i, b = sigma_{i+1}. The first step is first order, and so is a step to b = 0, which gives x' =
// D_i. midpoint with eta = 0 is dpmpp-2m.
#include "samplers/exponential_sde.h"
#include "samplers/family_list.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    const double eta = spec.number("eta");
    const bool midpoint = spec.text("type") == "midpoint";
    std::vector<StepWeights> out;
    double last_h = 0;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const ExponentialSdeStep step(levels[i], levels[i + 1], eta);
        if (i == 0 || levels[i + 1] == 0) {
            out.push_back({step.keep, {step.share}, step.noise});
        } else {
            const double change = midpoint ? step.share / 2 : 1 - step.share / ((1 + eta) * step.h);
            const double weight = change * step.h / last_h;
            out.push_back({step.keep, {step.share + weight, -weight}, step.noise});
        }
        last_h = step.h;
    }
    return out;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double eta = checked_sde_eta(spec, where);
    return make_linear_multistep(spec, HistoryKind::denoised, weights, eta > 0);
}

}  // namespace

SamplerFamily sde_dpmpp_2m() {
    return {{"sde-dpmpp-2m",
             "SDE-DPM-Solver++(2M); the first step and the step to level 0 are first order",
             "Lu et al. 2022 (DPM-Solver++), appendix B",
             {{"type",
               SpecParam::Type::choice,
               "midpoint",
               "how the change of x0hat enters the step",
               {"midpoint", "heun"}},
              {"eta", SpecParam::Type::number, "1", "noise of the SDE, from 0 (the ODE); 1 is the paper's"}}},
            "1",
            second_order,
            make};
}

}  // namespace schedbench::sampler_list
