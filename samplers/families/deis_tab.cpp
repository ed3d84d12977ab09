// DEIS-tAB (Zhang & Chen 2023, arXiv 2204.13902, eqs. 14-15) in the VE form: the slope eps = d = (x - D) /
// sigma is a polynomial of degree r in a time t through the last r + 1 outputs,
//
//     x' = x + sum_j C_j d_{i-j},   C_j = int L_j(t) (d sigma / dt) dt
//
// with the integrals exact (samplers/lagrange_weights.h). t is the time of a variance-preserving process (the
// paper's), sigma (then it is Adams-Bashforth), or ln sigma. The first steps have lower degree; in ln sigma,
// infinite at level 0, a step to it is first order.
#include <cmath>

#include "samplers/family_list.h"
#include "samplers/lagrange_weights.h"
#include "samplers/spec_checks.h"
#include "schedules/vp_time.h"

namespace schedbench::sampler_list {

namespace {

PolynomialTime time_of(const Spec& spec) {
    if (spec.text("time") == "sigma") return sigma_time();
    if (spec.text("time") == "log-sigma") return {[](double sigma) { return std::log(sigma); }, 0, false};
    const VpTime vp{spec.number("beta-d"), spec.number("beta-min")};
    // t(sigma) has a branch point where the root in it vanishes: ln(1 + sigma^2) = -beta_min^2 / (2 beta_d).
    const double branch = std::sqrt(-std::expm1(-vp.beta_min * vp.beta_min / (2 * vp.beta_d)));
    return {[vp](double sigma) { return vp.time(sigma); }, branch, true};
}

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    return lagrange_weights(levels, static_cast<int>(spec.integer("order")) + 1, time_of(spec));
}

int order(const Spec& spec) {
    return static_cast<int>(spec.integer("order")) + 1;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    integer_within(spec, "order", 0, 3, where);
    for (const char* key : {"beta-d", "beta-min"}) number_within(spec, key, 0, HUGE_VAL, true, where);
    return make_linear_multistep(spec, HistoryKind::slope, weights);
}

}  // namespace

SamplerFamily deis_tab() {
    constexpr auto number = SpecParam::Type::number;
    return {
        {"deis-tab",
         "DEIS-tAB with exact integrals",
         "Zhang & Chen 2023 (DEIS), eqs. 14-15",
         {{"order", SpecParam::Type::integer, "3",
           "degree of the polynomial = earlier outputs a step looks at, 0 to 3; converges with order + 1"},
          {"time",
           SpecParam::Type::choice,
           "vp",
           "what the polynomial is in: vp time, sigma (adams-bashforth), or log-sigma (first order to level "
           "0)",
           {"vp", "sigma", "log-sigma"}},
          {"beta-d", number, "19.9", "slope of beta(t) of the vp time"},
          {"beta-min", number, "0.1", "beta(0) of the vp time"}}},
        "1",
        order,
        make};
}

}  // namespace schedbench::sampler_list
