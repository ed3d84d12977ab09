// What the commands that take or print a schedule share: its options, and its two forms of output.
#pragma once

#include "apps/options.h"
#include "core/spec.h"
#include "schedules/schedule.h"

namespace schedbench {

/// --time, --allow-fewer.
void add_schedule_options(Options& options);
/// --sigma-min, --sigma-max.
void add_range_options(Options& options);

/// A number of steps (or evaluations), 1 to 100,000. Error("option").
int step_count(const Options& options, const std::string& name = "steps");
/// `steps` and the options above. Error("option") for an unknown time rule.
ScheduleRequest schedule_request(const Options& options, int steps);
/// The spec with --sigma-min and --sigma-max as its keys. Error("option") if it has them already.
Spec with_range(Spec spec, const Options& options);

/// On stdout: Schedule::to_json(), or a table.
void print_schedule(const Schedule& schedule, bool json);

}  // namespace schedbench
