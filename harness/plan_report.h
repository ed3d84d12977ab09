// What a sweep is going to do, how long it will take and what it will need, before it starts.
#pragma once

#include "harness/likelihood_run.h"
#include "harness/plan.h"
#include "harness/suite.h"
#include "harness/sweep.h"

namespace schedbench {

/// On stderr. Times come from one timed batch of each model.
void print_plan(const Suite& suite, const Plan& plan, const SweepOptions& options, LikelihoodRun& likelihood);

}  // namespace schedbench
