// What the schedules of flow models share. A flow model mixes x = (1 - s) x0 + s n, so its sigma s is a
// weight in [0, 1] and the level is s/(1 - s). Its N+1 knots are a function of v = 1 - i/N.
//
// v = 1 is an infinite level: knot 0 is cut to sigma-max. v = 0 is the data: level 0, or sigma-min with
// end=sigma-min. All knots between are the published ones with either end.
#pragma once

#include <functional>
#include <vector>

#include "schedules/schedule_family.h"

namespace schedbench {

/// count levels; level(v, 1 - v) gives knots 1 .. N-1. Error("number") if they do not fit between the ends.
std::vector<double> flow_levels(const FamilyContext& context,
                                const std::function<double(double v, double rest)>& level);
/// exp(mu) (v/(1 - v))^gamma, the level of s = e^mu/(e^mu + (1/v - 1)^gamma).
double flow_exp_level(double mu, double gamma, double v, double rest);
/// The value at x of the line through (x0, y0) and (x1, y1).
double line_through(double x0, double y0, double x1, double y1, double x);

/// A family with the range, the coordinate and the form of map that all of these have.
ScheduleFamily flow_family(SpecEntry entry, const std::string& map,
                           std::vector<double> (*levels)(const FamilyContext&));

}  // namespace schedbench
