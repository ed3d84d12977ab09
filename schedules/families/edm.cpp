// EDM's schedule (Karras et al. 2022, arXiv 2206.00364, eq. 5): sigma_i = (max^(1/rho) + u_i (min^(1/rho) -
// max^(1/rho)))^rho.
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    const double rho = c.positive("rho");
    const double first = std::pow(c.sigma_max, 1 / rho), last = std::pow(c.sigma_min, 1 / rho);
    return std::pow(first + u * (last - first), rho);
}

}  // namespace

ScheduleFamily edm() {
    ScheduleFamily f;
    f.entry = {"edm",
               "uniform in sigma^(1/rho)",
               "Karras et al. 2022, eq. 5",
               {{"rho", SpecParam::Type::number, "7", "exponent; 1 is uniform in sigma"}},
               {"karras"}};
    f.coordinate = "sigma^(1/rho)";
    f.map = "sigma = x^rho";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
