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
#include "learn/corrector_cost.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/path_bound.h"
#include "schedules/learned_schedule.h"
#include "schedules/schedule.h"

namespace schedbench {

/// score-optimal and dp-elbo, in the form of `list schedules`.
const std::vector<SpecEntry>& learner_entries();
/// Is this the name of a learner (and not of a handcrafted schedule)?
bool is_learner(const Spec& spec);
/// All defaults written out; sigma-min and sigma-max as the process has them. Error("spec").
Spec complete_learner(const Spec& spec, const NoiseProcess& process, const std::string& where = "schedule");

// score-optimal
// ------------------------------------------------------------------------------------------------------

/// Measures the costs that a completed score-optimal spec asks for; goes on with `curve` where it stands.
void measure_score_optimal(CostCurve& curve, const Spec& completed, const Denoiser& denoiser,
                           const ProbeSource& source, const CostProgress& progress = {});
/// The curve sigma(length) of measured costs, floored as UpdateSchedule does, with its record (cost, standard
/// errors, probes). Error("number") where all costs are zero: every schedule is then as good as any other.
LearnedSchedule score_optimal_schedule(const CostCurve& curve, const Spec& completed,
                                       const NoiseProcess& process,
                                       const std::string& where = "score-optimal");

// dp-elbo
// ------------------------------------------------------------------------------------------------------------

/// The statistics that a completed dp-elbo spec needs: options, and the chain (grid=... for a continuous
/// model).
StatisticsOptions dp_elbo_options(const Spec& completed, const ProbeSource& source);
StatisticsChain dp_elbo_chain(const Spec& completed, const NoiseProcess& process);
/// Optimal paths for 1 .. max_steps steps. On a continuous model the paths are entries of the statistics'
/// grid.
LearnedSchedule dp_elbo_schedule(const DenoisingStatistics& statistics, const Spec& completed,
                                 const NoiseProcess& process, int max_steps,
                                 const std::string& where = "dp-elbo");

/// The schedule of `request.steps` steps of what was learned: knots at equal length, or the optimal path,
/// which always ends with a step from its cleanest node to 0.
Schedule place(const LearnedSchedule& learned, const Spec& completed, const NoiseProcess& process,
               const ScheduleRequest& request, const std::string& where = "learned schedule");

}  // namespace schedbench
