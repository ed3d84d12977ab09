// Metrics in sweeps: the key metric, what is stored, what tables show, and the same numbers by the command
// metrics.
#include <cmath>

#include "cli.h"
#include "data/npy.h"
#include "store/run_file.h"

namespace schedbench {
namespace {

using cli::Folder;

/// An exact model on 16 x 16 images, so that a sweep takes a second.
const std::string kSuite =
    "name = tiny\n"
    "model = exact:gaussian,c=0.3,shape=[1,16,16],process={linear:T=40}\n"
    "schedule = edm\nschedule = even\nschedule = uniform-t\nsampler = ddim:eta=0.5\nsteps = 4\n"
    "images = 96\nbatch = 32\nreference = npy:file=reference.npy\nreference-images = 150\n"
    "extractor = pixels:size=16\n";

class MetricsSweep : public ::testing::Test {
  protected:
    void SetUp() override {
        std::vector<uint8_t> pixels;
        uint32_t state = 9;
        for (int64_t i = 0; i < 150 * 256; ++i) {
            state = state * 1664525u + 1013904223u;
            pixels.push_back(static_cast<uint8_t>(80 + (state >> 16) % 90));
        }
        write_npy(folder.path("reference.npy"), NpyArray{{150, 1, 16, 16}, pixels, {}});
    }
    void suite(const std::string& more, const std::string& name = "tiny.suite") {
        std::ofstream(folder.path(name)) << kSuite << more;
    }
    const Folder folder;
};

TEST_F(MetricsSweep, StoredShownAndEqualToTheCommand) {
    suite(
        "metric = frechet\nmetric = kid\nmetric = prdc\nmetric = fid-infinity:points=3,smallest=40\n"
        "metric = kid-blocks:size=20\nkeep-images = true\n");
    folder.ok("sweep tiny.suite --output run.h5");
    std::string first;
    {
        const RunFile run = RunFile::open(folder.path("run.h5"));
        ASSERT_EQ(run.ids("cells").size(), 3u);
        first = run.ids("cells")[0];
        const CellRecord cell = run.cell(first, CellParts::metrics);
        EXPECT_EQ(cell.metrics.size(), 2u + 1 + 4 + 1 + 1);
        for (const auto& [name, metric] : cell.metrics) {
            EXPECT_FALSE(metric.identity.empty()) << name;
            EXPECT_EQ(metric.estimate.n, name == "kd-pixels-blocks:size=20" ? 80 : 96) << name;
            const bool bare = name == "fd-pixels-debiased" || name == "kd-pixels-blocks:size=20";
            EXPECT_EQ(metric.influence.size(), bare ? 0u : 96u) << name;
            EXPECT_EQ(metric.influence_ref.size(), bare ? 0u : 150u) << name;
        }
    }
    EXPECT_EQ(folder.run("validate run.h5").code, 0);
    const auto rows = folder
                          .ok("metrics run.h5:" + first.substr(0, 8) +
                              " reference.npy --json --metric frechet --metric kid --metric prdc "
                              "--metric fid-infinity:points=3,smallest=40 --metric kid-blocks:size=20")
                          .json();
    const CellRecord cell = RunFile::open(folder.path("run.h5")).cell(first);
    EXPECT_EQ(rows.size(), cell.metrics.size());
    for (const auto& row : rows) {
        const Estimate& stored = cell.metrics.at(row.at("metric")).estimate;
        EXPECT_EQ(row.at("value").get<double>(), stored.value) << row.at("metric");
        EXPECT_EQ(row.at("se").get<double>(), stored.se) << row.at("metric");
    }
    // All cells at once; two cells against each other, without the network; from kept images by another one.
    EXPECT_EQ(folder.ok("metrics run.h5 reference.npy --json").json().size(), 6u);
    EXPECT_EQ(folder.ok("metrics run.h5:" + first + " run.h5:" + first + " --json").json()[0].at("metric"),
              "fd-pixels");
    EXPECT_EQ(folder.run("metrics reference.npy run.h5").code, 2);
    EXPECT_EQ(folder.run("metrics run.h5:ffffffffffffffffff reference.npy").code, 2);
    EXPECT_GT(folder.ok("metrics run.h5:" + first + " reference.npy --metric kid --images 50 --json")
                  .json()[0]
                  .at("n"),
              49);

    const auto table = folder.ok("table run.h5").out;
    EXPECT_NE(table.find("fd-pixels, smaller is better"), std::string::npos) << table;
    EXPECT_NE(table.find("3 cells compared"), std::string::npos);
    EXPECT_NE(table.find("? interval unreliable"), std::string::npos);  // 96 samples for 64 features
    const auto kid = folder.ok("table run.h5 --metric kd-pixels").out;
    EXPECT_NE(kid.find("smaller is better"), std::string::npos);
    EXPECT_EQ(kid.find("?"), std::string::npos) << kid;
    EXPECT_NE(folder.ok("table run.h5 --metric recall-pixels").out.find("larger is better"),
              std::string::npos);
    const auto best = [&](const std::string& metric, bool largest) {
        double extreme = largest ? -INFINITY : INFINITY, marked = NAN;
        for (const auto& row : folder.ok("table run.h5 --json --metric " + metric).json()) {
            const double value = row.at("value");
            extreme = largest ? std::max(extreme, value) : std::min(extreme, value);
            if (row.at("best").get<bool>()) marked = value;
        }
        EXPECT_EQ(marked, extreme) << metric;
    };
    best("recall-pixels", true);
    best("kd-pixels", false);
    EXPECT_NE(
        folder.ok("table run.h5 --metric kd-pixels-blocks:size=20").out.find("no errors of differences"),
        std::string::npos);
}

TEST_F(MetricsSweep, AMetricIsAddedToAFinishedRun) {
    suite("");
    folder.ok("sweep tiny.suite --output run.h5");
    const auto before = folder.ok("export run.h5 --format json").json();
    suite("metric = frechet\nmetric = prdc\n");
    const auto again = folder.ok("sweep tiny.suite --output run.h5 --json").json();
    EXPECT_EQ(again.at("computed"), 0);
    EXPECT_EQ(again.at("reused"), 3);
    const auto after = folder.ok("export run.h5 --format json").json();
    EXPECT_EQ(before.size(), 6u);
    EXPECT_EQ(after.size(), 18u);
    for (const auto& row : before) EXPECT_NE(std::find(after.begin(), after.end(), row), after.end()) << row;
    // In another order, and again: nothing to do.
    EXPECT_EQ(folder.ok("sweep tiny.suite --output run.h5 --json").json().at("computed"), 0);
    EXPECT_EQ(folder.ok("export run.h5 --format json").json(), after);
}

TEST_F(MetricsSweep, WhatCannotBeComputedIsSaidBefore) {
    const auto refused = [&](const std::string& more, const std::string& word) {
        suite(more);
        const auto result = folder.run("sweep tiny.suite --output none.h5");
        EXPECT_EQ(result.code, 2) << more;
        EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
        EXPECT_EQ(result.err.find("cells, "), std::string::npos) << result.err;
    };
    refused("metric = kid-blocks:size=60\n", "needs 120");
    refused("metric = is\n", "logits");
    refused("metric = sfid\n", "spatial");
    refused("metric = fvd\n", "fvd");
    refused("metric = kid:k=3\n", "k");
}

}  // namespace
}  // namespace schedbench
