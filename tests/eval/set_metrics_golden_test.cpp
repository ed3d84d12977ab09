// KID, Inception score, precision, recall, density and coverage of tests/golden/metrics/<set>_features.json:
// numpy formulas and torch-fidelity.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "data/npy.h"
#include "eval/inception_score.h"
#include "eval/kid.h"
#include "eval/neighbours.h"
#include "golden.h"
#include "golden_arrays.h"
#include "numbers.h"

namespace schedbench {
namespace {

using nlohmann::json;

double relative(double value, double expected) {
    return std::abs(value - expected) / std::abs(expected);
}

void check_kid(const at::Tensor& x, const at::Tensor& r, const json& want, golden::Tally& tally) {
    const KidResult full = kid(x, r);
    tally.add(relative(full.unbiased.value, want.at("unbiased")), 1e-9, "unbiased");
    tally.add(relative(full.biased, want.at("biased")), 1e-9, "biased");
    for (const auto& [key, values] : want.items()) {
        std::smatch size;
        if (!std::regex_match(key, size, std::regex("blocks_of_(\\d+)"))) continue;
        const KidBlocks blocks = kid_blocks(x, r, std::stoll(size[1]));
        ASSERT_EQ(blocks.values.size(), values.size());
        for (size_t b = 0; b < values.size(); ++b)
            tally.add(relative(blocks.values[b], values[b]), 1e-9, key);
        tally.add(relative(blocks.mean.value, want.at("blocks_mean")), 1e-9, key + " mean");
        tally.add(relative(blocks.mean.se, want.at("blocks_se")), 1e-9, key + " SE");
    }
}

void check_neighbours(const at::Tensor& x, const at::Tensor& r, const json& want, golden::Tally& tally) {
    const NeighbourMetrics got = neighbour_metrics(x, r);
    const json& exact = want.at("exact");
    tally.add(std::abs(got.precision.estimate.value - exact.at("precision").get<double>()), 1e-12,
              "precision");
    tally.add(std::abs(got.recall.estimate.value - exact.at("recall").get<double>()), 1e-12, "recall");
    tally.add(std::abs(got.density.estimate.value - exact.at("density").get<double>()), 1e-12, "density");
    tally.add(std::abs(got.coverage.estimate.value - exact.at("coverage").get<double>()), 1e-12, "coverage");
    const json& tool = want.at("torch_fidelity_k3");  // in float32
    tally.add(std::abs(got.precision.estimate.value - tool.at("precision").get<double>()), 1e-6,
              "tool's precision");
    tally.add(std::abs(got.recall.estimate.value - tool.at("recall").get<double>()), 1e-6, "tool's recall");
}

void check_scores(const at::Tensor& logits, const json& scores, golden::Tally& tally) {
    for (const auto& [key, want] : scores.items()) {
        std::smatch splits;
        if (!std::regex_match(key, splits, std::regex("splits_(\\d+)"))) continue;
        const InceptionScore got = inception_score(logits, std::stoll(splits[1]));
        tally.add(relative(got.score.value, want.at("mean")), 1e-9, key);
        tally.add(std::abs(got.spread - want.at("std_population").get<double>()), 1e-9, key + " std");
        tally.add(relative(got.score.value, want.at("torch_fidelity")[0]), 1e-9, key + " of torch-fidelity");
        tally.add(std::abs(got.spread - want.at("torch_fidelity")[1].get<double>()), 1e-9, key + " its std");
        ASSERT_EQ(got.splits.size(), want.at("scores").size());
        for (size_t s = 0; s < got.splits.size(); ++s)
            tally.add(relative(got.splits[s], want.at("scores")[s]), 1e-9, key + " score");
    }
}

at::Tensor points_of(const json& rows) {
    std::vector<double> values;
    for (const auto& row : rows)
        for (const auto& value : row) values.push_back(value);
    return at::tensor(values, at::kDouble).reshape({static_cast<int64_t>(rows.size()), -1});
}

// Each metric under the comparison of its own definition.
void check_ties(const json& want, golden::Tally& tally) {
    for (const auto type : {at::kFloat, at::kDouble}) {
        const NeighbourMetrics got =
            neighbour_metrics(points_of(want.at("generated")).to(type), points_of(want.at("real")).to(type));
        const auto check = [&](const NeighbourMetric& metric, const char* rule, const char* name) {
            tally.add(std::abs(metric.estimate.value - want.at(rule).at(name).get<double>()), 1e-12,
                      std::string("ties ") + name);
        };
        check(got.precision, "less_equal", "precision");
        check(got.recall, "less_equal", "recall");
        check(got.density, "strictly_less", "density");
        check(got.coverage, "strictly_less", "coverage");
    }
}

TEST(SetMetricsGolden, FeatureSets) {
    golden::Tally kids("metrics/kid"), neighbours("metrics/neighbours"), scores("metrics/inception score");
    for (const auto& file : golden::files("metrics", "_features.json")) {
        SCOPED_TRACE(file.string());
        const json values = json::parse(std::ifstream(file));
        const std::string name = file.filename().string();
        const std::string stem = name.substr(0, name.size() - std::string("features.json").size());
        const auto array = [&](const std::string& key) {
            const NpyArray a = read_npy((file.parent_path() / (stem + key + ".npy")).string());
            return at::tensor(a.as<float>()).reshape(a.shape);
        };
        for (const auto& [key, want] : values.items()) {
            std::smatch names;
            if (std::regex_match(key, names, std::regex("generated_(\\w+)_reference_(\\w+)"))) {
                const at::Tensor x = array(names[1]), r = array(names[2]);
                if (want.contains("kid")) check_kid(x, r, want.at("kid"), kids);
                if (want.contains("precision_recall"))
                    check_neighbours(x, r, want.at("precision_recall"), neighbours);
            }
            if (key == "inception_score") check_scores(array("logits"), want, scores);
            if (key == "ties") check_ties(want, neighbours);
        }
    }
    kids.report(), neighbours.report(), scores.report();
}

// What numpy's legacy generator draws decides the numbers that torch-fidelity prints.
TEST(SetMetricsGolden, DrawsOfTorchFidelity) {
    golden::Tally tally("metrics/draws of torch-fidelity");
    for (const auto& file : golden::files("metrics", "kid_subsets.npy")) {
        const auto rows = golden::raw_npy<uint16_t>(file);
        const auto drawn = torch_fidelity_subsets(600, 600, 50, 300).flatten();
        ASSERT_EQ(static_cast<size_t>(drawn.numel()), rows.size());
        const int64_t* own = drawn.const_data_ptr<int64_t>();
        tally.add(std::equal(rows.begin(), rows.end(), own) ? 0 : 1, 0.5, file.string());
    }
    for (const auto& file : golden::files("metrics", "is_permutation.npy")) {
        const auto rows = golden::raw_npy<uint16_t>(file);
        const auto own = torch_fidelity_permutation(static_cast<int64_t>(rows.size()));
        tally.add(std::equal(rows.begin(), rows.end(), own.begin()) ? 0 : 1, 0.5, file.string());
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
