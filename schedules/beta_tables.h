// The betas of the discrete noise processes (noise_process.h has their formulas and sources).
#pragma once

#include <string>
#include <vector>

#include "core/spec.h"

namespace schedbench {

/// beta_1 .. beta_T of a completed spec; not checked to lie in (0, 1). Error("number") for a T out of range.
std::vector<double> make_betas(const Spec& spec, const std::string& where);

}  // namespace schedbench
