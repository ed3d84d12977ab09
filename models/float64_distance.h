// How far a network, as it is evaluated, is from the same network in float64: the measure of a precision
// profile.
#pragma once

#include <cstdint>
#include <memory>

#include "models/denoiser.h"

namespace schedbench {

/// Of x0hat / max(1, sigma), since a model of eps has an error that grows so; x0hat is in [-1, 1] or nearly.
struct Float64Distance {
    double largest = 0, rms = 0;
    int64_t inputs = 0;  ///< images, one a level
};

/// Both are asked in host memory at four levels from 0.05 to 20, or to the ends of their range, on
/// x = sqrt(1/4 + sigma^2) n with fixed noise n. Takes as long as about forty evaluations of one image.
Float64Distance distance_from_float64(const Denoiser& model, const Denoiser& exact);

/// A network as loaded in float32 (NativeDenoiser or EdmDenoiser) with its parameters in float64; null for
/// other models.
std::shared_ptr<const Denoiser> in_float64(const Denoiser& loaded);

}  // namespace schedbench
