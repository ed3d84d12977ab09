// LTX-2: the exponential shift with mu linear in the tokens, then 1 - s scaled so that the last s above 0 is
// `terminal`. In levels l = s/(1 - s), where 1 - s = 1/(1 + l): 1 + l becomes k (1 + l).
#include "core/error.h"
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double mu = line_through(1024, 0.95, 4096, 2.05, c.positive("tokens"));
    const double terminal = c.positive("terminal");
    if (!(terminal < 1))
        throw Error("number", "terminal must lie between 0 and 1, not " + format_number(terminal), c.where);
    const double last = static_cast<double>(c.steps - 1) / c.steps;
    const double k = 1 / ((1 - terminal) * (1 + flow_exp_level(mu, 1, 1 - last, last)));
    return flow_levels(c,
                       [&](double v, double rest) { return k * (1 + flow_exp_level(mu, 1, v, rest)) - 1; });
}

}  // namespace

ScheduleFamily ltx2() {
    using Type = SpecParam::Type;
    ScheduleFamily f = flow_family(
        {"ltx2",
         "time of a flow model, shifted by tokens and stretched to a last level as LTX-2 does; the first "
         "level, "
         "infinite, is cut to sigma-max",
         "Lightricks, LTX-2 (scheduler)",
         {{"tokens", Type::number, "4096", "latent tokens"},
          {"terminal", Type::number, "0.1", "last flow sigma above 0, in (0, 1)"}}},
        "sigma + 1 = k (1 + e^mu v/(1 - v)), mu linear in the tokens: 0.95 at 1024, 2.05 at 4096", levels);
    f.least_steps = 2;
    f.least_reason = "with one there is no level to stretch";
    return f;
}

}  // namespace schedbench::family_list
