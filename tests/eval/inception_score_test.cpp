#include "eval/inception_score.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "numbers.h"

namespace schedbench {
namespace {

/// exp(H(mean p) - mean H(p)), by loops.
double brute_force(const at::Tensor& logits) {
    const int64_t n = logits.size(0), classes = logits.size(1);
    std::vector<double> mean(static_cast<size_t>(classes), 0);
    double conditional = 0;
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t c = 0; c < classes; ++c) sum += std::exp(logits[i][c].item<double>());
        for (int64_t c = 0; c < classes; ++c) {
            const double p = std::exp(logits[i][c].item<double>()) / sum;
            mean[static_cast<size_t>(c)] += p / static_cast<double>(n);
            conditional += p * std::log(p) / static_cast<double>(n);
        }
    }
    double marginal = 0;
    for (double p : mean) marginal -= p * std::log(p);
    return std::exp(marginal + conditional);
}

TEST(InceptionScore, FourLogits) {
    const at::Tensor logits =
        at::tensor({2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 0.0}, at::kDouble).reshape({4, 3});
    EXPECT_NEAR(inception_score(logits, 1).score.value, 1.405691886427673, 1e-14);
}

TEST(InceptionScore, Extremes) {
    // Sharp and even: the number of classes. All alike: 1.
    const at::Tensor sharp = 1000 * at::eye(6, at::kDouble).repeat({5, 1});
    EXPECT_NEAR(inception_score(sharp, 5).score.value, 6, 1e-12);
    EXPECT_NEAR(inception_score(sharp, 5).score.se, 0, 1e-12);
    const InceptionScore flat = inception_score(at::ones({10, 4}), 2);
    EXPECT_NEAR(flat.score.value, 1, 1e-14);
    EXPECT_NEAR(flat.score.se, 0, 1e-14);
    EXPECT_NEAR(flat.spread, 0, 1e-14);
}

TEST(InceptionScore, BruteForceOverSplits) {
    const at::Tensor logits = 2 * normals(37, 5, 60);
    for (const int64_t splits : {1, 2, 7, 18}) {
        const InceptionScore result = inception_score(logits, splits);
        RunningMean running;
        for (int64_t s = 0; s < splits; ++s) {
            const int64_t begin = 37 * s / splits, end = 37 * (s + 1) / splits;
            const double score = brute_force(logits.narrow(0, begin, end - begin));
            EXPECT_NEAR(result.splits[static_cast<size_t>(s)], score, 1e-12);
            running.add(score);
        }
        EXPECT_NEAR(result.score.value, running.mean, 1e-12);
        EXPECT_NEAR(result.spread, std::sqrt(running.m2 / static_cast<double>(splits)), 1e-12);
    }
}

TEST(InceptionScore, PermutationReordersTheSplits) {
    const at::Tensor logits = 2 * normals(40, 5, 61);
    const auto order = torch_fidelity_permutation(40);
    const at::Tensor rows = at::tensor(order, at::kLong);
    const InceptionScore permuted = inception_score_torch_fidelity(logits, order, 4);
    const InceptionScore direct = inception_score(logits.index_select(0, rows), 4);
    EXPECT_EQ(permuted.splits, direct.splits);
    EXPECT_EQ(permuted.score.se, direct.score.se);
    for (size_t i = 0; i < order.size(); ++i)
        EXPECT_EQ(permuted.influence[static_cast<size_t>(order[i])], direct.influence[i]);
    EXPECT_NE(permuted.score.name, direct.score.name);
    auto twice = order;
    twice[3] = twice[4];
    EXPECT_THROW(inception_score_torch_fidelity(logits, twice, 4), Error);
    EXPECT_THROW(inception_score_torch_fidelity(logits, std::span(order).first(39), 4), Error);
}

// The estimand is the expected score of such splits at this n, known here from the mean over all repeats.
TEST(InceptionScore, CoverageOfTheInterval) {
    const at::Tensor offsets = at::linspace(0, 2, 6, at::kDouble);
    for (const int64_t splits : {1, 5}) {
        constexpr int repeats = 1000;
        std::vector<Estimate> all;
        RunningMean values, squared_errors;
        for (int r = 0; r < repeats; ++r) {
            all.push_back(
                inception_score(2 * normals(400, 6, 7000 + static_cast<uint64_t>(r)) + offsets, splits)
                    .score);
            values.add(all.back().value);
            squared_errors.add(all.back().se * all.back().se);
        }
        double covered = 0;
        for (const Estimate& e : all) covered += std::abs(e.value - values.mean) <= 1.96 * e.se ? 1 : 0;
        covered /= repeats;
        const double ratio = std::sqrt(squared_errors.mean / values.variance());
        std::printf("is, %d splits: coverage %.3f, SE / SD %.3f\n", static_cast<int>(splits), covered, ratio);
        EXPECT_NEAR(covered, 0.95, 0.025);
        EXPECT_NEAR(ratio, 1, 0.1);
    }
}

TEST(InceptionScore, Errors) {
    const at::Tensor logits = normals(10, 3, 62);
    EXPECT_THROW(inception_score(logits, 0), Error);
    EXPECT_THROW(inception_score(logits, 6), Error);
    EXPECT_THROW(inception_score(logits.narrow(0, 0, 1), 1), Error);
    EXPECT_THROW(inception_score(logits.narrow(1, 0, 1), 1), Error);
    at::Tensor bad = logits.clone();
    bad[4][1] = std::numeric_limits<double>::infinity();
    try {
        inception_score(bad, 1);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("row 4"), std::string::npos);
    }
    EXPECT_FALSE(inception_score(logits, 2).score.warning.empty());
}

}  // namespace
}  // namespace schedbench
