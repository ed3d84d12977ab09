#include "samplers/midpoint.h"

#include <cmath>

#include "core/error.h"
#include "samplers/phi_functions.h"

namespace schedbench {

Midpoint locate_midpoint(const KnotWalk& walk, double a, double b, double r, const Spec& sampler) {
    const double wanted = a * std::exp(-r * log_step(a, b));
    const LocatedLevel at = walk.locate(wanted);
    if (!(at.level > b && at.level < a))
        throw Error("number",
                    "the step from level " + format_number(a) + " to " + format_number(b) +
                        " needs an evaluation at " + format_number(wanted) +
                        ", but the model's table has no entry between them (nearest: " +
                        format_number(at.level) + ")",
                    sampler.print(), "use time=fractional or fewer steps");
    return {at, at.level == wanted ? r : log_step(a, at.level) / log_step(a, b)};
}

void check_room(const Schedule& schedule, const Spec& sampler, const std::string& where) {
    if (schedule.time_rule != "nearest") return;
    for (size_t i = 0; i + 1 < schedule.index.size(); ++i)
        if (schedule.index[i] == schedule.index[i + 1] + 1 && schedule.index[i + 1] > 0)
            throw Error(
                "number",
                sampler.print() + " needs a level between the knots " + std::to_string(i) + " and " +
                    std::to_string(i + 1) + ", but they are neighbours in the model's table (indices " +
                    std::to_string(schedule.index[i]) + " and " + std::to_string(schedule.index[i + 1]) + ")",
                where, "use time=fractional or fewer steps");
}

}  // namespace schedbench
