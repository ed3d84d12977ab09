// DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, alg. 2, midpoint type), multistep, in the VE form:
//
//     h = ln(a / b),   r = h_{i-1} / h,   Dhat = D_i + (D_i - D_{i-1}) / (2 r)
//     x' = (b / a) x + (1 - b / a) Dhat                    (e^{-h} = b / a)
//
// a = sigma_i, b = sigma_{i+1}. The first step is first order (Dhat = D_i), and so is a step to b = 0 (h
// infinite), which gives x' = D_i. lower-order-final=true makes the last step first order also where it ends
// above 0.
#include <cmath>

#include "samplers/family_list.h"
#include "samplers/linear_multistep.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    const bool lower_final = spec.flag("lower-order-final");
    const size_t steps = levels.size() - 1;
    std::vector<StepWeights> out;
    for (size_t i = 0; i < steps; ++i) {
        const double a = levels[i], b = levels[i + 1], share = 1 - b / a;
        if (i == 0 || b == 0 || (lower_final && i + 1 == steps)) {
            out.push_back({b / a, {share}});
            continue;
        }
        const double r = std::log(levels[i - 1] / a) / std::log(a / b);
        out.push_back({b / a, {share * (1 + 1 / (2 * r)), -share / (2 * r)}});
    }
    return out;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return make_linear_multistep(spec, HistoryKind::denoised, weights);
}

}  // namespace

SamplerFamily dpmpp_2m() {
    return {{"dpmpp-2m",
             "DPM-Solver++(2M), midpoint type; the step to level 0 is first order",
             "Lu et al. 2022 (DPM-Solver++), alg. 2",
             {{"lower-order-final", SpecParam::Type::flag, "false",
               "first order on the last step also where it ends above 0"}}},
            "1",
            second_order,
            make};
}

}  // namespace schedbench::sampler_list
