// How the verdict of a gate is shown: a table, JSON, JUnit XML.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/gate.h"
#include "harness/json_number.h"
#include "harness/report_text.h"
#include "harness/text_block.h"

namespace schedbench {

namespace {

std::string percent(double level) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2g %%", 100 * level);
    return text;
}

std::string count_text(const GateReport& report) {
    std::string out;
    for (const GateVerdict verdict :
         {GateVerdict::pass, GateVerdict::fail, GateVerdict::inconclusive, GateVerdict::error}) {
        const auto count = std::count_if(report.rows.begin(), report.rows.end(),
                                         [&](const GateRow& row) { return row.verdict == verdict; });
        if (count > 0) out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + verdict_name(verdict);
    }
    return out;
}

std::string details(const GateRow& row) {
    std::string out = row.reason;
    if (!row.testable()) return out;
    out += ": worse by " + format_difference(row.worse, row.se) + ", tolerance " +
           format_with(row.tolerance, NAN) + " (" + row.compared->pairing + ", NEW " +
           format_with(row.compared->a.value, row.compared->a.se) + ", BASELINE " +
           format_with(row.compared->b.value, row.compared->b.se) + ")";
    if (!row.compared->warning.empty()) out += "; " + row.compared->warning;
    return out;
}

/// Text of an XML attribute or element. Control characters cannot be written in XML 1.0.
std::string xml(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&apos;";
                break;
            case '\n':
                out += "&#10;";
                break;
            default:
                if (static_cast<unsigned char>(c) >= 0x20) out += c;
        }
    }
    return out;
}

}  // namespace

std::string print_gate(const GateReport& report, int width) {
    std::string out;
    for (const std::string& note : report.notes) out += wrapped("note: " + note, width, 4);
    Remarks remarks;
    std::vector<std::vector<std::string>> lines = {
        {"  metric", "BASELINE", "worse by", "at most", "tolerance", "verdict"}};
    std::vector<std::string> labels = {""};
    std::string cell;
    for (const GateRow& row : report.rows) {
        labels.push_back(row.cell == cell ? "" : row.cell);
        cell = row.cell;
        std::string marks;
        if (row.compared && row.compared->pairing != "paired") marks += remarks.mark(row.compared->pairing);
        if (row.verdict == GateVerdict::inconclusive || row.verdict == GateVerdict::error || !row.testable())
            marks += remarks.mark(row.reason);
        if (row.compared && row.compared->warning != row.reason) marks += remarks.mark(row.compared->warning);
        const std::string name = "  " + row.metric + (marks.empty() ? "" : " (" + marks + ")");
        if (row.testable())
            lines.push_back({name, format_with(row.compared->b.value, row.compared->b.se),
                             format_difference(row.worse, row.se), format_with(row.decision.upper, row.se),
                             format_with(row.tolerance, NAN), verdict_name(row.verdict)});
        else
            lines.push_back({name, "-", "-", "-", "-", verdict_name(row.verdict)});
    }
    out +=
        with_labels(print_block(lines, TableFormat::terminal), labels, width) + "\n" + remarks.print(width);
    for (const std::string& line : report.advice) out += line + "\n";
    const GateLevels& l = report.levels;
    out += wrapped("A change that is worse by its tolerance anywhere passes with probability at most " +
                       percent(l.pass) + "; one that is worse nowhere fails with at most " + percent(l.fail) +
                       " (Holm over " + std::to_string(report.rows.size()) + " tests" +
                       (l.looks > 1 ? ", for " + std::to_string(l.looks) + " looks" : "") + ").",
                   width, 0);
    return out + "gate: " + verdict_name(report.verdict) + " (" + count_text(report) + ")\n";
}

nlohmann::json gate_json(const GateReport& report) {
    nlohmann::json rows = nlohmann::json::array();
    for (const GateRow& row : report.rows) {
        nlohmann::json json = {
            {"cell", row.cell},
            {"metric", row.metric},
            {"verdict", verdict_name(row.verdict)},
            {"reason", row.reason},
            {"worse", json_number(row.worse)},
            {"se", json_number(row.se)},
            {"tolerance", row.compared ? json_number(row.tolerance) : nlohmann::json()},
            {"further_images", row.further ? nlohmann::json(row.further->images) : nlohmann::json()}};
        if (row.testable()) {
            json["upper"] = json_number(row.decision.upper);
            json["lower"] = json_number(row.decision.lower);
            json["p_worse_by_tolerance"] = row.decision.p_pass;
            json["p_not_worse"] = row.decision.p_fail;
        }
        if (row.compared) {
            const ComparedMetric& c = *row.compared;
            json["new"] = json_number(c.a.value);
            json["baseline"] = json_number(c.b.value);
            json["n"] = c.a.n;
            json["cell_new"] = c.id_a;
            json["cell_baseline"] = c.id_b;
            json["correlation"] = json_number(c.d.correlation);
            json["paired"] = c.paired;
            json["pairing"] = c.pairing;
            json["larger_is_better"] = c.larger_is_better;
            json["reliable"] = c.reliable;
            json["warning"] = c.warning;
        }
        rows.push_back(std::move(json));
    }
    return {{"verdict", verdict_name(report.verdict)},
            {"new", report.path_new},
            {"baseline", report.path_baseline},
            {"levels",
             {{"pass", report.levels.pass}, {"fail", report.levels.fail}, {"looks", report.levels.looks}}},
            {"images", report.images > 0 ? nlohmann::json(report.images) : nlohmann::json()},
            {"statistics_images",
             report.statistics_images > 0 ? nlohmann::json(report.statistics_images) : nlohmann::json()},
            {"advice", report.advice},
            {"notes", report.notes},
            {"metrics", rows}};
}

std::string gate_junit(const GateReport& report) {
    size_t failures = 0, errors = 0, skipped = 0;
    std::string cases;
    for (const GateRow& row : report.rows) {
        cases +=
            "    <testcase classname=\"" + xml(row.cell) + "\" name=\"" + xml(row.metric) + "\" time=\"0\"";
        const std::string text = xml(details(row));
        switch (row.verdict) {
            case GateVerdict::pass:
                cases += ">\n      <system-out>" + text + "</system-out>\n    </testcase>\n";
                break;
            case GateVerdict::fail:
                ++failures;
                cases +=
                    ">\n      <failure type=\"regression\" message=\"" + text + "\"/>\n    </testcase>\n";
                break;
            case GateVerdict::inconclusive:
                ++skipped;
                cases += ">\n      <skipped message=\"inconclusive: " + text + "\"/>\n    </testcase>\n";
                break;
            case GateVerdict::error:
                ++errors;
                cases += ">\n      <error type=\"gate\" message=\"" + text + "\"/>\n    </testcase>\n";
        }
    }
    const std::string counts = " tests=\"" + std::to_string(report.rows.size()) + "\" failures=\"" +
                               std::to_string(failures) + "\" errors=\"" + std::to_string(errors) +
                               "\" skipped=\"" + std::to_string(skipped) + "\" time=\"0\"";
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"schedbench\"" + counts +
           ">\n  <testsuite name=\"schedbench gate\"" + counts + ">\n" + cases +
           "  </testsuite>\n</testsuites>\n";
}

}  // namespace schedbench
