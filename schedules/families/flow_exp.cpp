// The exponential shift of flow models (Flux): s = e^mu/(e^mu + (1/v - 1)^gamma). gamma = 1 is flow-shift
// with shift = e^mu.
#include <cmath>

#include "core/error.h"
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double mu = c.spec.number("mu"), gamma = c.positive("gamma");
    if (!std::isfinite(mu)) throw Error("number", "mu must be finite, not " + format_number(mu), c.where);
    return flow_levels(c, [&](double v, double rest) { return flow_exp_level(mu, gamma, v, rest); });
}

}  // namespace

ScheduleFamily flow_exp() {
    using Type = SpecParam::Type;
    return flow_family(
        {"flow-exp",
         "time of a flow model with an exponential shift; the first level, infinite, is cut to "
         "sigma-max",
         "Black Forest Labs, Flux (time_shift)",
         {{"mu", Type::number, "1.15", "shift: ln of the factor of the level"},
          {"gamma", Type::number, "1", "power of v/(1 - v)"}}},
        "sigma = e^mu (v/(1 - v))^gamma", levels);
}

}  // namespace schedbench::family_list
