// Measuring costs over a grid of levels: which grid, how many probes, when it is enough.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "learn/cost_curve.h"
#include "learn/predictor_cost.h"
#include "likelihood/probe_source.h"

namespace schedbench {

struct CostOptions {
    enum class Cost { corrector, predictor };
    Cost cost = Cost::corrector;
    PathForm form = PathForm::ve;
    Velocity velocity{};
    int64_t probes = 80;    ///< data draws at most; probe p looks at image p mod (number of images)
    int64_t batch = 10;     ///< probes a block; error bars come from the differences between blocks
    double tolerance = 0;   ///< stop once the standard error of the length is below this part of it; 0: never
    double exponent = 0.5;  ///< of the length that `tolerance` speaks of
    uint64_t seed = 0;
    PredictorOptions predictor{};  ///< its seed is ignored: `seed` holds
};

using CostProgress = std::function<bool(const CostCurve& so_far)>;  ///< after every block; false stops

/// Levels of the probe grid: uniform in ln sigma from `low` to `high` with steps of at most `spacing`; on a
/// discrete process rounded to its table, or all of the table's entries in between. Rising. Error("number")
/// for a range that is empty or outside the model's, or a spacing that is not positive.
std::vector<LocatedLevel> probe_grid(const NoiseProcess& process, double low, double high, double spacing,
                                     bool whole_table, const std::string& where);
/// Any levels above 0, rising, as the process has them; entries that coincide count once. Error("number") as
/// above.
std::vector<LocatedLevel> located_grid(const NoiseProcess& process, const std::vector<double>& levels,
                                       const std::string& where);

/// Probes first .. first + count - 1 on all intervals. Independent of what else is measured where.
CostBlock measure_cost_block(const Denoiser& denoiser, const ProbeSource& source,
                             const std::vector<LocatedLevel>& levels, const CostOptions& options,
                             int64_t first, int64_t count);

/// Continues `curve` (empty: starts it) up to options.probes probes over `levels` (rising), or until the
/// tolerance is met: decided after each merged block, from the fourth on, so that it depends on nothing else.
void measure_cost(CostCurve& curve, const Denoiser& denoiser, const ProbeSource& source,
                  const std::vector<LocatedLevel>& levels, const CostOptions& options,
                  const CostProgress& progress = {});

}  // namespace schedbench
