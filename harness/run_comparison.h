// The difference between two runs or cells, metric by metric: every metric that both hold, and bits/dim.
//
// Errors are paired where both sides share random numbers, and that is checked from what is stored: samples
// where seed, noise policy, labels, image shape and sample ids agree (for held-out images: the data), the
// reference where its id does, bits/dim where images and noise seed do. Otherwise they count as independent,
// and `pairing` says why.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "eval/comparison.h"
#include "harness/cell_matching.h"

namespace schedbench {

struct ComparedMetric {
    std::string cell;        ///< label, for people
    std::string id_a, id_b;  ///< of the cells; empty for bits/dim of paths
    std::string metric;      ///< id in the run; "bpd" for bits/dim of paths
    Estimate a, b;
    PairedDifference d;    ///< a - b
    bool paired = false;   ///< samples are shared (bits/dim: images and noise)
    std::string pairing;   ///< "paired", or "unpaired: seeds differ (0 and 1)"
    std::string problem;   ///< not empty where the two values are not of one quantity
    std::string warning;   ///< of either side
    bool reliable = true;  ///< false where n is too small for the theory behind the interval
    bool larger_is_better = false;
    double p = 1, p_holm = 1;  ///< of "no difference", two-sided; and over all rows (Holm)
    bool resolved = false;     ///< p_holm <= 0.05
    double low() const;        ///< ends of the 95 % interval of the difference
    double high() const;
};

struct MissingMetric {
    std::string cell, metric;
    bool in_a = false;        ///< a lacks it, else b
    bool whole_cell = false;  ///< because it lacks the cell
};

struct RunComparison {
    std::vector<ComparedMetric> rows;
    std::vector<MissingMetric> missing;
    std::vector<std::string> cells;  ///< labels of those that both have
    std::vector<std::string> notes;
    /// Names of all metrics that either side has.
    std::vector<std::string> metrics() const;
};

/// Error("run") if nothing matches. See match_cells() for other errors.
RunComparison compare_runs(const ComparedRun& a, const ComparedRun& b);

nlohmann::json comparison_json(const RunComparison& comparison);
/// A table for people; without the values of the two sides where it would be wider than `width` with them.
std::string print_comparison(const RunComparison& comparison, int width);

}  // namespace schedbench
