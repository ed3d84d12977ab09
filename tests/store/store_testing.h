// Shared by the tests of store/: a folder of its own, and records with values that a formula gives.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "store/fold.h"
#include "store/run_file.h"
#include "store/work_file.h"

namespace schedbench {

class StoreTest : public testing::Test {
  protected:
    void SetUp() override {
        const std::string name = std::string("schedbench_store_") + std::to_string(::getpid());
        folder_ = (std::filesystem::temp_directory_path() / name).string();
        std::filesystem::create_directories(folder_);
        run_ = folder_ + "/run.h5";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// The error of an action; it must be of the store and be one line.
    template <class Action>
    Error error_of(Action&& action) {
        try {
            action();
        } catch (const Error& e) {
            EXPECT_EQ(e.kind(), "store") << e.what();
            EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
            EXPECT_FALSE(e.where().empty());
            return e;
        }
        ADD_FAILURE() << "no error";
        return Error("none", "none");
    }

    std::string folder_, run_;
};

/// Values of sample `id`, as any rank would make them.
inline uint8_t pixel(int64_t id, int64_t i) {
    return static_cast<uint8_t>((id * 131 + i * 7 + 3) % 251);
}
inline float feature(int64_t id, int64_t i) {
    return std::sin(static_cast<float>(id * 17 + i));
}
inline int64_t label(int64_t id) {
    return (id * 5) % 10;
}

struct BlockValues {
    std::vector<int64_t> ids, labels;
    std::vector<uint8_t> images;
    std::vector<float> features;
    SampleBlock block() const { return {ids, images, features, labels, 3, 0.25, 0.2}; }
};

/// Samples first .. first+count-1 in the layout.
inline BlockValues make_block(const WorkLayout& layout, int64_t first, int64_t count) {
    BlockValues values;
    for (int64_t id = first; id < first + count; ++id) {
        values.ids.push_back(id);
        if (layout.labels) values.labels.push_back(label(id));
        for (int64_t i = 0; i < layout.image_size(); ++i) values.images.push_back(pixel(id, i));
        for (int64_t i = 0; i < layout.feature_dim; ++i) values.features.push_back(feature(id, i));
    }
    return values;
}

inline WorkLayout make_layout(int64_t capacity, int64_t block_rows = 8) {
    return {"cell0", 0, 1, capacity, block_rows, {3, 4, 4}, 5, "extractor0", true};
}

inline RunHeader make_header() {
    return {"schedbench 0.1.0", "abc123", "2026-01-02T03:04:05Z", "running"};
}

inline CellRecord make_skeleton() {
    CellRecord cell;
    cell.id = "cell0";
    cell.sampler = "heun";
    cell.status = "complete";
    cell.settings = R"({"batch":8})";
    cell.steps = 9;
    cell.nfe = 17;
    cell.budget = 18;
    cell.seed = 0xfedcba9876543210u;
    return cell;
}

inline CellRecord make_cell(int64_t n) {
    CellRecord cell = make_skeleton();
    WorkLayout layout = make_layout(n);
    BlockValues values = make_block(layout, 0, n);
    cell.sample_ids = values.ids;
    cell.labels = values.labels;
    cell.images = values.images;
    cell.image_shape = layout.image_shape;
    cell.features = values.features;
    cell.feature_dim = layout.feature_dim;
    cell.preview_shape = {2, 3, 1};
    cell.preview = {1, 2, 3, 4, 5, 6};
    cell.timing = {{0}, {n}, {0}, {17}, {1.5}, {1.25}};
    MetricRecord metric;
    metric.estimate = {"fd-test", 1.25, 0.5, n, "Frechet distance at this n", "influence function", ""};
    metric.identity = "m" + std::to_string(n);
    for (int64_t i = 0; i < n; ++i) metric.influence.push_back(0.1 * static_cast<double>(i));
    metric.influence_ref = {0.5, std::numeric_limits<double>::denorm_min()};
    cell.metrics["fd-test"] = metric;
    return cell;
}

inline Schedule make_schedule() {
    return {"edm:rho=7",
            "sigma^(1/rho)",
            "sigma = x^rho",
            "zero",
            "none",
            "nearest",
            3,
            {80, 1.5, 0.1, 0},
            {79.5, 1.25, 0.125, 0},
            {1000, 500, 10, 0},
            {999, 499, 9, std::numeric_limits<double>::quiet_NaN()}};
}

/// One record of every kind, all of it referred to correctly; also the content of the fixtures.
inline void put_everything(RunEdit& edit, int64_t n) {
    edit.put(SuiteRecord{"suite0", "steps=9\n# comment \"x\"\n", R"({"steps":[9]})"});
    edit.put(ProvenanceRecord{{{"host", "a"}, {"libtorch", "2.11"}, {"empty", ""}}});
    LearnedRecord learned{"elbo",    "dynamic-programme", {80, 1, 0.1},
                          {1, 2, 3}, {0.1, 0.2, 0.3},     R"({"n":10})"};
    edit.put(ScheduleRecord{make_schedule(), learned});
    edit.put(ModelRecord{"model0", "exact:gaussian", "", "continuous", {3, 4, 4}, "{}"});
    edit.put(DataRecord{"data0", "fashion-mnist", "00ff", {60000, 1, 28, 28}, 10});
    edit.put(ExtractorRecord{"extractor0", "small:file=a", "ff00", "round", 5});
    edit.put(
        ReferenceRecord{"reference0", "data0", "extractor0", 2, {0, 1}, {1, 2}, {1, 2, 2, 5}, {1, 2, 3, 4}});
    StatisticsRecord statistics;
    statistics.id = "statistics0";
    statistics.texts["model"] = "model0";
    statistics.integers["n"] = 64;
    statistics.reals["floor"] = 1e-300;
    statistics.arrays["M"] = {{2, 2}, {1, 2, 3, 4}, "1", "level,clip"};
    edit.put(statistics);
    LikelihoodRecord likelihood;
    likelihood.id = "likelihood0";
    likelihood.texts["statistics"] = "statistics0";
    likelihood.text_columns["variance"] = {"large", "posterior"};
    likelihood.columns["bits_per_dim"] = {3.75, 3.5};
    likelihood.columns["se"] = {0.01, 0.02};
    likelihood.arrays["per_image"] = {{2, 3}, {1, 2, 3, 4, 5, 6}, "bits/dim", "path,sample"};
    edit.put(likelihood);
    CellRecord cell = make_cell(n);
    cell.schedule = make_schedule().hash();
    cell.model = "model0";
    cell.data = "data0";
    cell.extractor = "extractor0";
    cell.metrics["fd-test"].extractor = "extractor0";
    cell.metrics["fd-test"].reference = "reference0";
    edit.put_cell(cell);
}

inline void make_run(const std::string& path, int64_t n) {
    const RunLock lock(path);
    RunEdit edit(lock, make_header());
    put_everything(edit, n);
    edit.commit();
}

}  // namespace schedbench
