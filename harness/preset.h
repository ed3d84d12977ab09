// Sampler settings as projects published them, by name: what a suite's key `preset` stands for.
#pragma once

#include <string>
#include <vector>

#include "core/spec_schema.h"

namespace schedbench {

struct Preset {
    std::string name, help, source;
    std::string schedule, sampler;  ///< specs
    int steps = 0;
    std::string noise;  ///< policy
    bool clip = false;  ///< x0hat to [-1, 1]
};

const std::vector<Preset>& presets();
/// The same as entries of `schedbench list presets`, without keys.
std::vector<SpecEntry> preset_entries();
/// What a preset sets, for the same list: "schedule", "sampler", ...
std::vector<std::pair<std::string, std::string>> preset_facts(const Preset& preset);
/// Error("spec") for an unknown name.
const Preset& find_preset(const std::string& name, const std::string& where);

}  // namespace schedbench
