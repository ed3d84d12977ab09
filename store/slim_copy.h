// A copy of a run that holds what compare and gate need and no more, small enough to be kept beside the source:
// no images, previews, features and statistics; all metrics with their influence values, and bits/dim.
#pragma once

#include <string>

#include "store/run_file.h"

namespace schedbench {

/// Writes it to `path`, replacing what is there. Error("store").
void write_slim_copy(const RunFile& run, const std::string& path);

}  // namespace schedbench
