// How far a network, as it is evaluated, is from the same network in float64: the measure of a precision
// profile.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "models/denoiser.h"

namespace schedbench {

/// Of x0hat / max(1, sigma), since a model of eps has an error that grows so; x0hat is in [-1, 1] or nearly.
struct Float64Distance {
    double largest = 0, rms = 0;
    int64_t inputs = 0;  ///< images, one a level
};

/// `model` as loaded (NativeDenoiser or EdmDenoiser; nothing for others) is evaluated on `device` at four
/// levels from 0.05 to 20, or to the ends of its range, on x = sqrt(1/4 + sigma^2) n with fixed noise n, and
/// so it is in float64 on the CPU with the weights of its file. Takes as long as about forty evaluations of
/// one image.
std::optional<Float64Distance> distance_from_float64(const std::shared_ptr<const Denoiser>& model,
                                                     at::Device device);

}  // namespace schedbench
