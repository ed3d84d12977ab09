// Uniform in t^(1/rho) of VP time, the betas refitted to the range: uniform-t (rho = 1) and quadratic-t (rho
// = 2) for any exponent.
#include "schedules/families/vp_time_family.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return vp_power_level(c, vp_time(c), u, c.positive("rho"));
}

}  // namespace

ScheduleFamily power_t() {
    ScheduleFamily f;
    f.entry = {"power-t", "uniform in t^(1/rho) of a VP process, refitted to the range of sigma",
               "Song et al. 2021, eq. 33; diff-sampler", vp_time_params()};
    f.entry.params.insert(f.entry.params.begin(),
                          {"rho", SpecParam::Type::number, "2", "exponent; 1 is uniform in t, 2 quadratic"});
    f.coordinate = "t^(1/rho) (VP)";
    f.map = "t = x^rho, sigma^2 = exp(beta_d t^2/2 + beta_min t) - 1";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
