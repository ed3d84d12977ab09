// What it takes to add a sampler: one file in families/ with one function that returns a SamplerFamily, and
// one line in family_list.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "samplers/sampler.h"

namespace schedbench {

struct SamplerFamily {
    SpecEntry entry;
    std::string evaluations;  ///< of the model, a step: "1", "2, but 1 on a step to level 0"
    /// Declared order of convergence under a completed spec, with exact starting values: deterministic
    /// samplers, of x; stochastic ones, of the output's variance. 0 = none is declared.
    int (*order)(const Spec& completed) = nullptr;
    /// Values out of range are Error("spec") at `where`.
    std::unique_ptr<Sampler> (*make)(const Spec& completed, const std::string& where) = nullptr;
};

/// All of them, in the order of family_list.h.
const std::vector<SamplerFamily>& sampler_families();
/// The family of a spec's name; Error("spec") with the nearest match for an unknown one.
const SamplerFamily& sampler_family(const Spec& spec, const std::string& where = "sampler");

/// For families that declare none, order 1 or order 2 whatever the spec.
inline int no_order(const Spec&) {
    return 0;
}
inline int first_order(const Spec&) {
    return 1;
}
inline int second_order(const Spec&) {
    return 2;
}

}  // namespace schedbench
