// gate on run files whose numbers are known: every verdict, and the reports.
#include "harness/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "harness/report_text.h"
#include "stored_runs.h"

namespace schedbench {
namespace {

class GateTest : public StoredRuns {};

TEST_F(GateTest, PassFailInconclusive) {
    TestCell same, baseline, bad;
    same.stream = 200, bad.stream = 200, bad.value = 11;
    const GateReport pass = gate({same}, {baseline}, {"fd-x=0.1"});
    EXPECT_EQ(pass.verdict, GateVerdict::pass);
    EXPECT_EQ(gate_exit_code(pass.verdict), 0);
    const GateReport fail = gate({bad}, {baseline}, {"fd-x=0.1"});
    EXPECT_EQ(fail.verdict, GateVerdict::fail);
    EXPECT_EQ(gate_exit_code(fail.verdict), 1);
    // A better value is no failure, a worse one within the tolerance neither.
    EXPECT_EQ(gate({baseline}, {bad}, {"fd-x=0.1"}).verdict, GateVerdict::pass);
    EXPECT_EQ(gate({bad}, {baseline}, {"fd-x=1.1"}).verdict, GateVerdict::pass);

    TestCell slightly = same;
    slightly.value = 10.01;
    const GateReport open = gate({slightly}, {baseline}, {"fd-x=0.02"});
    EXPECT_EQ(open.verdict, GateVerdict::inconclusive);
    EXPECT_EQ(gate_exit_code(open.verdict), 3);
    // With as many images as it asks for, it is decided.
    ASSERT_TRUE(open.rows[0].further || open.advice.size() > 0);
    EXPECT_EQ(gate({slightly}, {baseline}, {"fd-x=0.05"}, {0.05, 0.01, 3}).verdict, GateVerdict::pass);
}

TEST_F(GateTest, SaysHowManyImagesAndTheCommand) {
    TestCell fresh, baseline;
    fresh.stream = 200, fresh.n = baseline.n = 60, fresh.own = baseline.own = 0.3;
    fresh.value = 10.02;
    const GateReport report = gate({fresh}, {baseline}, {"fd-x=0.1"});
    ASSERT_EQ(report.verdict, GateVerdict::inconclusive);
    ASSERT_TRUE(report.rows[0].further);
    EXPECT_GE(report.rows[0].further->chance, 0.9);
    EXPECT_EQ(report.images, 60 + report.rows[0].further->images);
    const std::string text = print_gate(report, 100);
    EXPECT_NE(text.find("schedbench sweep suites/x.suite --images " + std::to_string(report.images)),
              std::string::npos)
        << text;
    EXPECT_EQ(gate_json(report)["images"], report.images);
    EXPECT_NE(text.find("--looks 3"), std::string::npos);
    // Where the reference's error alone is too large, more images are no advice.
    fresh.n = baseline.n = 1000, fresh.own = baseline.own = 1;
    const GateReport hopeless = gate({fresh}, {baseline}, {"fd-x=0.03"});
    ASSERT_EQ(hopeless.verdict, GateVerdict::inconclusive);
    EXPECT_EQ(hopeless.images, 0);
    EXPECT_NE(print_gate(hopeless, 100).find("reference"), std::string::npos);
}

TEST_F(GateTest, WhatIsMissingIsNamed) {
    TestCell edm, log, kid;
    log.schedule = "log-linear";
    kid.metric = "kid", kid.estimand = "kid";
    const GateReport in_new = gate({edm}, {edm, log}, {"fd-x=0.1"});
    EXPECT_EQ(in_new.verdict, GateVerdict::fail);
    EXPECT_NE(print_gate(in_new, 100).find("missing in NEW"), std::string::npos);
    EXPECT_NE(print_gate(in_new, 100).find("log-linear"), std::string::npos);
    const GateReport in_baseline = gate({edm, log}, {edm}, {"fd-x=0.1"});
    EXPECT_EQ(in_baseline.verdict, GateVerdict::error);
    EXPECT_EQ(gate_exit_code(in_baseline.verdict), 2);
    EXPECT_NE(print_gate(in_baseline, 100).find("missing in BASELINE"), std::string::npos);
    EXPECT_EQ(gate({edm}, {edm, kid}, {"fd-x=0.1", "kid=1"}).verdict, GateVerdict::fail);
    EXPECT_EQ(gate({edm, kid}, {edm}, {"fd-x=0.1", "kid=1"}).verdict, GateVerdict::error);
    EXPECT_EQ(gate({edm, kid}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::pass) << "kid is not gated";
    // FAIL goes before ERROR.
    EXPECT_EQ(gate({edm}, {log}, {"fd-x=0.1"}).verdict, GateVerdict::fail);
    // A cell that has the metric on neither side is said to be left out.
    TestCell other = log;
    other.metric = "kid", other.estimand = "kid";
    const GateReport left_out = gate({edm, other}, {edm, other}, {"fd-x=0.1"});
    ASSERT_EQ(left_out.notes.size(), 1u);
    EXPECT_NE(left_out.notes[0].find("log-linear"), std::string::npos);

    EXPECT_NE(error_of([&] { gate({edm}, {edm}, {"fd-y=0.1"}); }).find("these exist: fd-x"),
              std::string::npos);
    EXPECT_NE(error_of([&] {
                  gate({edm}, {edm}, {"fd-x=0.1", "fd-x=0.2"});
              }).find("two tolerances"),
              std::string::npos);
    EXPECT_NE(error_of([&] { gate({edm}, {edm}, {}); }).find("nothing is gated"), std::string::npos);
    for (const char* text : {"fd-x", "=1", "fd-x=", "fd-x=0", "fd-x=-1", "fd-x=nan", "fd-x=a"})
        EXPECT_NE(error_of([&] { parse_tolerance(text, false, "--tolerance"); }), "") << text;
    EXPECT_EQ(parse_tolerance("fid[tf1]=0.05", false, "").metric, "fid[tf1]");
    EXPECT_EQ(parse_tolerance("a=b=2", false, "").metric, "a=b");
}

TEST_F(GateTest, WhatCannotBeToldNeverPasses) {
    TestCell edm, broken = edm, bare = edm, other = edm, more = edm;
    broken.value = NAN;
    EXPECT_EQ(gate({broken}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::fail);
    EXPECT_EQ(gate({edm}, {broken}, {"fd-x=0.1"}).verdict, GateVerdict::error);
    other.extractor = "e2";
    EXPECT_EQ(gate({other}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::error);
    other = edm, other.reference = "r2";
    EXPECT_EQ(gate({other}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::error);
    // Where the theory does not hold, a gate does not pass; a clear failure and equal bits are what they are.
    TestCell few = edm;
    few.warning = "unreliable: there are 200 generated samples for 100 features";
    few.stream = 200;
    EXPECT_EQ(gate({few}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::inconclusive);
    EXPECT_EQ(gate({few}, {few}, {"fd-x=0.1"}).verdict, GateVerdict::pass);
    few.value = 12;
    EXPECT_EQ(gate({few}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::fail);
    more.n = 300;
    EXPECT_EQ(gate({more}, {edm}, {"fd-x=0.1"}).verdict, GateVerdict::error);
}

TEST_F(GateTest, LargerIsBetterForSomeAndTolerancesMayBeRelative) {
    TestCell low, high;
    low.metric = high.metric = "precision[tf1]";
    low.value = 0.5, high.value = 0.6, high.stream = 200, low.own = high.own = 0.001;
    EXPECT_EQ(gate({high}, {low}, {"precision[tf1]=0.02"}).verdict, GateVerdict::pass);
    EXPECT_EQ(gate({low}, {high}, {"precision[tf1]=0.02"}).verdict, GateVerdict::fail);
    EXPECT_TRUE(gate_json(gate({low}, {high}, {"precision[tf1]=0.02"}))["metrics"][0]["larger_is_better"]);
    const auto relative = [&](double share) {
        return run_gate(open_compared(write("a.h5", {low}), "NEW"),
                        open_compared(write("b.h5", {high}), "BASELINE"), {{"precision[tf1]", share, true}})
            .verdict;
    };
    EXPECT_EQ(relative(0.2), GateVerdict::pass);  // 0.1 worse than 0.6, 0.12 allowed
    EXPECT_EQ(relative(0.1), GateVerdict::fail);
}

TEST_F(GateTest, ReportsFitATerminalAndHoldTheFigures) {
    std::vector<TestCell> a, b;
    for (const char* schedule : {"edm", "log-linear", "edm:rho=3"}) {
        TestCell cell;
        cell.schedule = schedule, cell.metric = "fd-fashion32";
        cell.seed = b.size() == 1 ? 3 : 0;
        b.push_back(cell);
        cell.stream = 200, cell.value = a.empty() ? 10.3 : 10;
        cell.seed = 0;
        a.push_back(cell);
    }
    const RunComparison comparison = compare(a, b);
    for (int width : {80, 100}) {
        for (const std::string& text :
             {print_comparison(comparison, width), print_gate(gate(a, b, {"fd-fashion32=0.2"}), width)}) {
            std::istringstream in(text);
            for (std::string line; std::getline(in, line);)
                EXPECT_LE(text_width(line), static_cast<size_t>(width)) << line;
            EXPECT_NE(text.find("seed differs"), std::string::npos) << text;
        }
    }
    std::cout << print_comparison(comparison, 100) << "\n"
              << print_gate(gate(a, b, {"fd-fashion32=0.2"}), 100);
    const auto json = comparison_json(comparison);
    ASSERT_EQ(json.size(), 3u);
    for (const char* key :
         {"metric", "value", "se", "n", "low", "high", "correlation", "resolved", "p_holm", "pairing"})
        EXPECT_TRUE(json[0].contains(key)) << key;
    const GateReport report = gate(a, b, {"fd-fashion32=0.2"});
    EXPECT_EQ(gate_json(report)["verdict"], "FAIL");
    EXPECT_EQ(gate_json(report)["metrics"].size(), 3u);
    const std::string junit = gate_junit(report);
    const auto count = [&](const std::string& word) {
        size_t found = 0;
        for (size_t at = junit.find(word); at != std::string::npos; at = junit.find(word, at + 1)) ++found;
        return found;
    };
    EXPECT_EQ(count("<testcase "), 3u);
    EXPECT_EQ(count("<failure "), 1u);
    EXPECT_EQ(count("classname=\"edm:rho=3, heun, NFE 9 (N=5)\""), 1u) << junit;
}

TEST(ReportText, NumbersOfAnySize) {
    EXPECT_EQ(format_difference(-0.2, 0.05), "-0.200 ±0.050");
    EXPECT_EQ(format_difference(0, 0), "0");
    EXPECT_EQ(format_difference(1.234e-7, 3.2e-8), "1.2e-07 ±3.2e-08");
    EXPECT_EQ(format_interval(-0.3, -0.1, 0.05), "[-0.300, -0.100]");
    EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three\n");
    EXPECT_EQ(wrapped("", 7, 2), "\n");
}

}  // namespace
}  // namespace schedbench
