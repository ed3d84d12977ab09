// What `learn` says of a schedule that was read off a cost curve: errors of its knots, length, energy, and a
// picture of where along the levels the length lies.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>

#include "schedules/learned_schedule.h"
#include "schedules/schedule.h"

namespace schedbench {

/// {"level_error": [N+1] standard errors of ln(level), "length", "length_se", "energy", "energy_se",
/// "probes", "warning"}; null where there is none (fewer than two blocks of probes).
nlohmann::json cost_report(const LearnedSchedule& learned, const Schedule& schedule);
/// The same for people, with a line a band of levels: length per unit of ln sigma, and the knots in it.
void print_cost_report(std::ostream& out, const LearnedSchedule& learned, const Schedule& schedule);

}  // namespace schedbench
