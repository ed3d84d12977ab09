#include "eval/fid_infinity.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "numbers.h"

namespace schedbench {
namespace {

TEST(FidInfinity, IsTheLineThroughTheSubsets) {
    const at::Tensor x = skewed_features(400, 4, 200);
    const auto reference = FrechetReference::of_features(1.3 * skewed_features(300, 4, 201));
    const auto result = fid_infinity(x, reference, {.points = 5, .smallest = 100});
    EXPECT_EQ(result.sizes, (std::vector<int64_t>{100, 175, 250, 325, 400}));
    EXPECT_EQ(result.distances.back(), frechet(x, reference).at_n.value);
    // The residuals of a least-squares line are orthogonal to 1 and to 1/N.
    double sum = 0, moment = 0;
    for (size_t q = 0; q < 5; ++q) {
        const double u = 1 / static_cast<double>(result.sizes[q]);
        const double residual = result.distances[q] - result.intercept.value - result.slope * u;
        sum += residual, moment += residual * u;
    }
    EXPECT_NEAR(sum, 0, 1e-12);
    EXPECT_NEAR(moment, 0, 1e-14);
    // Deterministic; another seed is another draw of subsets.
    EXPECT_EQ(fid_infinity(x, reference, {.points = 5, .smallest = 100}).distances, result.distances);
    EXPECT_NE(fid_infinity(x, reference, {.points = 5, .smallest = 100, .seed = 1}).distances[0],
              result.distances[0]);
    EXPECT_EQ(fid_infinity(x, reference).sizes.front(), 40);
    EXPECT_EQ(fid_infinity(x, reference).sizes.size(), 15u);
}

// Gaussians with a known distance: the interval holds it, and the bias is gone.
TEST(FidInfinity, CoverageOfTheTrueDistance) {
    constexpr int64_t d = 8, n = 600;
    constexpr int repeats = 300;
    const at::Tensor scale = at::linspace(1, 2, d, at::kDouble);
    const Moments population{at::zeros({d}, at::kDouble), at::diag(scale.square()), 0};
    const Moments generator{at::full({d}, 0.3, at::kDouble), at::diag((0.7 * scale).square()), 0};
    const double truth = frechet_distance(generator, population);
    for (const bool sampled : {false, true}) {
        RunningMean values, raw, squared_errors, covered;
        for (uint64_t r = 0; r < repeats; ++r) {
            const at::Tensor x = 0.3 + 0.7 * scale * normals(n, d, 20000 + 2 * r);
            // A large sampled reference: its own bias, which is not extrapolated, stays small.
            const auto reference =
                sampled ? FrechetReference::of_features(scale * normals(4000, d, 20001 + 2 * r))
                        : FrechetReference::of_moments(population);
            const auto role = sampled ? ReferenceRole::sampled : ReferenceRole::exact;
            const auto result = fid_infinity(x, reference, {.reference = role, .points = 8, .smallest = 150});
            const Estimate& e = result.intercept;
            values.add(e.value);
            raw.add(result.distances.back());
            squared_errors.add(e.se * e.se);
            covered.add(std::abs(e.value - truth) <= 1.96 * e.se ? 1 : 0);
        }
        const double ratio = std::sqrt(squared_errors.mean / values.variance());
        std::printf(
            "fid-infinity, reference %s: true %.4f, mean %.4f (raw %.4f), coverage %.3f, SE / SD %.3f\n",
            sampled ? "sampled" : "exact", truth, values.mean, raw.mean, covered.mean, ratio);
        EXPECT_NEAR(values.mean, truth, 4 * values.standard_error());
        EXPECT_GT(raw.mean - truth, 5 * raw.standard_error());
        EXPECT_NEAR(covered.mean, 0.95, 0.035);
        EXPECT_NEAR(ratio, 1, 0.15);
    }
}

TEST(FidInfinity, Errors) {
    const at::Tensor x = skewed_features(50, 4, 202);
    const auto reference = FrechetReference::of_features(x);
    EXPECT_THROW(fid_infinity(x, reference, {.points = 1}), Error);
    EXPECT_THROW(fid_infinity(x, reference, {.points = 10, .smallest = 45}), Error);
    EXPECT_THROW(fid_infinity(x, reference, {.points = 3, .smallest = 60}), Error);
    EXPECT_THROW(fid_infinity(x.narrow(0, 0, 1), reference), Error);
    EXPECT_FALSE(fid_infinity(x, reference).intercept.warning.empty());
}

}  // namespace
}  // namespace schedbench
