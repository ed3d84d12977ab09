// Tables of a run: every cell with value, standard error and NFE; within a group (model, sampler, budget) the
// best cell and those that cannot be told from it, by paired differences over shared samples and Holm's
// procedure.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "harness/likelihood_job.h"
#include "harness/text_block.h"
#include "store/run_file.h"

namespace schedbench {

struct TableRow {
    std::string cell, model, schedule, sampler;  ///< ids and specs; schedule "held-out" for real images
    bool learned = false;
    int64_t budget = 0, steps = 0, nfe = 0, n = 0;
    Estimate metric;
    // Against the best of its group (paired over samples): NaN for the best itself and where pairs are
    // missing.
    bool best = false, tied = false;  ///< tied: cannot be told from the best
    double delta = NAN, delta_se = NAN, correlation = NAN, p_value = NAN;
    Estimate bpd;             ///< bits/dim of the same schedule's path, where the run has it
    double published = NAN;   ///< what a paper printed for such a cell, and which
    std::string published_source;
};

struct Table {
    std::string title, metric;
    std::vector<TableRow> rows;   ///< grouped by model, sampler, budget; in suite order inside
    std::vector<TableRow> floor;  ///< held-out real images
    std::vector<LikelihoodRow> likelihood;
    std::vector<std::string> metrics;  ///< all that the run has
    std::map<std::string, std::string> models{};  ///< spec of each model id
    std::map<std::string, std::string> distances{};  ///< distance_text() of those that have one
    int64_t comparisons = 0;           ///< cells that were compared within groups
};

/// `metric` empty: the first Frechet distance of the run. Error("run") if no cell has it.
Table make_table(const RunFile& run, const std::string& metric = "");

std::string print_table(const Table& table, TableFormat format);
nlohmann::json table_json(const Table& table);
/// A spec for people: only what differs from the defaults of its registry entry.
std::string short_spec(const std::string& completed);

}  // namespace schedbench
