// What it takes to add a handcrafted schedule: one file in families/ with one function that returns a
// ScheduleFamily, and one line in family_list.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec_schema.h"
#include "schedules/noise_process.h"
#include "schedules/schedule.h"

namespace schedbench {

/// What the function of a family may look at.
struct FamilyContext {
    const Spec& spec;  ///< completed
    const NoiseProcess& process;
    int count = 0;             ///< levels (or table entries) to choose, >= 1; a level 0 is not counted
    double sigma_max = 0;      ///< families with a range: the first level
    double sigma_min = 0;      ///< families with a range: the last level before 0
    int steps = 0;             ///< N asked for
    const std::string& where;  ///< for errors

    /// The value of a key that must be positive and finite; else Error("number").
    double positive(const char* key) const;
};

/// Ends of a schedule.
struct LevelRange {
    double sigma_min = 0, sigma_max = 0;
};
/// The range of the process, cut to [0.002, 80] (Karras et al. 2022, table 1).
LevelRange model_range(const FamilyContext& context);

/// Exactly one of level, levels and indices is set. build_schedule.cpp does the rest: ranges, the end rule
/// (key `end`), rounding to the process, checks.
struct ScheduleFamily {
    SpecEntry entry;
    std::string coordinate;          ///< what the knots are uniform in
    std::string map;                 ///< the level (or index) as a formula of that coordinate
    std::string rounding = "none";  ///< what the family itself rounds, and how
    /// Level at u in (0, 1), falling; the ends u = 0 and 1 are sigma_max and sigma_min exactly and never
    /// asked for. Brings the keys end, sigma-min and sigma-max.
    double (*level)(const FamilyContext&, double u) = nullptr;
    /// `count` levels, falling and positive. Brings the key end, and sigma-min and sigma-max if `range` is
    /// set (to model_range for what `level` would have).
    std::vector<double> (*levels)(const FamilyContext&) = nullptr;
    /// `count` table entries 1..T, rising or falling. Brings the key end.
    std::vector<int64_t> (*indices)(const FamilyContext&) = nullptr;
    /// The range that sigma-min=auto and sigma-max=auto stand for; where it is not set (and `level` is),
    /// model_range.
    LevelRange (*range)(const FamilyContext&) = nullptr;
    /// Refuses N < least_steps with this reason ("" = N = 1 works).
    int least_steps = 1;
    std::string least_reason{};
    /// The spec alone decides the number of knots: `levels` or `indices` return as many as they want, and
    /// `levels` may end with 0 (then there is no key `end`).
    bool own_count = false;
    bool needs_table = false;  ///< set for families of `levels` that read the process's table
};

/// The same as the public function, for a family that is in no list (tests, and the example in HACKING.md).
Schedule build_schedule(const ScheduleFamily& family, const Spec& spec, const NoiseProcess& process,
                        const ScheduleRequest& request, const std::string& where = "schedule");
/// family.entry with the keys that all families of its kind share.
SpecEntry shared_keys(const ScheduleFamily& family);

/// All of them, in the order of family_list.h.
const std::vector<ScheduleFamily>& schedule_families();

}  // namespace schedbench
