// Uniform in the time of a variance-preserving process (Song et al. 2021, eq. 33), refitted to the range.
#include <cmath>

#include "schedules/families/vp_time_family.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return vp_power_level(c, vp_time(c), u, 1);
}

}  // namespace

ScheduleFamily uniform_t() {
    ScheduleFamily f;
    f.entry = {"uniform-t", "uniform in the time of a VP process, refitted to the range of sigma",
               "Song et al. 2021, eq. 33; Karras et al. 2022, table 1", vp_time_params()};
    f.coordinate = "t (VP)";
    f.map = "sigma^2 = exp(beta_d t^2/2 + beta_min t) - 1";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
