// The geometric schedule (Song and Ermon 2019, section 4.1): uniform in ln sigma, that is, in log SNR.
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    return std::exp((1 - u) * std::log(c.sigma_max) + u * std::log(c.sigma_min));
}

}  // namespace

ScheduleFamily log_linear() {
    ScheduleFamily f;
    f.entry = {"log-linear",
               "uniform in ln sigma (geometric); the limit rho -> infinity of edm",
               "Song and Ermon 2019, section 4.1",
               {},
               {"exponential", "geometric", "lu-lambdas"}};
    f.coordinate = "ln sigma";
    f.map = "sigma = exp(x)";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
