// The VP process as published (Song et al. 2021, arXiv 2011.13456, eq. 33): t from 1 to eps, betas not
// refitted to a range, so that its ends are sigma(1) and sigma(eps).
#include <cmath>

#include "core/error.h"
#include "schedules/families/vp_time_family.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

VpTime process_of(const FamilyContext& c) {
    return {c.positive("beta-d"), c.positive("beta-min")};
}

double level(const FamilyContext& c, double u) {
    return vp_power_level(c, process_of(c), u, c.positive("rho"));
}

LevelRange range(const FamilyContext& c) {
    const double eps = c.positive("eps");
    if (!(eps < 1)) throw Error("number", "eps must lie between 0 and 1, not " + format_number(eps), c.where);
    const VpTime vp = process_of(c);
    return {vp.sigma(eps), vp.sigma(1)};
}

}  // namespace

ScheduleFamily vp() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {"vp",
               "the VP process as published: uniform in t^(1/rho) from 1 to eps, betas not refitted",
               "Song et al. 2021, eq. 33; Karras et al. 2022, table 1",
               {{"rho", Type::number, "1", "exponent; 1 is uniform in t, 2 quadratic"},
                {"eps", Type::number, "0.001", "smallest time: sigma-min=auto is sigma(eps)"},
                {"beta-d", Type::number, "19.9", "slope of beta(t)"},
                {"beta-min", Type::number, "0.1", "beta(0)"}}};
    f.coordinate = "t^(1/rho) (VP)";
    f.map = "t = x^rho, sigma^2 = exp(beta_d t^2/2 + beta_min t) - 1";
    f.level = level;
    f.range = range;
    return f;
}

}  // namespace schedbench::family_list
