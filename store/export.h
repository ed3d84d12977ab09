// Export: what a run holds, in the formats of other programs.
#pragma once

#include <string>
#include <vector>

#include "store/run_file.h"

namespace schedbench {

/// One row a metric of a cell (one row with empty metric columns for a cell without metrics): cell, schedule,
/// spec of the schedule, sampler, model, data, steps, nfe, budget, seed, n, status, metric, value, se,
/// metric_n, estimand, method, warning. Numbers at full precision. Lines end with "\n"; fields with a comma,
/// quote or line break are quoted.
std::string cells_csv(const RunFile& run);
/// The same rows as an array of JSON objects; NaN and infinite numbers are null.
std::string cells_json(const RunFile& run);

/// What a run holds, for `show`: header, number of records in each collection, size in bytes, as a JSON
/// object.
std::string summary_json(const RunFile& run);

/// One array of a cell as .npy: "features", "images", "labels", "sample_ids", "preview" or
/// "influence:METRIC". Error("store") if the cell does not have it.
void export_npy(const RunFile& run, const std::string& cell, const std::string& array,
                const std::string& path);
/// All arrays that the cell has, under these names, as .npz.
void export_npz(const RunFile& run, const std::string& cell, const std::string& path);

}  // namespace schedbench
