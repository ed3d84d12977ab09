// ln sigma falls as a power of 1 - u; known from the library k-diffusion, rho = 1 is log-linear.
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return c.sigma_min * std::exp(std::pow(1 - u, c.positive("rho")) * std::log(c.sigma_max / c.sigma_min));
}

}  // namespace

ScheduleFamily polyexponential() {
    ScheduleFamily f;
    f.entry = {"polyexponential",
               "ln sigma falls as the power (1-u)^rho",
               "k-diffusion",
               {{"rho", SpecParam::Type::number, "1", "exponent; 1 is log-linear"}}};
    f.coordinate = "(ln sigma/sigma_min)^(1/rho)";
    f.map = "sigma = sigma_min exp(x^rho)";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
