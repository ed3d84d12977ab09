// A block of images as one PNG, for the eye.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace schedbench {

/// Writes pixels [N, C, H, W] (C is 1, or 3 for red, green, blue) as rows of `columns` images side by side,
/// without gaps; places left over in the last row are black. `columns` 0 means the smallest number that makes
/// the grid at least as wide as it is high. Error("shape") for another shape or an empty block.
void write_image_grid(const std::string& path, std::span<const uint8_t> pixels,
                      const std::array<int64_t, 4>& shape, int64_t columns = 0);

}  // namespace schedbench
