// Flux 2: mu depends on the tokens L and on the number of steps N. Two fits, at 10 and at 200 steps,
//     m10 = 8.73809524e-5 L + 1.89833333,   m200 = 1.6927e-4 L + 0.45666666,
// are joined by a line in N; above 4300 tokens m200 is used for every N.
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double tokens = c.positive("tokens");
    const double m10 = 8.73809524e-5 * tokens + 1.89833333, m200 = 1.6927e-4 * tokens + 0.45666666;
    const double mu = tokens > 4300 ? m200 : line_through(10, m10, 200, m200, c.steps);
    return flow_levels(c, [&](double v, double rest) { return flow_exp_level(mu, 1, v, rest); });
}

}  // namespace

ScheduleFamily flux2() {
    return flow_family(
        {"flux2",
         "time of a flow model, shifted by tokens and steps as Flux 2 does; the first level, "
         "infinite, is cut to sigma-max",
         "Black Forest Labs, Flux 2 (compute_empirical_mu)",
         {{"tokens", SpecParam::Type::number, "4096", "image tokens; above 4300 mu is that of 200 steps"}}},
        "sigma = e^mu v/(1 - v), mu linear in the steps through fits at 10 and 200 steps", levels);
}

}  // namespace schedbench::family_list
