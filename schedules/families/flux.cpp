// Flux: the exponential shift with mu linear in the number of image tokens, 0.5 at 256 and 1.15 at 4096.
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double mu = line_through(256, 0.5, 4096, 1.15, c.positive("tokens"));
    return flow_levels(c, [&](double v, double rest) { return flow_exp_level(mu, 1, v, rest); });
}

}  // namespace

ScheduleFamily flux() {
    return flow_family(
        {"flux",
         "time of a flow model, shifted by the number of tokens as Flux does; the first level, "
         "infinite, is cut to sigma-max",
         "Black Forest Labs, Flux (get_schedule)",
         {{"tokens", SpecParam::Type::number, "4096", "image tokens"}}},
        "sigma = e^mu v/(1 - v), mu linear in the tokens: 0.5 at 256, 1.15 at 4096", levels);
}

}  // namespace schedbench::family_list
