// What a suite needs, looked at before anything starts: all that is missing is named at once, not the first
// of it.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "harness/suite.h"

namespace schedbench {

struct PreflightItem {
    std::string what;  ///< "model", "reference", ..., "cells", "disk"
    std::string name;  ///< as the suite names it
    bool ok = false;
    std::string message;  ///< what is wrong, or what was found
    std::string hint;     ///< what to do about it
};

/// Models with their weights, data, extractor, files of statistics and of learned schedules, the cells that
/// they make, and the space below the folder of `output` against what the run will take.
std::vector<PreflightItem> preflight(const Suite& suite, const RuntimeSettings& runtime,
                                     const std::string& output);

}  // namespace schedbench
