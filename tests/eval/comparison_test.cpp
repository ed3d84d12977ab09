#include "eval/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/noise.h"

namespace schedbench {
namespace {

std::vector<float> draws(size_t n, uint64_t stream) {
    std::vector<float> out(n);
    fill_normals({9, NoisePurpose::probe}, stream, 0, out);
    return out;
}

TEST(PairedDifference, ErrorIsThatOfTheMeanOfTheDifferences) {
    constexpr size_t n = 4000, m = 1000;
    const auto shared = draws(n, 0), own = draws(n, 1), reference = draws(m, 2), other = draws(m, 3);
    std::vector<double> a(n), b(n), ra(m), rb(m);
    for (size_t i = 0; i < n; ++i) a[i] = shared[i], b[i] = 0.8 * shared[i] + 0.6 * own[i];
    for (size_t i = 0; i < m; ++i) ra[i] = reference[i], rb[i] = 0.6 * reference[i] + 0.8 * other[i];
    const auto exact = paired_difference({2.0, a}, {1.5, b}, "fd");
    EXPECT_EQ(exact.difference.value, 0.5);
    EXPECT_NEAR(exact.correlation, 0.8, 0.02);
    EXPECT_NEAR(exact.difference.se, std::sqrt(0.4 / n), 0.06 * std::sqrt(0.4 / n));
    EXPECT_NEAR(exact.unpaired_se, std::sqrt(2.0 / n), 0.06 * std::sqrt(2.0 / n));
    EXPECT_TRUE(exact.resolved());
    const auto sampled = paired_difference({2.0, a, ra}, {1.5, b, rb}, "fd");
    const double expected = 0.4 / n + 0.8 / m;
    EXPECT_NEAR(sampled.difference.se, std::sqrt(expected), 0.08 * std::sqrt(expected));
    EXPECT_NEAR(sampled.correlation, (0.8 / n + 0.6 / m) / (1.0 / n + 1.0 / m), 0.06);
    // One side with itself: no error and no difference, so not resolved.
    const auto self = paired_difference({2.0, a}, {2.0, a}, "fd");
    EXPECT_EQ(self.difference.se, 0);
    EXPECT_FALSE(self.resolved());
    EXPECT_NEAR(self.correlation, 1, 1e-12);
    EXPECT_THROW(paired_difference({2.0, a}, {1.5, std::span(b).first(n - 1)}, "fd"), Error);
    EXPECT_THROW(paired_difference({2.0, a, ra}, {1.5, b}, "fd"), Error);
}

// Holm's procedure is the closure of Bonferroni's test: H_i falls iff every set of hypotheses that holds i
// has a p-value of at most alpha / (size of the set).
TEST(Holm, EqualsTheClosedTest) {
    for (uint64_t round = 0; round < 300; ++round) {
        const size_t k = 1 + round % 7;
        std::vector<float> uniforms(k);
        fill_uniforms({9, NoisePurpose::probe}, round, 1, uniforms);
        std::vector<double> p;
        for (float u : uniforms) p.push_back(0.08 * u * u);
        const auto adjusted = holm_adjust(p);
        for (size_t i = 0; i < k; ++i) {
            bool rejected = true;
            for (unsigned set = 1; set < (1u << k); ++set) {
                if (!(set >> i & 1)) continue;
                double smallest = 1;
                for (size_t j = 0; j < k; ++j) {
                    if (set >> j & 1) smallest = std::min(smallest, p[j]);
                }
                rejected = rejected && smallest <= 0.05 / std::popcount(set);
            }
            EXPECT_EQ(adjusted[i] <= 0.05, rejected) << round << " " << i;
        }
    }
}

TEST(HolmTies, BestAndClearDifferences) {
    const std::vector<double> values = {3.0, 1.1, 1.0, 2.0};
    const auto se = [](size_t, size_t) { return 0.1; };
    const auto down = holm_ties(values, se), up = holm_ties(values, se, 0.05, false);
    EXPECT_EQ(down.best, 2u);
    EXPECT_EQ(down.tied, (std::vector<bool>{false, true, true, false}));
    EXPECT_EQ(up.best, 0u);
    EXPECT_EQ(up.tied, (std::vector<bool>{true, false, false, false}));
    EXPECT_GT(down.p_value[1], 0.3);
}

TEST(HolmTies, UnknownErrorsAndMissingValues) {
    const double nan = std::nan("");
    const std::vector<double> values = {nan, 1.0, 1.0, 5.0, 6.0};
    const std::vector<double> errors = {1.0, 0.0, 0.0, 0.0, nan};
    const auto result = holm_ties(values, [&](size_t i, size_t j) {
        EXPECT_LT(i, j);
        return errors[j];
    });
    EXPECT_EQ(result.best, 1u);
    EXPECT_EQ(result.tied, (std::vector<bool>{false, true, true, false, true}));
    EXPECT_TRUE(std::isnan(result.p_value[0]));
    const std::vector<double> none = {nan, nan};
    EXPECT_EQ(holm_ties(none, [](size_t, size_t) { return 1.0; }).tied, (std::vector<bool>{false, false}));
    EXPECT_TRUE(holm_ties({}, [](size_t, size_t) { return 1.0; }).tied.empty());
}

// 5 % family-wise although the best is picked after looking: among equal cells a false difference is rare.
TEST(HolmTies, FamilyWiseErrorIsKept) {
    constexpr size_t k = 8;
    constexpr int rounds = 4000;
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        const auto noise = draws(k, 5000 + static_cast<uint64_t>(round));
        const std::vector<double> values(noise.begin(), noise.end());
        const auto result = holm_ties(values, [](size_t, size_t) { return std::numbers::sqrt2; });
        wrong += std::find(result.tied.begin(), result.tied.end(), false) != result.tied.end();
    }
    EXPECT_LT(wrong, rounds * (0.05 + 3 * std::sqrt(0.05 * 0.95 / rounds)));
    EXPECT_GT(wrong, rounds * 0.01);  // and not so careful as to be useless
}

}  // namespace
}  // namespace schedbench
