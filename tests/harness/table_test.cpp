#include "harness/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace schedbench {
namespace {

TEST(Table, EstimatesShowTwoDigitsOfTheError) {
    EXPECT_EQ(format_estimate(12.3456, 0.4567), "12.35 ±0.46");
    EXPECT_EQ(format_estimate(12.3456, 4.567), "12.3 ±4.6");
    EXPECT_EQ(format_estimate(1234.5, 45.67), "1234 ±46");
    EXPECT_EQ(format_estimate(0.012345, 0.00012), "0.01235 ±0.00012");
    EXPECT_EQ(format_estimate(12.3456, NAN), "12.35");
    EXPECT_EQ(format_estimate(NAN, 1), "-");
}

TEST(Table, SpecsForPeopleLeaveDefaultsOut) {
    EXPECT_EQ(short_spec("edm:end=zero,rho=7,sigma-max=auto,sigma-min=auto"), "edm");
    EXPECT_EQ(short_spec("edm:end=zero,rho=3,sigma-max=auto,sigma-min=0.01"), "edm:rho=3,sigma-min=0.01");
    // What a learner resolved from "auto" is the model's own range.
    EXPECT_EQ(short_spec("score-optimal:sigma-max=80,sigma-min=0.01"), "score-optimal");
    EXPECT_EQ(short_spec("not a spec"), "not a spec");
}

/// A table of three cells, two of which cannot be told apart.
Table example() {
    Table table;
    table.title = "example";
    table.metric = "fd-x";
    for (int i = 0; i < 3; ++i) {
        TableRow row;
        row.model = "m";
        row.sampler = "euler";
        row.schedule = i == 0 ? "edm:rho=7" : i == 1 ? "log-linear" : "score-optimal";
        row.learned = i == 2;
        row.nfe = row.steps = 5;
        row.n = 100;
        row.metric = {"fd-x", 10.0 + i, 0.5, 100, "Frechet distance at this n", "influence function", ""};
        row.best = i == 0;
        row.tied = i < 2;
        if (i > 0) row.delta = i, row.delta_se = 0.3, row.correlation = 0.8, row.p_value = 0.1;
        table.rows.push_back(row);
    }
    table.comparisons = 3;
    return table;
}

TEST(Table, TerminalShowsValueErrorNfeAndWhatIsUnresolved) {
    const std::string text = print_table(example(), TableFormat::terminal);
    EXPECT_NE(text.find("NFE 5 (N=5)"), std::string::npos) << text;
    EXPECT_NE(text.find("10.00 ±0.50 *"), std::string::npos);
    EXPECT_NE(text.find("11.00 ±0.50 ="), std::string::npos);
    EXPECT_NE(text.find("score-optimal (learned)"), std::string::npos);
    EXPECT_NE(text.find("unresolved"), std::string::npos);
    EXPECT_NE(text.find("3 cells compared"), std::string::npos);
}

TEST(Table, OtherFormatsHoldTheSameFigures) {
    EXPECT_NE(print_table(example(), TableFormat::markdown).find("|"), std::string::npos);
    EXPECT_NE(print_table(example(), TableFormat::latex).find("\\begin{tabular}"), std::string::npos);
    const std::string csv = print_table(example(), TableFormat::csv);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
    const auto json = table_json(example());
    ASSERT_EQ(json.size(), 3u);
    EXPECT_EQ(json[1]["value"], 11.0);
    EXPECT_EQ(json[0]["delta"], nullptr);
    EXPECT_EQ(json[1]["tied"], true);
}

TEST(TextBlock, WideTablesGoOnBelow) {
    std::vector<std::vector<std::string>> rows = {{"schedule"}, {"even"}};
    for (int k = 0; k < 12; ++k) {
        rows[0].push_back("NFE " + std::to_string(k));
        rows[1].push_back("12.345 ±0.678 =");
    }
    const std::string text = print_block(rows, TableFormat::terminal);
    std::istringstream lines(text);
    size_t values = 0, headers = 0;
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), 110 + 2 * rows.size() * 6) << line;  // "±" has two bytes
        headers += line.starts_with("schedule");
        for (size_t at = line.find("12.345"); at != std::string::npos; at = line.find("12.345", at + 1))
            ++values;
    }
    EXPECT_EQ(values, 12u);
    EXPECT_EQ(headers, 2u);
    EXPECT_EQ(print_block(rows, TableFormat::markdown).find("| schedule", 5), std::string::npos);
}

TEST(TextBlock, ShortEstimatesHaveTheErrorInParentheses) {
    EXPECT_EQ(format_estimate_short(3.21456, 0.1234), "3.21(12)");
    EXPECT_EQ(format_estimate_short(3.21456, 0.00567), "3.2146(57)");
    EXPECT_EQ(format_estimate_short(115.11, 4.86), "115.1 ±4.9");
    EXPECT_EQ(format_estimate_short(2, NAN), "2");
}

}  // namespace
}  // namespace schedbench
