// Adams-Bashforth with variable steps (Hairer, Norsett & Wanner, Solving ODEs I, III.5) for the
// probability-flow ODE dx / d sigma = d = (x - D) / sigma: the polynomial through the last slopes, integrated
// exactly in sigma (samplers/lagrange_weights.h). The first steps have lower order.
#include "samplers/family_list.h"
#include "samplers/lagrange_weights.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    return lagrange_weights(levels, static_cast<int>(spec.integer("order")), sigma_time());
}

int order(const Spec& spec) {
    return static_cast<int>(spec.integer("order"));
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    integer_within(spec, "order", 1, 4, where);
    return make_linear_multistep(spec, HistoryKind::slope, weights);
}

}  // namespace

SamplerFamily adams_bashforth() {
    return {{"adams-bashforth",
             "Adams-Bashforth with variable steps in sigma",
             "Hairer, Norsett & Wanner 1993, III.5",
             {{"order", SpecParam::Type::integer, "4", "outputs that a step looks at, 1 to 4"}}},
            "1",
            order,
            make};
}

}  // namespace schedbench::sampler_list
