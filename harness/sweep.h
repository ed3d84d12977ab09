// Sweep: runs the cells of a suite into a run file. Work is done in blocks of `batch` consecutive sample ids,
// which ranks share through the work folder (store/block_claims.h); a block that is in a work file is not
// computed again, and a cell that is in the run file with as many samples is not touched. So a killed sweep
// continues by being started again, with any number of ranks.
//
// The rank that brings the last block of a cell folds it and takes its metrics. What is left then (held-out
// images, bits/dim) is done by one rank at a time, and the last one at work closes the run.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "core/rank.h"
#include "eval/feature_cache.h"
#include "harness/suite.h"

namespace schedbench {

/// How ranks share the blocks of a cell.
enum class Share {
    claim,  ///< each takes the next one from a list in the work folder, which all of them see
    deal    ///< block b is rank b mod world size's: for machines without a common folder
};

struct SweepOptions {
    std::string output;  ///< RUN.h5
    Rank rank;
    Share share = Share::claim;
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
