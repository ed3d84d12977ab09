// SDE-DPM-Solver++ of first order (Lu et al. 2022, arXiv 2211.01095, eq. 18; eta as in k-diffusion), in the
// VE form:
//
//     h = ln(a / b),     x' = (b / a) e^{-eta h} x + (1 - e^{-(1 + eta) h}) D + b sqrt(1 - e^{-2 eta h}) z
//
// a = sigma_i, b = sigma_{i+1}. eta = 1 is the SDE of the paper and the same numbers as
// ddpm:variance=posterior; eta = 0 is Euler. A step to b = 0 (h infinite) gives x' = D.
#include "samplers/exponential_sde.h"
#include "samplers/family_list.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const ExponentialSdeStep step(levels[i], levels[i + 1], spec.number("eta"));
        out.push_back({step.keep, {step.share}, step.noise});
    }
    return out;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double eta = checked_sde_eta(spec, where);
    return make_linear_multistep(spec, HistoryKind::denoised, weights, eta > 0);
}

}  // namespace

SamplerFamily sde_dpmpp_1() {
    return {{"sde-dpmpp-1",
             "SDE-DPM-Solver++ of first order; eta=1 is ddpm:variance=posterior",
             "Lu et al. 2022 (DPM-Solver++), eq. 18",
             {{"eta", SpecParam::Type::number, "1", "noise of the SDE, from 0 (the ODE); 1 is the paper's"}}},
            "1",
            first_order,
            make};
}

}  // namespace schedbench::sampler_list
