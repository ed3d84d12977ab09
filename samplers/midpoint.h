// The level inside a step at which single-step methods evaluate a second time.
#pragma once

#include "samplers/knot_walk.h"

namespace schedbench {

struct Midpoint {
    LocatedLevel at;
    double r = 0;  ///< where it is: at.level = b^r a^(1-r)
};

/// The midpoint b^r a^(1-r) of a step from a to b > 0, or what the model offers for it: a table rounds it,
/// and then r is that of the table entry. Error("number") if rounding leaves nothing strictly between b and
/// a.
Midpoint locate_midpoint(const KnotWalk& walk, double a, double b, double r, const Spec& sampler);

/// Before anything is run: Error("number") at `where` if two knots above 0 are neighbours in the table they
/// are rounded to, so that no level lies between them.
void check_room(const Schedule& schedule, const Spec& sampler, const std::string& where);

}  // namespace schedbench
