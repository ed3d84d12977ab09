// Quantiles of a logit-normal law of the flow time (Esser et al. 2024, arXiv 2403.03206, eq. 19): the level
// is log-normal.
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double mean = c.spec.number("mean"), std = c.positive("std");
    if (!std::isfinite(mean))
        throw Error("number", "mean must be finite, not " + format_number(mean), c.where);
    return flow_levels(c, [&](double v, double) {
        return std::exp(mean - std * std::numbers::sqrt2 * boost::math::erfc_inv(2 * v));
    });
}

}  // namespace

ScheduleFamily logit_normal() {
    using Type = SpecParam::Type;
    return flow_family(
        {"logit-normal",
         "quantiles of a log-normal law of the level; the ends, infinite and 0, are cut to the range",
         "Esser et al. 2024, eq. 19",
         {{"mean", Type::number, "0", "mean of ln sigma"},
          {"std", Type::number, "1.75", "standard deviation of ln sigma"}}},
        "ln sigma = mean + std quantile(v) of the normal law", levels);
}

}  // namespace schedbench::family_list
