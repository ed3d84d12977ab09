// compare on run files whose numbers are known: what is matched, what is paired, and why not.
#include "harness/run_comparison.h"

#include <gtest/gtest.h>

#include <cmath>

#include "stored_runs.h"

namespace schedbench {
namespace {

class RunComparisonTest : public StoredRuns {};

TEST_F(RunComparisonTest, PairedWhereTheStoreSaysSo) {
    TestCell a, b;
    b.value = 9.9, b.stream = 200, b.stack = "threads=8";
    const auto rows = compare({a}, {b}).rows;
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_TRUE(rows[0].paired);
    EXPECT_EQ(rows[0].pairing, "paired");
    EXPECT_NEAR(rows[0].d.difference.value, 0.1, 1e-12);
    // var(phi_a - phi_b)/n + var(psi_a - psi_b)/m, from the arrays themselves.
    const auto schedule = build_schedule(Spec::parse("edm"), make_process(a), {5}, "test");
    const MetricRecord x = record_of(a, schedule).metrics.at("fd-x"),
                       y = record_of(b, schedule).metrics.at("fd-x");
    const auto minus = [](std::vector<double> p, const std::vector<double>& q) {
        for (size_t i = 0; i < p.size(); ++i) p[i] -= q[i];
        return p;
    };
    const double se = std::hypot(mean_error(minus(x.influence, y.influence)),
                                 mean_error(minus(x.influence_ref, y.influence_ref)));
    EXPECT_NEAR(rows[0].d.difference.se, se, 1e-12);
    EXPECT_GT(rows[0].d.correlation, 0.95);
    EXPECT_LT(rows[0].d.difference.se, 0.2 * rows[0].d.unpaired_se);
    EXPECT_TRUE(rows[0].resolved);
    EXPECT_GT(rows[0].low(), 0);
}

TEST_F(RunComparisonTest, UnpairedOtherwiseAndItSaysWhy) {
    const TestCell a;
    const auto row = [&](const TestCell& b) { return compare({a}, {b}).rows.at(0); };
    TestCell b;
    b.stream = 200;
    b.seed = 1;
    const ComparedMetric other_seed = row(b);
    EXPECT_FALSE(other_seed.paired);
    EXPECT_EQ(other_seed.pairing, "unpaired but for the reference: seed differs (0 and 1)");
    EXPECT_NEAR(other_seed.d.difference.se, std::hypot(std::sqrt(2.0 / 200), 0), 0.02);
    b = TestCell{};
    b.first_id = 1000;
    EXPECT_NE(row(b).pairing.find("sample ids differ"), std::string::npos);
    b = TestCell{};
    b.influence = false;
    const ComparedMetric bare = row(b);
    EXPECT_EQ(bare.pairing, "unpaired: no influence values are stored");
    EXPECT_NEAR(bare.d.difference.se, bare.d.unpaired_se, 1e-12);
    EXPECT_NEAR(bare.d.difference.se, std::hypot(bare.a.se, bare.b.se), 1e-12);
    b = TestCell{};
    b.reference = "r2";
    const ComparedMetric other_reference = row(b);
    EXPECT_TRUE(other_reference.paired);
    EXPECT_EQ(other_reference.pairing, "paired by samples only: references differ");
    EXPECT_NE(other_reference.problem, "");
    TestCell labelled = a, other = a;
    labelled.labels = other.labels = true;
    other.stream = 101;
    EXPECT_NE(compare({labelled}, {other}).rows.at(0).pairing.find("labels differ"), std::string::npos);
    // Nothing shared at all: the stored errors, which may know more than the influence values do.
    b = TestCell{};
    b.seed = 1, b.reference = "r2", b.se = 3;
    EXPECT_NEAR(row(b).d.difference.se, std::hypot(row(b).a.se, 3), 1e-12);
}

TEST_F(RunComparisonTest, SharesWhatItHasWhereNumbersDiffer) {
    TestCell a, b;
    a.n = 400, a.estimand = b.estimand = "bias removed";
    const ComparedMetric row = compare({a}, {b}).rows.at(0);
    EXPECT_TRUE(row.paired);
    EXPECT_EQ(row.problem, "");
    // 200 of 400 and of 200 are shared: var = s/400 + s/200 - 2 s 200/(400 200), s about 1.
    EXPECT_NEAR(row.d.difference.se, std::sqrt(1.0 / 400), 0.006);
    a.estimand = b.estimand = "Frechet distance at this n";
    EXPECT_EQ(compare({a}, {b}).rows.at(0).problem,
              "depends on the number of images, which differs (400 and 200)");
}

TEST_F(RunComparisonTest, DerivedMetricsTakeTheInfluenceOfTheirOwn) {
    TestCell plain, derived;
    derived.metric = "fd-x-debiased", derived.influence = false;
    const std::string path = write("a.h5", {plain});
    {  // the same cell with a second metric of equal identity and no influence values
        const RunLock lock(path);
        RunEdit edit(lock, {});
        const std::string id = edit.ids("cells")[0];
        MetricRecord metric = edit.cell(id, CellParts::metrics).metrics.at("fd-x");
        metric.influence.clear(), metric.influence_ref.clear();
        metric.estimate.value = 8;
        edit.put_metric(id, "fd-x-debiased", metric);
        // Arguments stand behind the name: fd-x:debias=gaussian and fd-x-debiased:debias=gaussian.
        metric.identity = "with arguments";
        edit.put_metric(id, "fd-x-debiased:debias=gaussian", metric);
        const MetricRecord plain_record = edit.cell(id, CellParts::metrics).metrics.at("fd-x");
        metric.influence = plain_record.influence, metric.influence_ref = plain_record.influence_ref;
        edit.put_metric(id, "fd-x:debias=gaussian", metric);
        edit.commit();
    }
    const auto rows = compare_runs(open_compared(path, "A"), open_compared(path, "B")).rows;
    ASSERT_EQ(rows.size(), 4u);
    for (const ComparedMetric& row : rows) {
        EXPECT_EQ(row.pairing, "paired");
        EXPECT_EQ(row.d.difference.value, 0);
        EXPECT_EQ(row.d.difference.se, 0);
        EXPECT_EQ(row.p, 1);
        EXPECT_FALSE(row.resolved);
    }
}

TEST_F(RunComparisonTest, CellsAreMatchedByWhatTheyAre) {
    TestCell edm, log, heun20;
    log.schedule = "log-linear";
    heun20.budget = 20;
    const RunComparison c = compare({edm, log}, {edm, heun20});
    EXPECT_EQ(c.rows.size(), 1u);
    ASSERT_EQ(c.missing.size(), 2u);
    for (const MissingMetric& m : c.missing) EXPECT_TRUE(m.whole_cell);
    EXPECT_FALSE(c.missing[0].in_a);
    EXPECT_TRUE(c.missing[1].in_a);
    // A model of another name, alone in its run: matched, and said.
    TestCell other = edm;
    other.model = "exact:gaussian,c=0.6,dim=2";
    const RunComparison models = compare({edm}, {other});
    EXPECT_EQ(models.rows.size(), 1u);
    ASSERT_EQ(models.notes.size(), 1u);
    EXPECT_NE(models.notes[0].find("models differ"), std::string::npos);
    // With two models, names decide.
    EXPECT_EQ(compare({edm, other}, {other}).rows.size(), 1u);
    EXPECT_EQ(compare({edm, other}, {other}).missing.size(), 1u);
    // The same cell with two seeds on both sides: seed by seed.
    TestCell seed1 = edm;
    seed1.seed = 1;
    const RunComparison seeds = compare({edm, seed1}, {seed1, edm});
    ASSERT_EQ(seeds.rows.size(), 2u);
    for (const ComparedMetric& row : seeds.rows) EXPECT_EQ(row.d.difference.se, 0) << row.pairing;
    // Twice the same but for threads: not to be told apart.
    TestCell threads = edm;
    threads.stack = "threads=8";
    const std::string error = error_of([&] {
        TestCell third = edm;
        third.stack = "threads=4";
        compare({edm, threads}, {third});
    });
    EXPECT_NE(error.find("more than once"), std::string::npos) << error;
}

TEST_F(RunComparisonTest, CellsByName) {
    TestCell edm, log;
    log.schedule = "log-linear", log.value = 11;
    const std::string path = write("a.h5", {edm, log});
    const RunFile run = RunFile::open(path);
    const auto ids = run.ids("cells");
    ASSERT_EQ(ids.size(), 2u);
    const auto rows =
        compare_runs(open_compared(path + ":" + ids[0], "A"), open_compared(path + ":" + ids[1], "B")).rows;
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_NEAR(std::abs(rows[0].d.difference.value), 1, 1e-12);
    EXPECT_NE(rows[0].cell.find("against"), std::string::npos);
    EXPECT_TRUE(run_gate(open_compared(path + ":" + ids[0], "NEW"),
                         open_compared(path + ":" + ids[1], "BASELINE"), {{"fd-x", 2, false}})
                    .notes.empty());
    EXPECT_NE(error_of([&] { open_compared(path + ":zzz", "A"); }).find("there is no cell"),
              std::string::npos);
    EXPECT_NE(error_of([&] { open_compared(path + ":c", "A"); }).find("the start of 2 cells"),
              std::string::npos);
    EXPECT_NE(error_of([&] { open_compared(path + "x", "A"); }).find("no such file"), std::string::npos);
    EXPECT_NE(error_of([&] {
                  compare_runs(open_compared(path + ":" + ids[0], "A"), open_compared(path, "B"));
              }).find("whole run"),
              std::string::npos);
}

TEST_F(RunComparisonTest, HolmGoesOverAllRows) {
    std::vector<TestCell> a, b;
    for (int i = 0; i < 6; ++i) {
        TestCell cell;
        cell.budget = 9 + i;
        a.push_back(cell);
        cell.stream = 300 + static_cast<uint64_t>(i);
        cell.value += 0.01 * i;
        b.push_back(cell);
    }
    const auto rows = compare(a, b).rows;
    std::vector<double> p;
    for (const auto& row : rows) p.push_back(row.p);
    const auto adjusted = holm_adjust(p);
    for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(rows[i].p_holm, adjusted[i]);
        EXPECT_EQ(rows[i].resolved, adjusted[i] <= 0.05);
        EXPECT_NEAR(rows[i].p,
                    std::erfc(std::abs(rows[i].d.difference.value) / rows[i].d.difference.se / std::sqrt(2)),
                    1e-12);
    }
}

TEST_F(RunComparisonTest, BitsPerDimOfPathsArePairedOverImages) {
    const auto row = [](double shift, uint64_t stream) {
        LikelihoodRow r;
        r.stride = "even", r.variance = "beta", r.decoder = "tanh", r.first_step = "table", r.clip = "none";
        r.split = "test", r.steps = 10, r.path = {1, 2}, r.images = "data 1234, noise seed 0";
        const auto common = draws(100, 1), own = draws(100, stream);
        for (size_t i = 0; i < 100; ++i) r.per_image.push_back(3 + shift + common[i] + 0.01 * own[i]);
        r.bits_per_dim = {"bits_per_dim", 3 + shift, mean_error(r.per_image), 100, "bound", "images", ""};
        return r;
    };
    const auto compare_rows = [&](const LikelihoodRow& x, const LikelihoodRow& y) {
        return compare_runs(open_compared(write("a.h5", {}, {x}), "A"),
                            open_compared(write("b.h5", {}, {y}), "B"))
            .rows.at(0);
    };
    const ComparedMetric paired = compare_rows(row(0.01, 2), row(0, 3));
    EXPECT_EQ(paired.metric, "bpd");
    EXPECT_EQ(paired.pairing, "paired");
    EXPECT_NEAR(paired.d.difference.se, 0.01 * std::sqrt(2.0 / 100), 3e-4);
    EXPECT_TRUE(paired.resolved);
    LikelihoodRow old = row(0, 3), other = row(0, 3);
    old.per_image.clear();
    EXPECT_FALSE(compare_rows(row(0.01, 2), old).paired);
    EXPECT_NEAR(compare_rows(row(0.01, 2), old).d.difference.se, 0.14, 0.03);
    other.images = "data 9, noise seed 0";
    EXPECT_NE(compare_rows(row(0, 2), other).problem, "");
}

}  // namespace
}  // namespace schedbench
