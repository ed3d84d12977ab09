// The variance-exploding schedule (Song et al. 2021, arXiv 2011.13456; Karras et al. 2022, table 1):
// log-linear on a range of its own. Karras et al. write it in sigma^2, which is the same.
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return c.sigma_max * std::pow(c.sigma_min / c.sigma_max, u);
}

LevelRange range(const FamilyContext&) {
    return {0.02, 100};
}

}  // namespace

ScheduleFamily ve() {
    ScheduleFamily f;
    f.entry = {"ve",
               "the VE process: log-linear from 100 to 0.02",
               "Song et al. 2021; Karras et al. 2022, table 1",
               {}};
    f.coordinate = "ln sigma";
    f.map = "sigma = exp(x)";
    f.level = level;
    f.range = range;
    return f;
}

}  // namespace schedbench::family_list
