// Euler steps of the probability-flow ODE in the VE form (Karras et al. 2022, arXiv 2206.00364, alg. 1 with s
// = 1):
//
//     d = (x - D(x; a)) / a,     x' = x + (b - a) d = (b/a) x + (1 - b/a) D,     a = sigma_i, b = sigma_{i+1}
//
// The same numbers as DDIM with eta = 0 (Song et al. 2021): see ddim.cpp. A step to b = 0 gives x' = D.
#include "samplers/family_list.h"
#include "samplers/linear_multistep.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec&) {
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const double ratio = levels[i + 1] / levels[i];
        out.push_back({ratio, {1 - ratio}});
    }
    return out;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return make_linear_multistep(spec, HistoryKind::denoised, weights);
}

}  // namespace

SamplerFamily euler() {
    return {{"euler",
             "Euler steps of the probability-flow ODE; the same numbers as ddim:eta=0",
             "Karras et al. 2022, alg. 1; Song et al. 2021 (DDIM), eq. 12 with sigma = 0",
             {}},
            "1",
            first_order,
            make};
}

}  // namespace schedbench::sampler_list
