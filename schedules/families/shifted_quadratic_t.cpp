// Uniform in sqrt(t - t_min) of VP time (Tong et al. 2024, arXiv 2405.15506).
#include <cmath>

#include "schedules/families/vp_time_family.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    const VpTime vp = vp_time(c);
    const double first = vp.time(c.sigma_max), last = vp.time(c.sigma_min);
    return vp.sigma(last + (first - last) * (1 - u) * (1 - u));
}

}  // namespace

ScheduleFamily shifted_quadratic_t() {
    ScheduleFamily f;
    f.entry = {"shifted-quadratic-t", "uniform in the square root of t - t_min; not the same as quadratic-t",
               "Tong et al. 2024 (LD3)", vp_time_params()};
    f.coordinate = "sqrt (t - t_min) (VP)";
    f.map = "t = t_min + x^2, sigma^2 = exp(beta_d t^2/2 + beta_min t) - 1";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
