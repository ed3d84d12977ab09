// The preview of a cell: its first images. Whoever makes them keeps them beside the work files until the cell
// is folded, by whichever rank; then they become one grid.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "store/records.h"

namespace schedbench {

/// The file in a work folder.
std::string preview_path(const std::string& folder, const std::string& cell);

/// pixels: uint8 [n, C, H, W], the first block of the cell.
void save_preview(const std::string& folder, const std::string& cell, const at::Tensor& pixels);

/// Gives the record the preview of the first folder that has one; else of its own images; else that of
/// `stored`, the record it replaces. The grid is [rows H, columns W, C].
void attach_preview(CellRecord& cell, const std::vector<std::string>& folders,
                    const std::optional<CellRecord>& stored);

}  // namespace schedbench
