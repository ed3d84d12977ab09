#include "store/schema.h"
#include "store/export.h"

#include <nlohmann/json.hpp>

#include "data/npy.h"
#include "data/npz.h"
#include "store_testing.h"

namespace schedbench {
namespace {

TEST_F(StoreTest, TablesHoldFullPrecision) {
    {
        const RunLock lock(run_);
        RunEdit edit(lock, make_header());
        put_everything(edit, 12);
        MetricRecord metric;
        metric.estimate = {"kid", 1.0 / 3, std::nan(""), 12, "KID, unbiased", "\"none\"", ""};
        metric.identity = "k";
        edit.put_metric("cell0", "kid", metric);
        CellRecord bare = make_skeleton();
        bare.id = "cell1";
        edit.put_cell(bare);
        edit.commit();
    }
    const RunFile run = RunFile::open(run_);
    const auto rows = nlohmann::json::parse(cells_json(run));
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0]["metric"], "fd-test");
    EXPECT_EQ(rows[0]["schedule_spec"], "edm:rho=7");
    EXPECT_EQ(rows[0]["seed"].get<uint64_t>(), 0xfedcba9876543210u);
    EXPECT_EQ(rows[1]["value"].get<double>(), 1.0 / 3);
    EXPECT_TRUE(rows[1]["se"].is_null());
    EXPECT_TRUE(rows[2]["metric"].is_null());
    const std::string csv = cells_csv(run);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
    EXPECT_NE(csv.find("kid,0.3333333333333333,nan,12,\"KID, unbiased\",\"\"\"none\"\"\","),
              std::string::npos)
        << csv;
    const auto summary = nlohmann::json::parse(summary_json(run));
    EXPECT_EQ(summary["cells"], 2);
    EXPECT_EQ(summary["schema_version"], schema_version());
}

TEST_F(StoreTest, ArraysAsNpyAndNpz) {
    make_run(run_, 12);
    const RunFile run = RunFile::open(run_);
    const CellRecord made = make_cell(12);
    export_npy(run, "cell0", "features", folder_ + "/f.npy");
    const NpyArray features = read_npy(folder_ + "/f.npy");
    EXPECT_EQ(features.shape, (std::vector<int64_t>{12, 5}));
    EXPECT_EQ(features.as<float>(), made.features);
    export_npz(run, "cell0", folder_ + "/c.npz");
    const auto arrays = read_npz(folder_ + "/c.npz");
    EXPECT_EQ(arrays.at("images").as<uint8_t>(), made.images);
    EXPECT_EQ(arrays.at("influence:fd-test").as<double>(), made.metrics.at("fd-test").influence);
    EXPECT_NE(
        error_of([&] { export_npy(run, "cell0", "feature", folder_ + "/g.npy"); }).message().find("features"),
        std::string::npos);
    error_of([&] { export_npy(run, "cell9", "features", folder_ + "/g.npy"); });
}

}  // namespace
}  // namespace schedbench
