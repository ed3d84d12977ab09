// How a comparison is shown.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/json_number.h"
#include "harness/report_text.h"
#include "harness/run_comparison.h"
#include "harness/text_block.h"

namespace schedbench {

nlohmann::json comparison_json(const RunComparison& comparison) {
    nlohmann::json out = nlohmann::json::array();
    const auto side = [](const Estimate& e) {
        return nlohmann::json{{"value", json_number(e.value)}, {"se", json_number(e.se)}, {"n", e.n}};
    };
    for (const ComparedMetric& row : comparison.rows)
        out.push_back({{"cell", row.cell},
                       {"cell_a", row.id_a},
                       {"cell_b", row.id_b},
                       {"metric", row.metric},
                       {"a", side(row.a)},
                       {"b", side(row.b)},
                       {"value", json_number(row.d.difference.value)},
                       {"se", json_number(row.d.difference.se)},
                       {"n", std::min(row.a.n, row.b.n)},
                       {"low", json_number(row.low())},
                       {"high", json_number(row.high())},
                       {"unpaired_se", json_number(row.d.unpaired_se)},
                       {"correlation", json_number(row.d.correlation)},
                       {"p", json_number(row.p)},
                       {"p_holm", json_number(row.p_holm)},
                       {"resolved", row.resolved},
                       {"paired", row.paired},
                       {"pairing", row.pairing},
                       {"larger_is_better", row.larger_is_better},
                       {"problem", row.problem},
                       {"reliable", row.reliable},
                       {"warning", row.warning}});
    return out;
}

namespace {

/// The table, with or without the values of the two sides.
std::string comparison_block(const RunComparison& comparison, bool sides, Remarks& remarks,
                             std::vector<std::string>& labels) {
    std::vector<std::vector<std::string>> lines = {{"  metric"}};
    if (sides) lines[0].insert(lines[0].end(), {"A", "B"});
    lines[0].insert(lines[0].end(), {"A - B", "95 % interval", "corr.", "resolved"});
    labels = {""};  // of the cell above a line, where one begins
    std::string cell;
    for (const ComparedMetric& row : comparison.rows) {
        labels.push_back(row.cell == cell ? "" : row.cell);
        cell = row.cell;
        const double se = row.d.difference.se;
        const std::string marks = remarks.mark(row.pairing == "paired" ? "" : row.pairing) +
                                  remarks.mark(row.problem) + remarks.mark(row.warning);
        std::vector<std::string> line = {"  " + row.metric + (marks.empty() ? "" : " (" + marks + ")")};
        if (sides)
            line.insert(line.end(), {format_with(row.a.value, row.a.se), format_with(row.b.value, row.b.se)});
        const bool correlated = std::isfinite(row.d.correlation) && row.paired;
        line.push_back(format_difference(row.d.difference.value, se));
        line.push_back(format_interval(row.low(), row.high(), se) + (row.reliable ? "" : "?"));
        line.push_back(correlated ? format_with(row.d.correlation, 0.01) : "-");
        line.push_back(std::isnan(se) ? "no SE" : row.resolved ? "yes" : "no");
        lines.push_back(std::move(line));
    }
    return lines.size() > 1 ? print_block(lines, TableFormat::terminal) : "";
}

}  // namespace

std::string print_comparison(const RunComparison& comparison, int width) {
    std::string out;
    for (const std::string& note : comparison.notes) out += wrapped("note: " + note, width, 4);
    Remarks remarks;
    std::vector<std::string> labels;
    std::string block = comparison_block(comparison, true, remarks, labels);
    if (block_width(block) > static_cast<size_t>(width))
        block = comparison_block(comparison, false, remarks, labels);
    out += with_labels(block, labels, width);
    const auto resolved = std::count_if(comparison.rows.begin(), comparison.rows.end(),
                                        [](const ComparedMetric& row) { return row.resolved; });
    out += "\n" + std::to_string(comparison.rows.size()) + " comparisons, " + std::to_string(resolved) +
           " resolved at 5 % after Holm's correction over all of them\n" + remarks.print(width);
    for (const MissingMetric& m : comparison.missing)
        out +=
            wrapped(std::string("only in ") + (m.in_a ? "B: " : "A: ") + m.cell + ": " + m.metric, width, 4);
    return out;
}

}  // namespace schedbench
