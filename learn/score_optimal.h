// The learner score-optimal (Williams, Campbell, Doucet, Syed 2024, arXiv 2412.07877): costs over a grid of
// levels, knots at equal length.
//
// The default learns once on many levels uniform in ln sigma and reads any number of knots off the curve. On
// such a grid all ratios of levels are equal, so weights by the level entered, the level left or their mean
// differ by one factor and give the same knots. With iterations=k the grid itself is updated k times first
// (algorithm 1 applied to few knots), which under weight=entered may empty the clean end: find_collapse() of
// schedules/ reports it.
#pragma once

#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "learn/measure_cost.h"
#include "schedules/learned_schedule.h"

namespace schedbench {

SpecEntry score_optimal_entry();
/// Checks a completed spec against the process and writes its autos out. Error("spec"), Error("number").
void complete_score_optimal(Spec& spec, const NoiseProcess& process, const std::string& where);

/// A grid that was measured and then updated, where iterations > 0.
struct PastGrid {
    std::vector<double> sigma;
    double length = 0, energy = 0;
};

struct ScoreOptimalCosts {
    CostCurve curve;             ///< on the last grid
    std::vector<PastGrid> past;  ///< before it
};
CostOptions score_optimal_options(const Spec& completed);

/// Measures the costs that a completed score-optimal spec asks for; goes on where `costs` stands.
void measure_score_optimal(ScoreOptimalCosts& costs, const Spec& completed, const Denoiser& denoiser,
                           const ProbeSource& source, const CostProgress& progress = {});
/// Probes of all grids together: what a progress bar counts to.
int64_t score_optimal_probes(const Spec& completed);
int64_t probes_done(const ScoreOptimalCosts& costs, const Spec& completed);

/// The curve sigma(length) of measured costs, floored as UpdateSchedule does, with its record: costs, local
/// costs, length, energy, their errors, block means, past grids, and a warning where one is due (key
/// "warning"). All costs zero: the spacing of the grid itself is kept, with a warning.
LearnedSchedule score_optimal_schedule(const ScoreOptimalCosts& costs, const Spec& completed,
                                       const NoiseProcess& process,
                                       const std::string& where = "score-optimal");

/// Standard error of ln(level) of each level of levels_from_curve(): 0 where the ends are pinned and at level
/// 0, else by leaving out one block of probes after the other. NaN for files without block means. `learned`
/// has a curve.
std::vector<double> knot_errors(const LearnedSchedule& learned, int steps, const std::string& end_rule,
                                const std::string& where);

}  // namespace schedbench
