#include "harness/gate.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/spec.h"
#include "eval/frechet.h"

namespace schedbench {

namespace {

/// A sweep adds whole blocks; so that numbers are round.
constexpr int64_t kImagesInSteps = 64;

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

const Tolerance* tolerance_of(const std::vector<Tolerance>& tolerances, const std::string& metric) {
    const auto it = std::find_if(tolerances.begin(), tolerances.end(),
                                 [&](const Tolerance& t) { return t.metric == metric; });
    return it == tolerances.end() ? nullptr : &*it;
}

GateRow row_of(const ComparedMetric& compared, const Tolerance& tolerance) {
    GateRow row;
    row.cell = compared.cell;
    row.metric = compared.metric;
    row.compared = compared;
    row.tolerance = tolerance.relative ? tolerance.value * std::abs(compared.b.value) : tolerance.value;
    if (!compared.problem.empty()) {
        row.reason = compared.problem;
    } else if (!std::isfinite(compared.b.value)) {
        row.reason = "the baseline's value is not a number";
    } else if (!std::isfinite(compared.a.value)) {
        row.verdict = GateVerdict::fail;
        row.reason = "the value is not a number";
    } else if (!std::isfinite(compared.d.difference.se)) {
        row.reason =
            "has no standard error: " + (std::isnan(compared.a.se) ? compared.a.method : compared.b.method);
    } else if (!(row.tolerance > 0)) {
        row.reason = "a relative tolerance of a baseline of 0 is 0: give an absolute one";
    } else {
        row.worse = compared.larger_is_better ? -compared.d.difference.value : compared.d.difference.value;
        row.se = compared.d.difference.se;
    }
    return row;
}

void add_missing(GateReport& report, const MissingMetric& m) {
    GateRow row;
    row.cell = m.cell;
    row.metric = m.metric;
    const std::string what = m.whole_cell ? "the cell" : "the metric";
    if (m.in_a) {
        row.verdict = GateVerdict::fail;
        row.reason = what + " is missing in NEW, " + report.path_new;
    } else {
        row.reason = what + " is missing in BASELINE, " + report.path_baseline + ": renew the baseline";
    }
    report.rows.push_back(std::move(row));
}

/// The suite file of the command that made a run, if it is to be found.
std::string suite_of(const RunFile& run) {
    for (const std::string& number : run.ids("provenance")) {
        const auto values = run.provenance(number).values;
        const auto it = values.find("command");
        if (it == values.end()) continue;
        std::istringstream words(it->second);
        for (std::string word; words >> word;)
            if (word.ends_with(".suite")) return word;
    }
    return "SUITE";
}

/// Only such a run can be added to.
bool keeps_features(const RunFile& run) {
    const std::vector<std::string> ids = run.ids("cells");
    return std::any_of(ids.begin(), ids.end(),
                       [&](const std::string& id) { return !run.cell(id).extractor.empty(); });
}

/// Images a cell with which the interval of this metric is one; 0 where it is the reference that is too
/// small, or the number of features is not stored.
int64_t images_for_interval(const RunFile& run, const GateRow& row) {
    if (row.compared->warning.find("the reference has") != std::string::npos || row.compared->id_a.empty())
        return 0;
    const auto metrics = run.cell(row.compared->id_a, CellParts::metrics).metrics;
    const auto found = metrics.find(row.metric);
    if (found == metrics.end() || !run.has("extractors", found->second.extractor)) return 0;
    const int64_t wanted = kSafeSamplesPerFeature * run.extractor(found->second.extractor).dim;
    return (wanted + kImagesInSteps - 1) / kImagesInSteps * kImagesInSteps;
}

void advise(GateReport& report, const RunFile& fresh, const RunFile& baseline) {
    int64_t images = 0, statistics_images = 0;
    bool hopeless = false, unreliable = false;
    for (const GateRow& row : report.rows) {
        if (row.verdict != GateVerdict::inconclusive) continue;
        if (!row.compared->reliable) {
            unreliable = true;
            images = std::max(images, images_for_interval(fresh, row));
        } else if (!row.further)
            hopeless = true;
        else {
            int64_t& wanted = row.metric == "bpd" ? statistics_images : images;
            wanted = std::max(wanted, row.compared->a.n + row.further->images);
        }
    }
    report.images = images;
    report.statistics_images = statistics_images;
    if (images > 0 || statistics_images > 0) {
        report.advice.push_back("add images on both sides:");
        std::string wanted;
        if (images > 0) wanted += " --images " + std::to_string(images);
        if (statistics_images > 0) wanted += " --statistics-images " + std::to_string(statistics_images);
        const auto add = [&](const RunFile& run, const std::string& remark) {
            const std::string command = "schedbench sweep " + suite_of(run) + wanted + " --output ";
            if (keeps_features(run))
                report.advice.push_back("  " + command + run.path() + remark);
            else
                report.advice.push_back("  " + command +
                                        "RUN.h5, then schedbench export RUN.h5 --format slim --output " +
                                        run.path() + remark);
        };
        add(fresh, "");
        add(baseline, "   (with the program that made it)");
    }
    if (unreliable)
        report.advice.push_back(
            "where intervals are unreliable, nothing is decided before there are 16 images a feature; then "
            "ask "
            "again");
    if (hopeless)
        report.advice.push_back(
            "where no number of images helps, the error of the reference is too large: take more reference "
            "images");
    if (!report.advice.empty() && report.levels.looks == 1)
        report.advice.push_back(
            "a gate that is to be asked again after more images keeps its levels with --looks 3, from the "
            "start");
}

void decide(GateReport& report) {
    std::vector<NonInferiorityTest> tests;
    std::vector<GateRow*> tested;
    for (GateRow& row : report.rows) {
        if (!row.testable()) continue;
        tests.push_back({row.worse, row.se, row.tolerance});
        tested.push_back(&row);
    }
    const std::vector<NonInferiority> decisions = non_inferiority(tests, report.levels);
    for (size_t i = 0; i < tested.size(); ++i) {
        GateRow& row = *tested[i];
        row.decision = decisions[i];
        if (decisions[i].decision == Decision::fail) {
            row.verdict = GateVerdict::fail;
            row.reason = "worse";
        } else if (!row.compared->reliable && row.se > 0) {
            row.verdict = GateVerdict::inconclusive;  // its error is not known well enough to pass
            row.reason = row.compared->warning;
        } else if (decisions[i].decision == Decision::pass) {
            row.verdict = GateVerdict::pass;
            row.reason = "not worse by the tolerance";
        } else {
            row.verdict = GateVerdict::inconclusive;
            // bits/dim of a cell is over images of the data, whose influence stands where that of a reference
            // does; it has no other error.
            const bool bits = row.metric == "bpd";
            const PairedDifference& d = row.compared->d;
            row.further =
                further_images(tests[i], d.sample_variance + (bits ? d.reference_variance : 0),
                               bits ? 0 : d.reference_variance, std::max<int64_t>(1, row.compared->a.n),
                               bits ? 1 : kImagesInSteps, 0.9, report.levels, tests.size());
            row.reason = "no number of images decides it";
            if (row.further)
                row.reason = std::to_string(row.further->images) +
                             " further images decide it with a chance of " +
                             std::to_string(static_cast<int>(100 * row.further->chance)) + " %";
        }
    }
    const auto any = [&](GateVerdict verdict) {
        return std::any_of(report.rows.begin(), report.rows.end(),
                           [&](const GateRow& row) { return row.verdict == verdict; });
    };
    for (const GateVerdict verdict : {GateVerdict::fail, GateVerdict::error, GateVerdict::inconclusive})
        if (report.verdict == GateVerdict::pass && any(verdict)) report.verdict = verdict;
}

/// Cells without a metric that others are gated by. bits/dim may be those of paths, which belong to no cell.
void note_ungated(GateReport& report, const RunComparison& comparison,
                  const std::vector<Tolerance>& tolerances) {
    for (const Tolerance& tolerance : tolerances)
        for (const std::string& cell : comparison.cells)
            if (tolerance.metric != "bpd" &&
                std::none_of(report.rows.begin(), report.rows.end(), [&](const GateRow& row) {
                    return row.cell == cell && row.metric == tolerance.metric;
                }))
                report.notes.push_back("not gated, as neither side has " + tolerance.metric + ": " + cell);
}

void check_tolerances(const std::vector<Tolerance>& tolerances, const RunComparison& comparison) {
    if (tolerances.empty())
        throw Error("option", "is needed: without one nothing is gated", "--tolerance",
                    "these metrics exist: " + joined(comparison.metrics()));
    const std::vector<std::string> known = comparison.metrics();
    std::set<std::string> seen;
    for (const Tolerance& tolerance : tolerances) {
        const std::string option = tolerance.relative ? "--relative" : "--tolerance";
        if (std::find(known.begin(), known.end(), tolerance.metric) == known.end())
            throw Error("option", "neither NEW nor BASELINE has a metric \"" + tolerance.metric + "\"",
                        option, "these exist: " + joined(known));
        if (!seen.insert(tolerance.metric).second)
            throw Error("option", "\"" + tolerance.metric + "\" has two tolerances", option, "give one");
    }
}

}  // namespace

Tolerance parse_tolerance(const std::string& text, bool relative, const std::string& where) {
    const size_t equals = text.rfind('=');
    const auto value = equals == std::string::npos ? std::nullopt : parse_number(text.substr(equals + 1));
    if (equals == 0 || !value || !(*value > 0) || !std::isfinite(*value))
        throw Error("option", "wants METRIC=NUMBER with a number above 0, not \"" + text + "\"", where,
                    "for example 'fid[tf1]=0.05'");
    return {text.substr(0, equals), *value, relative};
}

const char* verdict_name(GateVerdict verdict) {
    switch (verdict) {
        case GateVerdict::pass:
            return "PASS";
        case GateVerdict::fail:
            return "FAIL";
        case GateVerdict::inconclusive:
            return "INCONCLUSIVE";
        case GateVerdict::error:
            break;
    }
    return "ERROR";
}

int gate_exit_code(GateVerdict verdict) {
    switch (verdict) {
        case GateVerdict::pass:
            return 0;
        case GateVerdict::fail:
            return 1;
        case GateVerdict::inconclusive:
            return 3;
        case GateVerdict::error:
            break;
    }
    return 2;
}

GateReport run_gate(const ComparedRun& fresh, const ComparedRun& baseline,
                    const std::vector<Tolerance>& tolerances, const GateLevels& levels) {
    const RunComparison comparison = compare_runs(fresh, baseline);
    check_tolerances(tolerances, comparison);
    GateReport report;
    report.path_new = fresh.run.path();
    report.path_baseline = baseline.run.path();
    report.levels = levels;
    report.notes = comparison.notes;
    for (const ComparedMetric& compared : comparison.rows)
        if (const Tolerance* tolerance = tolerance_of(tolerances, compared.metric))
            report.rows.push_back(row_of(compared, *tolerance));
    for (const MissingMetric& missing : comparison.missing)
        if (tolerance_of(tolerances, missing.metric)) add_missing(report, missing);
    note_ungated(report, comparison, tolerances);
    decide(report);
    advise(report, fresh.run, baseline.run);
    return report;
}

}  // namespace schedbench
