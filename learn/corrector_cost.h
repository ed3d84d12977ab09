// The corrector cost of going from one level to the next cleaner one (Williams, Campbell, Doucet, Syed 2024,
// arXiv 2412.07877, eqs. 13-15, identity predictor), in the VE form:
//
//     L(t, t') = v^2 E_{X ~ p_t} | score_{t'}(X) - score_t(X) |^2,     t' < t,     score_s(x) = (D(x; s) - x)
//     / s^2
//
// Both scores at the same x, drawn from the noisier marginal: two evaluations a probe and interval, no
// derivatives. The norm is a sum over all components. v = sigma(t'), the level that is entered (the paper's
// choice), or one of two others under which repeated updates settle; which one is part of the schedule's
// spec.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "likelihood/probe_source.h"
#include "models/denoiser.h"

namespace schedbench {

enum class CostWeight {
    entered,    ///< v = sigma(t'), the level that is entered
    left,       ///< v = sigma(t), the level that is left
    geometric,  ///< v^2 = sigma(t) sigma(t')
};
CostWeight parse_cost_weight(const std::string& name,
                             const std::string& where);  ///< Error("spec") for another name

struct CorrectorOptions {
    CostWeight weight = CostWeight::entered;
    int64_t probes = 256;  ///< data draws; probe p looks at image p mod (number of images)
    int64_t batch = 64;    ///< probes a block; error bars come from the differences between blocks
    uint64_t seed = 0;
};

/// Costs over a grid of levels, and the length they add up to. Filled block by block, in order, so that a
/// measurement that was stopped goes on and gives the same bits.
struct CostCurve {
    std::vector<double> sigma;        ///< [G+1] levels, rising
    std::vector<RunningMean> cost;    ///< [G] of single probes; cost[j] is that of [sigma[j], sigma[j+1]]
    std::vector<double> block_mean;   ///< [blocks, G] mean of each block
    std::vector<int64_t> block_size;  ///< [blocks]
    int64_t probes = 0;               ///< probes 0 .. probes - 1 are in

    int intervals() const { return static_cast<int>(cost.size()); }
    std::vector<double> means() const;  ///< [G]
    /// Cumulative length [G+1] = sums of sqrt(L), without any floor.
    std::vector<double> length() const;
    /// Standard error of length() [G+1], by the delta method on block means: intervals share their probes, so
    /// the errors are not independent. NaN with fewer than two blocks. With more probes than images it says
    /// how well the length is known for these images, and less than how well for the distribution they come
    /// from.
    std::vector<double> length_se() const;
};

using CostProgress = std::function<bool(const CostCurve& so_far)>;  ///< after every block; false stops

/// Levels of the probe grid: uniform in ln sigma from `low` to `high` with steps of at most `spacing`; on a
/// discrete process rounded to its table, or all of the table's entries in between. Rising. Error("number")
/// for a range that is empty or a spacing that is not positive.
std::vector<LocatedLevel> probe_grid(const NoiseProcess& process, double low, double high, double spacing,
                                     bool whole_table, const std::string& where);

/// Continues `curve` (empty: starts it) up to options.probes probes over `levels` (rising).
void measure_corrector_cost(CostCurve& curve, const Denoiser& denoiser, const ProbeSource& source,
                            const std::vector<LocatedLevel>& levels, const CorrectorOptions& options,
                            const CostProgress& progress = {});

}  // namespace schedbench
