// What every run file that this program starts says of itself.
#pragma once

#include <string>

#include "store/run_file.h"

namespace schedbench {

/// Program version, commit it was built from, and the time now (UTC).
RunHeader new_run_header(const std::string& status = "running");

}  // namespace schedbench
