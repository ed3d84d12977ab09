// Optimal in KL for Euler steps on data N(0, c^2 I) (Sabour et al. 2024, arXiv 2404.14507, theorem 3.1).
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    const double scale = c.positive("c");
    return scale * std::tan((1 - u) * std::atan(c.sigma_max / scale) + u * std::atan(c.sigma_min / scale));
}

}  // namespace

ScheduleFamily arctan() {
    ScheduleFamily f;
    f.entry = {"arctan",
               "uniform in atan(sigma/c): KL-optimal for Euler steps on N(0, c^2); most ports fix c=1",
               "Sabour et al. 2024 (AYS), theorem 3.1",
               {{"c", SpecParam::Type::number, "0.5", "standard deviation of the data"}}};
    f.coordinate = "atan(sigma/c)";
    f.map = "sigma = c tan(x)";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
