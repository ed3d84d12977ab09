// Folding: the parts of a cell that several ranks made, brought together in the order of the samples and put
// into the run. Metrics come from the caller, between the two, so that they are taken over stored values in
// sample order and do not depend on the ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/records.h"
#include "store/run_file.h"
#include "store/work_file.h"

namespace schedbench {

/// Work files of a cell in any of the folders (RUN.work, or copies of it from other machines), sorted by
/// name.
std::vector<std::string> find_parts(const std::vector<std::string>& folders, const std::string& cell);

/// Opens the parts; those that a rank is still writing, or that are gone, are left out. While they are open
/// no rank can write to them. Error("store") if one is damaged.
std::vector<WorkFile> open_finished(const std::vector<std::string>& parts);

/// Ids of all samples in the parts that open_finished() opens. Rising.
std::vector<int64_t> finished_ids(const std::vector<std::string>& parts);

/// Brings the parts together: sample ids 0..n-1, labels, images, features, timing. `cell` gives everything
/// else, and its own samples (the first ones; may be none) are used where it has any: a larger n adds to a
/// stored cell. Error("store") if a part has another identity or layout; if ids are missing (with the first
/// one); if two parts have different values for one id. Equal values in two parts count once.
CellRecord gather(const CellRecord& cell, std::vector<WorkFile> parts, int64_t n);

struct FoldResult {
    bool folded = false;  ///< false: not all samples are there yet, nothing was done
    int64_t missing = 0;  ///< samples that no part has
    CellRecord cell{};    ///< as stored
};

/// Adds metrics and a preview to a gathered cell; may clear images or features that are not to be kept.
using FinishCell = std::function<void(CellRecord&)>;
/// Puts the records that a cell refers to (schedule, model, ...) into the run before the cell.
using PutRecords = std::function<void(RunEdit&)>;

/// What the last rank to finish does, and `merge`: if the parts are complete (0..n-1, with what the run has
/// already), gathers, finishes, stores and commits the cell, then deletes the parts and the list of claims.
/// Call it in each rank after it has closed its work file: the lock makes exactly one of them fold.
FoldResult fold_cell(const RunLock& lock, const RunHeader& header, const CellRecord& cell,
                     const std::vector<std::string>& parts, int64_t n, const FinishCell& finish,
                     const PutRecords& records = {});

}  // namespace schedbench
