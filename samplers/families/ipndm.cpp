// iPNDM (Zhang & Chen 2023, arXiv 2204.13902, section 3.3 and appendix H, after Liu et al. 2022, arXiv
// 2202.09778, eq. 12): Adams-Bashforth coefficients of equal steps, whatever the steps are:
//
//     x' = x + (b - a) sum_j c_j d_{i-j},   d = (x - D) / sigma
//
// a = sigma_i, b = sigma_{i+1}. The first steps have lower order. Where steps are not equal the method is of
// order 2 at most.
#include "samplers/family_list.h"
#include "samplers/linear_multistep.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

const std::vector<double>& coefficients(size_t order) {
    static const std::vector<std::vector<double>> table = {
        {1},
        {3.0 / 2, -1.0 / 2},
        {23.0 / 12, -16.0 / 12, 5.0 / 12},
        {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24},
    };
    return table[order - 1];
}

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    const auto order = static_cast<size_t>(spec.integer("order"));
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        StepWeights step;
        for (double c : coefficients(std::min(i + 1, order)))
            step.history.push_back((levels[i + 1] - levels[i]) * c);
        out.push_back(std::move(step));
    }
    return out;
}

int order(const Spec& spec) {
    return std::min(2, static_cast<int>(spec.integer("order")));
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    integer_within(spec, "order", 1, 4, where);
    return make_linear_multistep(spec, HistoryKind::slope, weights);
}

}  // namespace

SamplerFamily ipndm() {
    return {{"ipndm",
             "iPNDM: Adams-Bashforth with the coefficients of equal steps",
             "Zhang & Chen 2023 (DEIS), section 3.3; Liu et al. 2022 (PNDM), eq. 12",
             {{"order", SpecParam::Type::integer, "4",
               "outputs that a step looks at, 1 to 4; converges with order 2 at most"}}},
            "1",
            order,
            make};
}

}  // namespace schedbench::sampler_list
