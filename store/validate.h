// validate: is a run file what the schema says, and is its content what was sealed?
#pragma once

#include <string>
#include <vector>

#include "core/hdf5.h"

namespace schedbench {

/// One thing that is wrong in a file.
struct Finding {
    std::string where;    ///< FILE:/object
    std::string message;  ///< what is wrong and what was expected
};

/// All that is wrong in a run file; empty if it is good. Checked are: marks of groups and data sets;
/// presence, type, axes and agreeing extents of what the schema lists; content hashes; sample ids 0, 1, 2,
/// ...; ids that records refer to; finite metric values. Error("store") only where the file cannot be opened
/// as a run at all.
std::vector<Finding> validate_run(const std::string& path);

}  // namespace schedbench
