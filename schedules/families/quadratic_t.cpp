// Uniform in the square root of VP time (Lu et al. 2022, arXiv 2206.00927, appendix D.4).
#include <cmath>

#include "schedules/families/vp_time_family.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return vp_power_level(c, vp_time(c), u, 2);
}

}  // namespace

ScheduleFamily quadratic_t() {
    ScheduleFamily f;
    f.entry = {"quadratic-t", "uniform in the square root of the time of a VP process, refitted to the range",
               "Lu et al. 2022 (DPM-Solver), appendix D.4", vp_time_params()};
    f.coordinate = "sqrt t (VP)";
    f.map = "t = x^2, sigma^2 = exp(beta_d t^2/2 + beta_min t) - 1";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
