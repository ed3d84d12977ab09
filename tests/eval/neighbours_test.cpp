#include "eval/neighbours.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/error.h"
#include "numbers.h"

namespace schedbench {
namespace {

struct Values {
    double precision = 0, recall = 0, density = 0, coverage = 0;
};

double squared(const at::Tensor& x, const at::Tensor& y) {
    return (x.to(at::kDouble) - y.to(at::kDouble)).square().sum().item<double>();
}

std::vector<double> radii(const at::Tensor& x, int64_t k) {
    std::vector<double> out;
    for (int64_t i = 0; i < x.size(0); ++i) {
        std::vector<double> all;
        for (int64_t j = 0; j < x.size(0); ++j)
            if (j != i) all.push_back(squared(x[i], x[j]));
        std::sort(all.begin(), all.end());
        out.push_back(all[static_cast<size_t>(k - 1)]);
    }
    return out;
}

/// The definitions, pair by pair.
Values brute_force(const at::Tensor& generated, const at::Tensor& reference, int64_t k, int64_t l) {
    const auto real_k = radii(reference, k), real_l = radii(reference, l), fake_k = radii(generated, k);
    const size_t n = fake_k.size(), m = real_k.size();
    std::vector<bool> precise(n), recalled(m), covered(m);
    double held = 0;
    for (size_t i = 0; i < m; ++i) {
        for (size_t j = 0; j < n; ++j) {
            const double d = squared(reference[static_cast<int64_t>(i)], generated[static_cast<int64_t>(j)]);
            if (d <= real_k[i]) precise[j] = true;
            if (d <= fake_k[j]) recalled[i] = true;
            if (d < real_l[i]) covered[i] = true, held += 1;
        }
    }
    const auto share = [](const std::vector<bool>& v) {
        return static_cast<double>(std::count(v.begin(), v.end(), true)) / static_cast<double>(v.size());
    };
    return {share(precise), share(recalled), held / static_cast<double>(l) / static_cast<double>(n),
            share(covered)};
}

void expect_equal(const NeighbourMetrics& got, const Values& want) {
    EXPECT_DOUBLE_EQ(got.precision.estimate.value, want.precision);
    EXPECT_DOUBLE_EQ(got.recall.estimate.value, want.recall);
    EXPECT_DOUBLE_EQ(got.density.estimate.value, want.density);
    EXPECT_DOUBLE_EQ(got.coverage.estimate.value, want.coverage);
}

TEST(Neighbours, BruteForceOverSmallSets) {
    uint64_t stream = 100;
    for (const auto& [n, m, d] : std::vector<std::array<int64_t, 3>>{{7, 9, 1}, {30, 25, 3}, {24, 40, 12}}) {
        const at::Tensor x = skewed_features(n, d, ++stream), y = 0.9 * skewed_features(m, d, ++stream) + 0.1;
        for (const auto type : {at::kFloat, at::kDouble}) {
            const at::Tensor a = x.to(type), b = y.to(type);
            expect_equal(neighbour_metrics(a, b), brute_force(a, b, 3, 5));
            expect_equal(neighbour_metrics(a, b, {.precision_k = 1, .density_k = 2}),
                         brute_force(a, b, 1, 2));
        }
    }
}

// Coarse integers far from the origin: most distances tie, and float32 products alone would decide none of
// them.
TEST(Neighbours, TiesAreExact) {
    for (uint64_t stream = 120; stream < 130; ++stream) {
        const at::Tensor x = (2 * normals(40, 3, 2 * stream)).round(),
                         y = (2 * normals(50, 3, 2 * stream + 1)).round();
        const Values want = brute_force(x, y, 3, 5);
        expect_equal(neighbour_metrics(x, y), want);
        expect_equal(neighbour_metrics((x + 100000).to(at::kFloat), (y + 100000).to(at::kFloat)), want);
    }
}

TEST(Neighbours, OneSetAgainstItself) {
    const at::Tensor x = skewed_features(60, 4, 140);
    const NeighbourMetrics same = neighbour_metrics(x, x);
    EXPECT_EQ(same.precision.estimate.value, 1);
    EXPECT_EQ(same.recall.estimate.value, 1);
    EXPECT_EQ(same.coverage.estimate.value, 1);
    EXPECT_DOUBLE_EQ(same.density.estimate.value, 1);  // each ball holds its centre and 4 neighbours
    const NeighbourMetrics far = neighbour_metrics(x + 1000, x);
    for (const auto* metric : {&far.precision, &far.recall, &far.density, &far.coverage})
        EXPECT_EQ(metric->estimate.value, 0);
}

TEST(Neighbours, StripsDoNotShow) {
    const at::Tensor x = skewed_features(2600, 2, 141), y = 0.9 * skewed_features(2300, 2, 142);
    const at::Tensor xx = at::cdist(x, x, 2, 2), yy = at::cdist(y, y, 2, 2), yx = at::cdist(y, x, 2, 2);
    const auto radius = [](const at::Tensor& d, int64_t k) { return std::get<0>(d.kthvalue(k + 1, 1)); };
    const at::Tensor in3 = yx <= radius(yy, 3).unsqueeze(1), in5 = yx < radius(yy, 5).unsqueeze(1),
                     back = yx <= radius(xx, 3).unsqueeze(0);
    const auto mean = [](const at::Tensor& t) { return t.to(at::kDouble).mean().item<double>(); };
    const NeighbourMetrics got = neighbour_metrics(x, y);
    EXPECT_NEAR(got.precision.estimate.value, mean(in3.any(0)), 1e-12);
    EXPECT_NEAR(got.recall.estimate.value, mean(back.any(1)), 1e-12);
    EXPECT_NEAR(got.density.estimate.value, mean(in5.to(at::kDouble).sum(0)) / 5, 1e-12);
    EXPECT_NEAR(got.coverage.estimate.value, mean(in5.any(1)), 1e-12);
}

at::Tensor without(const at::Tensor& t, int64_t i) {
    return at::cat({t.narrow(0, 0, i), t.narrow(0, i + 1, t.size(0) - i - 1)});
}

// The side that makes the balls: the jackknife counted from neighbours is the one by leaving points out for
// real.
TEST(Neighbours, JackknifeIsLeavingOneOut) {
    const at::Tensor x = skewed_features(26, 2, 143), y = 0.9 * skewed_features(30, 2, 144) + 0.2;
    const NeighbourMetrics full = neighbour_metrics(x, y);
    const auto influences = [](const std::vector<double>& left_out) {
        RunningMean running;
        for (double value : left_out) running.add(value);
        std::vector<double> out;
        for (double value : left_out)
            out.push_back(static_cast<double>(left_out.size() - 1) * (running.mean - value));
        return out;
    };
    std::vector<double> precision, density, coverage, recall, coverage_of_points;
    for (int64_t i = 0; i < 30; ++i) {
        const Values v = brute_force(x, without(y, i), 3, 5);
        precision.push_back(v.precision), density.push_back(v.density), coverage.push_back(v.coverage);
    }
    for (int64_t i = 0; i < 26; ++i) {
        const Values v = brute_force(without(x, i), y, 3, 5);
        recall.push_back(v.recall), coverage_of_points.push_back(v.coverage);
    }
    const auto expect_near = [&](const std::vector<double>& got, const std::vector<double>& left_out) {
        const auto want = influences(left_out);
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << i;
    };
    expect_near(full.precision.influence_ref, precision);
    expect_near(full.density.influence_ref, density);
    expect_near(full.coverage.influence_ref, coverage);
    expect_near(full.recall.influence, recall);
    expect_near(full.coverage.influence, coverage_of_points);
    EXPECT_NE(full.precision.estimate.method.find("jackknife"), std::string::npos);
    EXPECT_FALSE(full.precision.estimate.warning.empty());
}

TEST(Neighbours, CoverageOfTheInterval) {
    constexpr int repeats = 200;
    const char* names[] = {"precision", "recall", "density", "coverage"};
    std::vector<std::array<Estimate, 4>> all;
    std::array<RunningMean, 4> values, squared_errors;
    for (uint64_t r = 0; r < repeats; ++r) {
        const auto m = neighbour_metrics(1.2 * skewed_features(300, 4, 2 * r + 9000) + 0.2,
                                         skewed_features(400, 4, 2 * r + 9001));
        all.push_back({m.precision.estimate, m.recall.estimate, m.density.estimate, m.coverage.estimate});
        for (size_t q = 0; q < 4; ++q) {
            values[q].add(all.back()[q].value);
            squared_errors[q].add(all.back()[q].se * all.back()[q].se);
        }
    }
    for (size_t q = 0; q < 4; ++q) {
        double covered = 0;
        for (const auto& e : all) covered += std::abs(e[q].value - values[q].mean) <= 1.96 * e[q].se ? 1 : 0;
        covered /= repeats;
        const double ratio = std::sqrt(squared_errors[q].mean / values[q].variance());
        std::printf("%s: mean %.3f, SD %.4f, coverage %.3f, SE / SD %.3f\n", names[q], values[q].mean,
                    std::sqrt(values[q].variance()), covered, ratio);
        EXPECT_NEAR(covered, 0.925, 0.05) << names[q];  // a ratio from few blocks is rough
        EXPECT_NEAR(ratio, 1, 0.15) << names[q];
    }
}

TEST(Neighbours, Errors) {
    const at::Tensor x = skewed_features(20, 4, 145);
    const auto message = [&](const at::Tensor& generated, const at::Tensor& reference) -> std::string {
        try {
            neighbour_metrics(generated, reference);
        } catch (const Error& error) {
            return error.where() + ": " + error.message();
        }
        return "";
    };
    EXPECT_NE(message(x, skewed_features(20, 5, 146)), "");
    EXPECT_NE(message(x.narrow(0, 0, 1), x).find("generated features: has 1 rows"), std::string::npos);
    EXPECT_NE(message(x, x.narrow(0, 0, 6)).find("at least 7"), std::string::npos);
    EXPECT_NE(message(x, at::ones({20, 4})).find("reference features: all 20 rows are equal"),
              std::string::npos);
    EXPECT_NE(message(x * 1e30, x * 1e30).find("too large"), std::string::npos);
    EXPECT_THROW(neighbour_metrics(x, x, {.precision_k = 0}), Error);
    at::Tensor bad = x.clone();
    bad[7][2] = std::nan("");
    EXPECT_NE(message(bad, x).find("row 7"), std::string::npos);
    // Rows that come several times, and one direction without spread, are no fault.
    at::Tensor flat = x.clone();
    flat.select(1, 3).fill_(1);
    expect_equal(neighbour_metrics(flat.repeat({2, 1}), flat.repeat({3, 1})),
                 brute_force(flat.repeat({2, 1}), flat.repeat({3, 1}), 3, 5));
}

/// Peak resident memory in MB since the last reset (Linux); 0 where there is no such count.
double peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) / 1024;
    return 0;
}

// 10,000 x 10,000 must not hold all distances, which are 400 MB. Strips are the same for any dimension, so a
// small one does; SCHEDBENCH_LARGE=1 takes 2048.
TEST(Neighbours, MemoryIsOfStrips) {
    const char* large = std::getenv("SCHEDBENCH_LARGE");
    const int64_t d = large && *large ? 2048 : 16;
    at::manual_seed(1);
    const at::Tensor x = at::randn({10000, d}), y = at::randn({10000, d});
    std::ofstream("/proc/self/clear_refs") << 5;
    const double before = peak_memory();
    if (before == 0) GTEST_SKIP() << "no count of peak memory here";
    const auto start = std::chrono::steady_clock::now();
    const auto result = neighbour_metrics(x, y);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double peak = peak_memory();
    std::printf("neighbours, 10,000 x 10,000 x %d: %.1f s, peak memory %.0f MB, %.0f MB above the start\n",
                static_cast<int>(d), seconds.count(), peak, peak - before);
    EXPECT_LT(peak - before, 200);
    EXPECT_NEAR(result.density.estimate.value, 1, 0.1);
}

}  // namespace
}  // namespace schedbench
