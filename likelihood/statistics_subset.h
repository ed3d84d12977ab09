// What a pass over some of the images would have measured, from the terms that were kept of each image.
#pragma once

#include <cstdint>
#include <span>

#include "likelihood/denoising_statistics.h"

namespace schedbench {

/// M_t, N_t and m2 over the images `ids` (positions in the pass, repeats count as often as they are named).
/// What is not kept for each image is left out: Gamma, the laws of the errors, learned variance. Error("run")
/// for statistics without terms of each image, Error("number") for no ids or one that is not there.
DenoisingStatistics subset_statistics(const DenoisingStatistics& statistics, std::span<const int64_t> ids);

}  // namespace schedbench
