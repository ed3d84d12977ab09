// The explicit list of everything a spec can name, and what makes it. A new schedule, sampler, model,
// extractor or data set is one line in its own folder's list, which this one gathers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

/// What one must know of an entry beside its parameters: {"order", "2"}, {"fits", "any model"}.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct RegistryKind {
    std::string name;  ///< plural noun: "schedules"
    std::vector<SpecEntry> entries;
    std::vector<Facts> facts{};  ///< one an entry, or none at all
};
const std::vector<RegistryKind>& registry();

/// exact:..., native:file=..., clip:inner={...}.
std::shared_ptr<const Denoiser> make_model(const Spec& spec, const std::string& where = "--model");

}  // namespace schedbench
