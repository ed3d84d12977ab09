// The explicit list of sampler families: one file each, with its paper and equations; registry.cpp puts them
// together.
#pragma once

#include <memory>
#include <string>

#include "samplers/sampler.h"

namespace schedbench {

struct SamplerFamily {
    const SpecEntry& (*entry)();
    /// `completed` has all defaults written out; values out of range are Error("spec") at `where`.
    std::unique_ptr<Sampler> (*make)(const Spec& completed, const std::string& where);
};

extern const SamplerFamily euler_family;  ///< euler.cpp
extern const SamplerFamily ddim_family;   ///< ddim.cpp
extern const SamplerFamily ddpm_family;   ///< ddpm.cpp
extern const SamplerFamily heun_family;   ///< heun.cpp
extern const SamplerFamily dpmpp_family;  ///< dpmpp.cpp

}  // namespace schedbench
