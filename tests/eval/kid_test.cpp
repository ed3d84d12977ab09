#include "eval/kid.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "eval/comparison.h"
#include "eval/numpy_random_state.h"
#include "numbers.h"

namespace schedbench {
namespace {

double kernel(const at::Tensor& x, const at::Tensor& y) {
    const double inner = x.dot(y).item<double>() / static_cast<double>(x.numel()) + 1;
    return inner * inner * inner;
}

/// Every pair on its own.
struct BruteForce {
    double unbiased = 0, biased = 0;
    BruteForce(const at::Tensor& x, const at::Tensor& y) {
        const double n = static_cast<double>(x.size(0)), m = static_cast<double>(y.size(0));
        double xx = 0, yy = 0, xy = 0, dx = 0, dy = 0;
        for (int64_t i = 0; i < x.size(0); ++i)
            for (int64_t j = 0; j < x.size(0); ++j) (i == j ? dx : xx) += kernel(x[i], x[j]);
        for (int64_t i = 0; i < y.size(0); ++i)
            for (int64_t j = 0; j < y.size(0); ++j) (i == j ? dy : yy) += kernel(y[i], y[j]);
        for (int64_t i = 0; i < x.size(0); ++i)
            for (int64_t j = 0; j < y.size(0); ++j) xy += kernel(x[i], y[j]);
        unbiased = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m);
        biased = (xx + dx) / (n * n) + (yy + dy) / (m * m) - 2 * xy / (n * m);
    }
};

TEST(Kid, FiveRowsOfFour) {
    const at::Tensor x = at::zeros({5, 4}, at::kDouble), y = at::zeros({5, 4}, at::kDouble);
    for (int64_t a = 0; a < 5; ++a) {
        for (int64_t b = 0; b < 4; ++b) {
            x[a][b] = static_cast<double>((3 * a + 2 * b) % 7) / 7;
            y[a][b] = static_cast<double>((5 * a + 3 * b + 1) % 11) / 11;
        }
    }
    const KidResult result = kid(x, y);
    EXPECT_NEAR(result.unbiased.value, -0.131819776499391, 1e-14);
    EXPECT_NEAR(result.biased, 0.046323906181996, 1e-14);
}

TEST(Kid, BruteForceOverSmallSets) {
    for (const auto& [n, m, d] : std::vector<std::array<int64_t, 3>>{{2, 2, 1}, {7, 5, 3}, {20, 31, 9}}) {
        const at::Tensor x = skewed_features(n, d, 40), y = 0.8 * skewed_features(m, d, 41) + 0.1;
        const BruteForce brute(x, y);
        const KidResult result = kid(x, y);
        const double scale = 1 + std::abs(brute.biased);
        EXPECT_NEAR(result.unbiased.value, brute.unbiased, 1e-12 * scale);
        EXPECT_NEAR(result.biased, brute.biased, 1e-12 * scale);
        EXPECT_NEAR(kid(y, x).unbiased.value, brute.unbiased, 1e-12 * scale);
    }
}

TEST(Kid, TilesDoNotShow) {
    const at::Tensor x = skewed_features(1300, 3, 42), y = skewed_features(2100, 3, 43);
    const at::Tensor kxx = (at::mm(x, x.t()) / 3 + 1).pow(3), kyy = (at::mm(y, y.t()) / 3 + 1).pow(3),
                     kxy = (at::mm(x, y.t()) / 3 + 1).pow(3);
    const double expected = ((kxx.sum() - kxx.trace()) / (1300.0 * 1299) +
                             (kyy.sum() - kyy.trace()) / (2100.0 * 2099) - 2 * kxy.mean())
                                .item<double>();
    EXPECT_NEAR(kid(x, y).unbiased.value, expected, 1e-12);
}

TEST(Kid, BlocksAreIndependentMeans) {
    const at::Tensor x = skewed_features(47, 4, 44), y = skewed_features(35, 4, 45);
    const KidBlocks blocks = kid_blocks(x, y, 10);
    ASSERT_EQ(blocks.values.size(), 3u);
    RunningMean running;
    for (int64_t b = 0; b < 3; ++b) {
        const double value = BruteForce(x.narrow(0, 10 * b, 10), y.narrow(0, 10 * b, 10)).unbiased;
        EXPECT_NEAR(blocks.values[static_cast<size_t>(b)], value, 1e-12);
        running.add(value);
    }
    EXPECT_NEAR(blocks.mean.value, running.mean, 1e-12);
    EXPECT_NEAR(blocks.mean.se, running.standard_error(), 1e-12);
    EXPECT_EQ(blocks.mean.n, 30);
    EXPECT_FALSE(blocks.mean.warning.empty());
}

// The first rows, and their sum, of numpy.random.RandomState(2020).choice(50000 or 10000, 5000,
// replace=False).
TEST(NumpyRandomState, PublishedSubsets) {
    const auto check = [](int64_t n, const std::vector<int64_t>& first, int64_t sum) {
        const auto rows = NumpyRandomState(2020).choice(n, 5000);
        int64_t total = 0;
        for (int64_t row : rows) total += row;
        EXPECT_EQ(total, sum);
        EXPECT_EQ(std::vector<int64_t>(rows.begin(), rows.begin() + 5), first);
    };
    check(50000, {24397, 39273, 6546, 13504, 49765}, 124427886);
    check(10000, {4436, 3829, 2434, 4449, 43}, 25128033);
    EXPECT_TRUE(NumpyRandomState(1).permutation(0).empty());
    EXPECT_EQ(NumpyRandomState(1).permutation(1), std::vector<int64_t>{0});
}

TEST(Kid, SubsetsAsGiven) {
    const at::Tensor x = skewed_features(30, 4, 46), y = skewed_features(25, 4, 47);
    const at::Tensor subsets = torch_fidelity_subsets(30, 25, 4, 12, 7);
    EXPECT_EQ(subsets.sizes(), (std::vector<int64_t>{4, 2, 12}));
    const KidSubsets result = kid_torch_fidelity(x, y, subsets);
    RunningMean running;
    for (int64_t s = 0; s < 4; ++s)
        running.add(BruteForce(x.index_select(0, subsets[s][0]), y.index_select(0, subsets[s][1])).unbiased);
    EXPECT_NEAR(result.mean.value, running.mean, 1e-12);
    EXPECT_NEAR(result.spread, std::sqrt(running.m2 / 4), 1e-12);
    EXPECT_TRUE(std::isnan(result.mean.se));
    EXPECT_NE(result.mean.method.find("overlapping"), std::string::npos);
    EXPECT_NE(result.mean.name, kid(x, y).unbiased.name);
}

// Both populations are finite sets of points, so the true value is a sum over them. One pair lies apart, one
// is a single population, where the first order vanishes.
TEST(Kid, CoverageOfTheInterval) {
    for (const bool apart : {true, false}) {
        const at::Tensor p = skewed_features(300, 4, 48);
        const at::Tensor q = apart ? 0.7 * skewed_features(300, 4, 49) + 0.3 : p;
        const auto mean_kernel = [](const at::Tensor& a, const at::Tensor& b) {
            return (at::mm(a, b.t()) / 4 + 1).pow(3).mean().item<double>();
        };
        const double truth = mean_kernel(p, p) + mean_kernel(q, q) - 2 * mean_kernel(p, q);
        constexpr int repeats = 400;
        RunningMean covered, blocks_covered, values, squared_errors;
        at::manual_seed(5);
        for (int r = 0; r < repeats; ++r) {
            const at::Tensor x = p.index_select(0, at::randint(300, {200})),
                             y = q.index_select(0, at::randint(300, {150}));
            const Estimate e = kid(x, y).unbiased;
            values.add(e.value);
            squared_errors.add(e.se * e.se);
            covered.add(std::abs(e.value - truth) <= 1.96 * e.se ? 1 : 0);
            const Estimate b = kid_blocks(x, y, 10).mean;
            blocks_covered.add(std::abs(b.value - truth) <= 2.145 * b.se ? 1
                                                                         : 0);  // t, 14 degrees of freedom
        }
        const double ratio = std::sqrt(squared_errors.mean / values.variance());
        std::printf("kid, %s: coverage %.3f (blocks %.3f), SE / SD %.3f\n",
                    apart ? "apart" : "one population", covered.mean, blocks_covered.mean, ratio);
        EXPECT_NEAR(values.mean, truth, 4 * values.standard_error());
        // One population with a few long directions: the value is like chi^2 - 1, the error on the large
        // side.
        EXPECT_GT(ratio, 0.9);
        EXPECT_LT(ratio, apart ? 1.15 : 1.5);
        EXPECT_GT(covered.mean, 0.92);
        if (apart) {
            EXPECT_LT(covered.mean, 0.98);
        }
        EXPECT_NEAR(blocks_covered.mean, 0.94, 0.05);
    }
}

// One Gaussian population with many equal directions: the second order is normal, and its error is right.
TEST(Kid, ErrorOfOnePopulation) {
    RunningMean values, squared_errors;
    for (uint64_t r = 0; r < 300; ++r) {
        const Estimate e = kid(normals(60, 40, 30000 + 2 * r), normals(80, 40, 30001 + 2 * r)).unbiased;
        values.add(e.value);
        squared_errors.add(e.se * e.se);
    }
    const double ratio = std::sqrt(squared_errors.mean / values.variance());
    std::printf("kid, one population of 40 equal directions: SE / SD %.3f\n", ratio);
    EXPECT_NEAR(values.mean, 0, 4 * values.standard_error());
    EXPECT_NEAR(ratio, 1.05, 0.15);
}

TEST(Kid, InfluenceIsTheChangeOfOneSample) {
    const at::Tensor x = skewed_features(80, 3, 50), y = 0.8 * skewed_features(60, 3, 51) + 0.2;
    const KidResult full = kid(x, y);
    const double raw = full.unbiased.value;
    for (int64_t i = 0; i < 60; i += 13) {
        const auto without = [&](const at::Tensor& t) {
            return at::cat({t.narrow(0, 0, i), t.narrow(0, i + 1, t.size(0) - i - 1)});
        };
        // A U-statistic of order two: F - F_(-i) = phi_i / (n - 1) up to phi's centring and O(n^-2).
        EXPECT_NEAR(79 * (raw - kid(without(x), y).unbiased.value), full.influence[static_cast<size_t>(i)],
                    0.1 * (1 + std::abs(full.influence[static_cast<size_t>(i)])));
        EXPECT_NEAR(59 * (raw - kid(x, without(y)).unbiased.value),
                    full.influence_ref[static_cast<size_t>(i)],
                    0.1 * (1 + std::abs(full.influence_ref[static_cast<size_t>(i)])));
    }
}

TEST(Kid, EqualAndConstantSets) {
    const at::Tensor one = at::ones({5, 3}), two = at::full({4, 3}, 2.0);
    const KidResult same = kid(one, at::ones({6, 3}));
    EXPECT_NEAR(same.unbiased.value, 0, 1e-13);
    EXPECT_NEAR(same.unbiased.se, 0, 1e-6);
    EXPECT_NEAR(kid(one, two).unbiased.value, 8 + 125 - 2 * 27, 1e-12);  // (1+1)^3 + (4+1)^3 - 2 (2+1)^3
    EXPECT_NEAR(kid(one, two).unbiased.se, 0, 1e-6);
    const KidResult pair = kid(one.narrow(0, 0, 2), two.narrow(0, 0, 2));
    EXPECT_TRUE(std::isnan(pair.unbiased.se));
    EXPECT_FALSE(pair.unbiased.warning.empty());
}

TEST(Kid, Errors) {
    const at::Tensor x = skewed_features(20, 4, 52);
    EXPECT_THROW(kid(x, skewed_features(20, 5, 53)), Error);
    EXPECT_THROW(kid(x.narrow(0, 0, 1), x), Error);
    EXPECT_THROW(kid(x, x[0]), Error);
    EXPECT_THROW(kid_blocks(x, x, 11), Error);
    EXPECT_THROW(kid_blocks(x, x, 1), Error);
    EXPECT_THROW(torch_fidelity_subsets(20, 20, 10, 21), Error);
    EXPECT_THROW(kid_torch_fidelity(x, x, at::full({1, 2, 3}, 20, at::kLong)), Error);
    EXPECT_THROW(kid_torch_fidelity(x, x, at::zeros({1, 3, 3}, at::kLong)), Error);
    at::Tensor bad = x.clone();
    bad[7][2] = std::nan("");
    try {
        kid(x, bad);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), "number");
        EXPECT_NE(error.message().find("row 7"), std::string::npos);
        EXPECT_EQ(error.where(), "reference features");
    }
}

}  // namespace
}  // namespace schedbench
