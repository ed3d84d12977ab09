// Sweep: runs the cells of a suite into a run file. Work is done in blocks of `batch` consecutive sample ids,
// which ranks share without talking to each other; a block that is in a work file is not computed again, and
// a cell that is in the run file with as many samples is not touched. So a killed sweep continues by being
// started again.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "core/rank.h"
#include "eval/feature_cache.h"
#include "harness/suite.h"

namespace schedbench {

struct SweepOptions {
    std::string output;  ///< RUN.h5
    Rank rank;
    bool dry_run = false;            ///< print the plan only
    bool merge_only = false;         ///< fold what the parts hold, sample nothing
    std::vector<std::string> parts;  ///< further folders with parts of this run, from other machines
    std::string command_line;
    CacheSettings cache{};  ///< of features
};

struct SweepResult {
    int64_t cells = 0, computed = 0,
            reused = 0;                 ///< cells planned; sampled (also in part) now; found finished
    int64_t waiting = 0;                ///< cells that other ranks still work on
    std::vector<std::string> failures;  ///< one line each
};

SweepResult run_sweep(const Suite& suite, const SweepOptions& options, const RuntimeSettings& runtime);

}  // namespace schedbench
