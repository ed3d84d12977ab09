// What it takes to add a handcrafted schedule: one small function, and one ScheduleFamily in a table beside
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec_schema.h"
#include "schedules/noise_process.h"

namespace schedbench {

/// What the function of a family may look at.
struct FamilyContext {
    const Spec& spec;  ///< completed
    const NoiseProcess& process;
    int count = 0;             ///< levels (or table entries) to choose, >= 1; a level 0 is not counted
    double sigma_max = 0;      ///< families in sigma: the first level
    double sigma_min = 0;      ///< families in sigma: the last level before 0
    const std::string& where;  ///< for errors
};

/// Exactly one of the three functions is set.
struct ScheduleFamily {
    SpecEntry entry;
    std::string coordinate;  ///< what the knots are uniform in
    /// Level at u in (0, 1), falling; the ends u = 0 and 1 are sigma_max and sigma_min exactly and never
    /// asked for.
    double (*level)(const FamilyContext&, double u) = nullptr;
    /// `count` table entries 1..T, rising.
    std::vector<int64_t> (*indices)(const FamilyContext&) = nullptr;
    /// All levels, falling, for families that choose their number themselves; a last 0 stands for end=zero.
    std::vector<double> (*levels)(const FamilyContext&) = nullptr;
};

/// The entry with the parameters that all families in sigma have: end, sigma-min, sigma-max.
SpecEntry sigma_entry(SpecEntry entry);
/// The same for families of table entries: end.
SpecEntry index_entry(SpecEntry entry);

const std::vector<ScheduleFamily>& sigma_families();   // sigma_families.cpp
const std::vector<ScheduleFamily>& index_families();   // index_families.cpp
const std::vector<ScheduleFamily>& listed_families();  // listed_families.cpp

}  // namespace schedbench
