// Costs over a grid of levels, as they come in block by block, and the length they add up to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/estimate.h"

namespace schedbench {

/// What one block of consecutive probes says of every interval. Blocks may be measured anywhere and in any
/// order; CostCurve::add takes them in the order of their probes, so sums do not depend on who measured what.
struct CostBlock {
    int64_t first = 0, count = 0;       ///< probes first .. first + count - 1
    std::vector<RunningMean> interval;  ///< [G]
};

struct CostCurve {
    std::vector<double> sigma;        ///< [G+1] levels, rising
    std::vector<RunningMean> cost;    ///< [G] of single probes; cost[j] is that of [sigma[j], sigma[j+1]]
    std::vector<double> block_mean;   ///< [blocks, G] mean of each block
    std::vector<int64_t> block_size;  ///< [blocks]
    int64_t probes = 0;               ///< probes 0 .. probes - 1 are in

    /// Error("run") unless the block begins where the curve ends and has one entry an interval.
    void add(const CostBlock& block);
    /// add() of all blocks, sorted by their first probe. Error("run") for a gap or an overlap.
    void merge(std::vector<CostBlock> blocks);

    int intervals() const { return static_cast<int>(cost.size()); }
    std::vector<double> means() const;            ///< [G]
    std::vector<double> standard_errors() const;  ///< [G]; NaN with fewer than two probes
    /// Cumulative length [G+1] = sums of L^exponent of the pooled means (never a mean of roots, which is too
    /// small), without any floor; a negative mean (possible for products of estimates) adds nothing.
    std::vector<double> length(double exponent = 0.5) const;
    /// Standard error of length() [G+1], by the delta method on block means: intervals share their probes, so
    /// the errors are not independent. NaN with fewer than two blocks. With more probes than images it says
    /// how well the length is known for these images, and less than how well for the distribution they come
    /// from.
    std::vector<double> length_se(double exponent = 0.5) const;
    /// Energy of the grid, sum of costs: at least length^2 / G, with equality where all costs are equal.
    Estimate energy() const;
    /// Local cost delta in ln sigma, [G]: L / (ln sigma_{j+1} - ln sigma_j)^power, at the geometric middle of
    /// each interval; power 2, or 4 for the predictor cost. The length is the integral of delta^(1/power)
    /// over ln sigma.
    std::vector<Estimate> local_cost(int power = 2) const;
};

}  // namespace schedbench
