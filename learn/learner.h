// Learners: a cost and a placement make a schedule.
//
//     score-optimal:cost=corrector   corrector cost over a probe grid, knots at equal length sum sqrt(L)
//     (Williams et al. 2024) dp-elbo:variance=posterior     terms of the bound from denoising statistics,
//     exact dynamic programme (Watson et al. 2021)
//
// Measuring (many evaluations) is apart from placing (none), so one measurement gives the knots of every
// budget.
#pragma once

#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "learn/score_optimal.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/path_bound.h"
#include "schedules/learned_schedule.h"
#include "schedules/schedule.h"

namespace schedbench {

/// score-optimal, dp-elbo and dp-mse, in the form of `list schedules`.
const std::vector<SpecEntry>& learner_entries();
/// Is this the name of a learner (and not of a handcrafted schedule)?
bool is_learner(const Spec& spec);
/// dp-elbo and dp-mse: a path for every budget, from denoising statistics.
bool learns_paths(const Spec& spec);
/// All defaults written out; sigma-min and sigma-max as the process has them. Error("spec").
Spec complete_learner(const Spec& spec, const NoiseProcess& process, const std::string& where = "schedule");

/// Writes down whose schedule it is: model and hash of its weights, data and their hash (source may be null);
/// and a warning where the costs were taken through rounded products.
void note_origin(LearnedSchedule& learned, const Denoiser& denoiser, const ProbeSource* source);

// dp-elbo and dp-mse
// ------------------------------------------------------------------------------------------------------------

/// The statistics that a completed spec of them needs: options, and the chain (grid=... for a continuous
/// model).
StatisticsOptions dp_options(const Spec& completed, const ProbeSource& source);
StatisticsChain dp_chain(const Spec& completed, const NoiseProcess& process);
/// Optimal paths for 1 .. max_steps steps. On a continuous model the paths are entries of the statistics'
/// grid.
LearnedSchedule dp_schedule(const DenoisingStatistics& statistics, const Spec& completed,
                            const NoiseProcess& process, int max_steps,
                            const std::string& where = "dynamic programme");

/// The schedule of `request.steps` steps of what was learned: knots at equal length, or the optimal path,
/// which always ends with a step from its cleanest node to 0.
Schedule place(const LearnedSchedule& learned, const Spec& completed, const NoiseProcess& process,
               const ScheduleRequest& request, const std::string& where = "learned schedule");

}  // namespace schedbench
