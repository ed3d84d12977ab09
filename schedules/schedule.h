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
    std::string spec;        ///< completed spec: all defaults and parameters written out
    std::string coordinate;  ///< what the knots are uniform in ("sigma^(1/rho)", "index", "arc length", ...)
    std::string map;         ///< the level as a function of that coordinate; "" in runs of schema 1.0
    std::string end_rule;    ///< "zero": N levels, then 0.  "sigma-min": N+1 levels down to sigma_min.
                             ///< "replace": N+1 levels, the last of which is replaced by 0
    std::string rounding;    ///< what is rounded, and how, before the process rounds; "" in runs of schema 1.0
    std::string time_rule;   ///< "nearest" or "fractional" (discrete process), "continuous"
    int requested_steps = 0;  ///< N asked for; 0 = as many as the spec lists
    std::vector<double>
        requested;  ///< [N+1] levels before any rounding to a table ([more] if knots were merged)
    std::vector<double> effective;  ///< [N+1] levels at which the sampler runs
    std::vector<int64_t> index;     ///< [N+1] table index 1..T, 0 for level 0; empty for a continuous process
    std::vector<double> model_time;  ///< [N+1] what the network is told; NaN for level 0

    int steps() const { return static_cast<int>(effective.size()) - 1; }
    /// SHA-256 (16 digits) over spec, rules, effective levels and model times.
    std::string hash() const;
    /// {"spec","steps","requested_steps","coordinate","map","end_rule","rounding","time_rule","requested",
    /// "effective","index"|null,"model_time"|null,"hash"}: the form of `knots --json`.
    nlohmann::json to_json() const;
};

/// What the caller wants of a schedule, beside its spec.
struct ScheduleRequest {
    int steps = 0;  ///< N >= 1; 0 = as many as the spec lists (only if has_own_count())
    TimeRule time_rule = TimeRule::nearest;
    bool allow_fewer = false;  ///< accept merged knots, or a stride with another number of steps
};

/// All schedules that a spec alone defines, with parameters (schedule_family.h says which ones they share).
const std::vector<SpecEntry>& schedule_entries();

/// The spec alone decides the number of steps (explicit levels, section counts), so that ScheduleRequest::steps
/// may be 0.
bool has_own_count(const Spec& spec);

/// A name that means more than one schedule, and what it may mean.
struct AmbiguousName {
    struct Choice {
        std::string spec, meaning;
    };
    std::string name;
    std::vector<Choice> choices;
};
/// Names that people type and that name two schedules or more: build_schedule answers them with the choice.
const std::vector<AmbiguousName>& ambiguous_schedules();

/// Builds a schedule. Errors ("spec", "number") name `where`: N < 1; levels not finite or not falling; after
/// rounding to a table two knots equal (unless allow_fewer); a name that is unknown or that needs a discrete
/// process.
Schedule build_schedule(const Spec& spec, const NoiseProcess& process, const ScheduleRequest& request,
                        const std::string& where = "schedule");

/// What a method knows of its schedule beside the knots.
struct ScheduleOrigin {
    const Spec& spec;  ///< completed
    std::string coordinate, map, end_rule, rounding = "none";
};

/// Rounds requested levels (falling; a last 0 unless end_rule is "sigma-min") to the process and fills in all
/// of the record.
Schedule finish_schedule(const ScheduleOrigin& origin, std::vector<double> requested,
                         const NoiseProcess& process, const ScheduleRequest& request,
                         const std::string& where);

/// The same for a method that chooses table indices (rising or falling, 1..T): effective = requested. With
/// end_rule "zero" or "replace" a missing last 0 is added.
Schedule finish_index_schedule(const ScheduleOrigin& origin, std::vector<int64_t> indices,
                               const NoiseProcess& process, const ScheduleRequest& request,
                               const std::string& where);

}  // namespace schedbench
