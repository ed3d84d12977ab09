// compare and gate on run files whose numbers are known: what is matched, what is paired and why not, and
// every verdict.
#include "harness/gate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/noise.h"
#include "harness/likelihood_job.h"
#include "harness/report_text.h"
#include "harness/run_comparison.h"
#include "schedules/schedule.h"
#include "store/run_file.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

/// n normals of a stream, exactly centred: influences have mean 0.
std::vector<double> draws(size_t n, uint64_t stream) {
    std::vector<float> values(n);
    fill_normals({5, NoisePurpose::probe}, stream, 0, values);
    std::vector<double> out(values.begin(), values.end());
    double mean = 0;
    for (double x : out) mean += x / static_cast<double>(n);
    for (double& x : out) x -= mean;
    return out;
}

double mean_error(const std::vector<double>& values) {
    RunningMean mean;
    for (double x : values) mean.add(x);
    return mean.standard_error();
}

/// What a cell of a test run is.
struct TestCell {
    std::string schedule = "edm", sampler = "heun", model = "exact:gaussian,c=0.5,dim=2", stack = "threads=2";
    uint64_t seed = 0;
    int64_t budget = 9, n = 200, first_id = 0;
    double value = 10;
    double own = 0.1;       ///< share of the error that is not common to all cells
    uint64_t stream = 100;  ///< of that share
    std::string metric = "fd-x", extractor = "e1", reference = "r1";
    std::string estimand = "Frechet distance at this n";
    bool labels = false, influence = true;
    std::string warning;
    double se = NAN;  ///< NaN: that of the influence values
};

class GateTest : public testing::Test {
  protected:
    void SetUp() override {
        const auto* info = testing::UnitTest::GetInstance()->current_test_info();
        folder_ =
            fs::temp_directory_path() / ("schedbench-gate-" + std::to_string(getpid()) + "-" + info->name());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    static CellRecord record_of(const TestCell& c, const Schedule& schedule) {
        CellRecord cell;
        cell.schedule = schedule.hash();
        cell.sampler = c.sampler;
        cell.model = "m" + std::to_string(std::hash<std::string>{}(c.model) % 1000);
        const nlohmann::json settings = {{"noise", "philox"},    {"seed", c.seed},   {"labels", "none"},
                                         {"shape", {2}},         {"stack", c.stack}, {"schedule", c.schedule},
                                         {"sampler", c.sampler}, {"model", c.model}, {"budget", c.budget}};
        cell.settings = settings.dump();
        cell.id = "c" + std::to_string(std::hash<std::string>{}(cell.settings) % 100000000);
        cell.steps = 5, cell.nfe = 9, cell.budget = c.budget;
        cell.seed = c.seed;
        for (int64_t i = 0; i < c.n; ++i) cell.sample_ids.push_back(c.first_id + i);
        if (c.labels) cell.labels.assign(static_cast<size_t>(c.n), static_cast<int64_t>(c.stream % 10));
        const auto n = static_cast<size_t>(c.n);
        const std::vector<double> common = draws(1000, c.seed), own = draws(1000, c.stream);
        const std::vector<double> common_ref = draws(400, 50), own_ref = draws(400, c.stream + 1);
        MetricRecord metric;
        for (size_t i = 0; i < n; ++i) metric.influence.push_back(common[i] + c.own * own[i]);
        for (size_t i = 0; i < 400; ++i)
            metric.influence_ref.push_back(0.5 * common_ref[i] + c.own * own_ref[i]);
        const double se = std::hypot(mean_error(metric.influence), mean_error(metric.influence_ref));
        metric.estimate = {c.metric, c.value,  std::isnan(c.se) ? se : c.se, c.n, c.estimand,
                           "test",   c.warning};
        metric.identity = cell.id + c.metric;
        metric.extractor = c.extractor, metric.reference = c.reference;
        if (!c.influence) metric.influence.clear(), metric.influence_ref.clear();
        cell.metrics[c.metric] = metric;
        return cell;
    }

    std::string write(const std::string& name, const std::vector<TestCell>& cells,
                      const std::vector<LikelihoodRow>& paths = {}) const {
        const std::string path = (folder_ / name).string();
        fs::remove(path);
        const RunLock lock(path);
        RunEdit edit(lock, {});
        edit.put(ProvenanceRecord{{{"command", "schedbench sweep suites/x.suite --output " + path}}});
        for (const TestCell& c : cells) {
            const NoiseProcess process = make_process(c);
            const Schedule schedule = build_schedule(Spec::parse(c.schedule), process, {5}, "test");
            edit.put(ScheduleRecord{schedule, {}});
            const CellRecord cell = record_of(c, schedule);
            edit.put(ModelRecord{
                cell.model, c.model, "", "", {2}, nlohmann::json{{"suite_spec", c.model}}.dump()});
            if (edit.has("cells", cell.id)) {
                for (const auto& [metric, record] : cell.metrics) edit.put_metric(cell.id, metric, record);
            } else {
                edit.put_cell(cell);
            }
        }
        if (!paths.empty()) edit.put(likelihood_record("l1", "m1", paths));
        edit.commit();
        return path;
    }
    static NoiseProcess make_process(const TestCell&) {
        return NoiseProcess(Spec::parse("continuous:sigma-min=0.002,sigma-max=80"));
    }

    RunComparison compare(const std::vector<TestCell>& a, const std::vector<TestCell>& b) const {
        return compare_runs(open_compared(write("a.h5", a), "A"), open_compared(write("b.h5", b), "B"));
    }
    GateReport gate(const std::vector<TestCell>& a, const std::vector<TestCell>& b,
                    const std::vector<std::string>& tolerances, const GateLevels& levels = {}) const {
        std::vector<Tolerance> list;
        for (const std::string& text : tolerances)
            list.push_back(parse_tolerance(text, false, "--tolerance"));
        return run_gate(open_compared(write("a.h5", a), "NEW"), open_compared(write("b.h5", b), "BASELINE"),
                        list, levels);
    }
    template <class Action>
    static std::string error_of(Action&& action) {
        try {
            action();
        } catch (const Error& e) {
            return e.what();
        }
        return "";
    }

    fs::path folder_;
};

TEST_F(GateTest, PairedWhereTheStoreSaysSo) {
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

TEST_F(GateTest, UnpairedOtherwiseAndItSaysWhy) {
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

TEST_F(GateTest, SharesWhatItHasWhereNumbersDiffer) {
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

TEST_F(GateTest, DerivedMetricsTakeTheInfluenceOfTheirOwn) {
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
        edit.commit();
    }
    const auto rows = compare_runs(open_compared(path, "A"), open_compared(path, "B")).rows;
    ASSERT_EQ(rows.size(), 2u);
    for (const ComparedMetric& row : rows) {
        EXPECT_EQ(row.pairing, "paired");
        EXPECT_EQ(row.d.difference.value, 0);
        EXPECT_EQ(row.d.difference.se, 0);
        EXPECT_EQ(row.p, 1);
        EXPECT_FALSE(row.resolved);
    }
}

TEST_F(GateTest, CellsAreMatchedByWhatTheyAre) {
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

TEST_F(GateTest, CellsByName) {
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

TEST_F(GateTest, HolmGoesOverAllRows) {
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

TEST_F(GateTest, BitsPerDimOfPathsArePairedOverImages) {
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
