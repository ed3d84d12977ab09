// The explicit list of everything a spec can name, and what makes it. A new schedule, sampler, model,
// extractor or data set is one line in its own folder's list, which this one gathers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

struct RegistryKind {
    std::string name;  ///< plural noun: "schedules"
    std::vector<SpecEntry> entries;
};
const std::vector<RegistryKind>& registry();

/// exact:..., native:file=..., clip:inner={...}.
std::shared_ptr<const Denoiser> make_model(const Spec& spec, const std::string& where = "--model");

}  // namespace schedbench
