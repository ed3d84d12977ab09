// Which cells of two runs are the same thing: model, schedule, sampler and budget. Their ids are not asked,
// because an id also says threads, library and CPU, and the same cell on another machine has another one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "store/run_file.h"

namespace schedbench {

/// "RUN.h5" or "RUN.h5:CELL".
struct ComparedRun {
    RunFile run;
    std::string cell;  ///< full id; empty for all cells
};
/// Error("file"), Error("store"), or Error("run") for a cell that is not there, with those that are. CELL may
/// be shortened where that is unambiguous. `where`: the argument, for messages.
ComparedRun open_compared(const std::string& text, const std::string& where);

struct StoredCell {
    std::string id;
    std::string model;    ///< spec, as the suite names it
    std::string what;     ///< schedule, sampler and budget, completed: equal for equal cells
    std::string variant;  ///< the rest of what decides its samples, but for machine and library
    std::string label;    ///< for people
    std::pair<std::string, int64_t> order;  ///< in which cells are shown: method, then evaluations
    bool operator==(const StoredCell&) const = default;
};
std::vector<StoredCell> stored_cells(const ComparedRun& run);

struct CellPair {
    StoredCell a, b;
};
struct CellMatching {
    std::vector<CellPair> pairs;  ///< in the order of a's labels
    std::vector<StoredCell> only_a, only_b;
    std::vector<std::string> notes;  ///< one line each: what was matched although it differs
};

/// Two named cells are a pair whatever they are. Otherwise equal cells are; where each run has one model
/// only, the models need not have the same spec (a note says so). Error("option") if one side names a cell
/// and the other does not; Error("run") for a run that holds a cell twice.
CellMatching match_cells(const ComparedRun& a, const ComparedRun& b);

/// Rows of bits/dim of runs: the key under which the rows of two runs are matched, and which model ids of a
/// run stand for which spec.
std::string model_name(const RunFile& run, const std::string& id);

}  // namespace schedbench
