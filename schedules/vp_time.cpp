#include "schedules/vp_time.h"

#include <cmath>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

VpTime VpTime::fitted(double sigma_min, double sigma_max, double eps, const std::string& where) {
    if (!(eps > 0 && eps < 1))
        throw Error("number", "eps must lie between 0 and 1, not " + format_number(eps), where);
    const double top = std::log1p(sigma_max * sigma_max), bottom = std::log1p(sigma_min * sigma_min);
    const double beta_d = 2 * (bottom / eps - top) / (eps - 1);
    if (!(beta_d > 0))
        throw Error("number", "beta-d is " + format_number(beta_d) + ", but must be positive", where,
                    "for this range of sigma choose a larger eps");
    return {beta_d, top - beta_d / 2};
}

double VpTime::sigma(double t) const {
    return std::sqrt(std::expm1((beta_d * t / 2 + beta_min) * t));
}

double VpTime::time(double level) const {
    // The root of beta_d t^2 / 2 + beta_min t = w, in the form that does not cancel for the sign of beta_min.
    const double w = std::log1p(level * level);
    const double root = std::sqrt(beta_min * beta_min + 2 * beta_d * w);
    return beta_min > 0 ? 2 * w / (root + beta_min) : (root - beta_min) / beta_d;
}

double VpTime::slope(double t) const {
    const double level = sigma(t);
    return (beta_min + beta_d * t) * (1 + level * level) / (2 * level);
}

}  // namespace schedbench
