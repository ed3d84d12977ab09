#include "schedules/families/vp_time_family.h"

#include <cmath>

#include "core/error.h"

namespace schedbench {

std::vector<SpecParam> vp_time_params() {
    using Type = SpecParam::Type;
    return {{"eps", Type::number, "0.001", "smallest time of the fit, t in [eps, 1]"},
            {"beta-d", Type::number, "auto",
             "slope of beta(t); auto = fitted to the range of sigma (published VP: 19.9)"},
            {"beta-min", Type::number, "auto",
             "beta(0); auto = fitted to the range of sigma (published VP: 0.1)"}};
}

VpTime vp_time(const FamilyContext& c) {
    if (c.spec.is_auto("beta-d") != c.spec.is_auto("beta-min"))
        throw Error("spec", "beta-d and beta-min must be given together", c.where, "or leave both at auto");
    if (c.spec.is_auto("beta-d")) return VpTime::fitted(c.sigma_min, c.sigma_max, c.positive("eps"), c.where);
    return {c.positive("beta-d"), c.spec.number("beta-min")};
}

double vp_power_level(const FamilyContext& c, const VpTime& vp, double u, double rho) {
    const double first = std::pow(vp.time(c.sigma_max), 1 / rho),
                 last = std::pow(vp.time(c.sigma_min), 1 / rho);
    return vp.sigma(std::pow(first + u * (last - first), rho));
}

}  // namespace schedbench
