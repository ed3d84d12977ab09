// Run files whose numbers are known, for the tests of compare and gate.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/noise.h"
#include "harness/gate.h"
#include "harness/likelihood_job.h"
#include "harness/run_comparison.h"
#include "schedules/schedule.h"
#include "store/run_file.h"

namespace schedbench {

/// n normals of a stream, exactly centred: influences have mean 0.
inline std::vector<double> draws(size_t n, uint64_t stream) {
    std::vector<float> values(n);
    fill_normals({5, NoisePurpose::probe}, stream, 0, values);
    std::vector<double> out(values.begin(), values.end());
    double mean = 0;
    for (double x : out) mean += x / static_cast<double>(n);
    for (double& x : out) x -= mean;
    return out;
}

inline double mean_error(const std::vector<double>& values) {
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

class StoredRuns : public testing::Test {
  protected:
    void SetUp() override {
        const auto* info = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = std::filesystem::temp_directory_path() /
                  ("schedbench-gate-" + std::to_string(getpid()) + "-" + info->name());
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

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
        std::filesystem::remove(path);
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

    std::filesystem::path folder_;
};

}  // namespace schedbench
