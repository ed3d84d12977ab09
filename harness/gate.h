// The gate: may a change be let in? A non-inferiority test (eval/non_inferiority.h) for each metric that has
// a tolerance, in each cell that NEW and BASELINE both hold. What cannot be tested is named and never passes:
// a cell or metric that NEW lacks fails, one that BASELINE lacks is an error.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/non_inferiority.h"
#include "harness/run_comparison.h"

namespace schedbench {

struct Tolerance {
    std::string metric;
    double value = 0;       ///< how much worse is still good; above 0
    bool relative = false;  ///< of the baseline's value
};
/// "fid[tf1]=0.05". Error("option") at `where`.
Tolerance parse_tolerance(const std::string& text, bool relative, const std::string& where);

enum class GateVerdict { pass, fail, inconclusive, error };
const char* verdict_name(GateVerdict verdict);  ///< "PASS", "FAIL", "INCONCLUSIVE", "ERROR"
int gate_exit_code(GateVerdict verdict);        ///< 0, 1, 3, 2

struct GateRow {
    std::string cell, metric;
    GateVerdict verdict = GateVerdict::error;
    std::string reason{};  ///< why, in words
    /// What was compared; nothing where a side is missing.
    std::optional<ComparedMetric> compared{};
    double tolerance = 0;       ///< absolute
    double worse = NAN;         ///< NEW against BASELINE, positive is worse
    double se = NAN;            ///< of it
    NonInferiority decision{};  ///< where it was tested
    /// Beside those that are there, on both sides; where the row is inconclusive and a number would do.
    std::optional<FurtherImages> further{};
    bool testable() const { return compared && !std::isnan(worse); }
};

struct GateReport {
    std::string path_new, path_baseline;
    GateVerdict verdict = GateVerdict::pass;  ///< FAIL before ERROR before INCONCLUSIVE before PASS
    std::vector<GateRow> rows;
    std::vector<std::string> notes;
    GateLevels levels;
    int64_t images = 0;  ///< a cell, so that inconclusive rows are decided, or have intervals; 0: not needed
    int64_t statistics_images = 0;    ///< the same for bits/dim: images of the split
    std::vector<std::string> advice;  ///< what to do about inconclusive rows, a line each
};

/// Error("option") for a metric with two tolerances, or one that neither side has.
GateReport run_gate(const ComparedRun& fresh, const ComparedRun& baseline,
                    const std::vector<Tolerance>& tolerances, const GateLevels& levels = {});

std::string print_gate(const GateReport& report, int width);
nlohmann::json gate_json(const GateReport& report);
/// JUnit XML: a test case for each row, class name = cell, name = metric. An inconclusive row is a skipped
/// test case.
std::string gate_junit(const GateReport& report);

}  // namespace schedbench
