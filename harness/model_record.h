// What a run keeps of a model: its identity, and how far the profile in force takes it from float64.
#pragma once

#include <string>

#include "core/device.h"
#include "harness/plan.h"
#include "store/records.h"

namespace schedbench {

/// With the distance measured now for a network of a weight file (float64_distance.h); so only for a record
/// that is not stored yet. It lies in `details` as "float64_distance": profile, largest, rms, inputs.
ModelRecord model_record(const PlannedModel& model, const RuntimeSettings& runtime);

/// "profile fast: x0hat / max(1, sigma) differs from float64's by 0.0012 (rms), 0.011 at most"; "" where none
/// is stored.
std::string distance_text(const ModelRecord& record);

}  // namespace schedbench
