// Schedule: a strictly falling list of levels sigma_0 > ... > sigma_N, and everything one must know to name
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "schedules/noise_process.h"

namespace schedbench {

struct Schedule {
    std::string spec;        ///< completed spec: all defaults written out
    std::string coordinate;  ///< what the knots are uniform in ("sigma^(1/rho)", "index", "arc length", ...)
    std::string end_rule;    ///< "zero": N levels, then 0.  "sigma-min": N+1 levels down to sigma_min
    std::string time_rule;   ///< "nearest" or "fractional" (discrete process), "continuous"
    std::vector<double>
        requested;  ///< [N+1] levels before any rounding to a table ([more] if knots were merged)
    std::vector<double> effective;  ///< [N+1] levels at which the sampler runs
    std::vector<int64_t> index;     ///< [N+1] table index 1..T, 0 for level 0; empty for a continuous process
    std::vector<double> model_time;  ///< [N+1] what the network is told; NaN for level 0

    int steps() const { return static_cast<int>(effective.size()) - 1; }
    /// SHA-256 (16 digits) over spec, rules, effective levels and model times.
    std::string hash() const;
    /// {"spec","steps","requested","effective","index"|null,"model_time"|null,"hash"}: the form of `knots
    /// --json`.
    nlohmann::json to_json() const;
};

/// What the caller wants of a schedule, beside its spec.
struct ScheduleRequest {
    int steps = 0;  ///< N >= 1; 0 = as many as the spec lists (explicit only)
    TimeRule time_rule = TimeRule::nearest;
    bool allow_fewer = false;  ///< accept merged knots, or a stride with another number of steps
};

/// All schedules that a spec alone defines, with parameters. Those in sigma have end=zero|sigma-min, and
/// sigma-min / sigma-max that default to "auto": the process's own range, cut to [0.002, 80]. Those that
/// choose table entries have end=zero|sigma-min (zero: N entries and level 0; sigma-min: N + 1 entries).
const std::vector<SpecEntry>& schedule_entries();

/// Builds a schedule. Errors ("spec", "number") name `where`: N < 1; levels not finite or not falling; after
/// rounding to a table two knots equal (unless allow_fewer); a name that is unknown or that needs a discrete
/// process.
Schedule build_schedule(const Spec& spec, const NoiseProcess& process, const ScheduleRequest& request,
                        const std::string& where = "schedule");

/// Rounds requested levels (falling; a last 0 stands for end=zero) to the process and fills in all of the
/// record.
Schedule finish_schedule(const Spec& completed, const std::string& coordinate, const std::string& end_rule,
                         std::vector<double> requested, const NoiseProcess& process,
                         const ScheduleRequest& request, const std::string& where);

/// The same for a method that chooses table indices (rising or falling, 1..T): effective = requested.
Schedule finish_index_schedule(const Spec& completed, const std::string& coordinate,
                               const std::string& end_rule, std::vector<int64_t> indices,
                               const NoiseProcess& process, const ScheduleRequest& request,
                               const std::string& where);

}  // namespace schedbench
