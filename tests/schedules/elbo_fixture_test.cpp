// An image-like denoiser without a network: T = 1000, linear betas, ln M_t linear in ln t between points read
// off published numbers. The figures below come from an independent implementation, so they are known to the
// printed digits.
#include <gtest/gtest.h>

#include <cmath>

#include "schedules/elbo_cost.h"
#include "schedules/index_strides.h"

namespace schedbench {
namespace {

using V = ElboVariance;
constexpr int kSize = 1000;

size_t at(int i) {
    return static_cast<size_t>(i);
}

struct Fixture {
    NoiseProcess process{Spec::parse("linear:T=1000")};
    std::vector<double> error{0}, decoder{0};

    Fixture() {
        const std::vector<std::pair<double, double>> points = {
            {1, 5.5e-5},   {2, 1.07e-4},   {4, 2.14e-4}, {6, 3.27e-4}, {11, 6.34e-4}, {21, 1.34e-3},
            {43, 3.16e-3}, {112, 1.01e-2}, {250, 3e-2},  {500, 9e-2},  {1000, 0.24}};
        size_t i = 0;
        for (int t = 1; t <= kSize; ++t) {
            while (i + 2 < points.size() && t > points[i + 1].first) ++i;
            const auto [t0, m0] = points[i];
            const auto [t1, m1] = points[i + 1];
            const double u = std::log(t / t0) / std::log(t1 / t0);
            error.push_back(std::exp((1 - u) * std::log(m0) + u * std::log(m1)));
            decoder.push_back(gaussian_decoder_cost(error.back(), table_decoder_variance(process, t)));
        }
    }
    ElboChain chain() const { return {process, error, decoder, 0.25}; }
    /// bits/dim of the 8-bit data, prior included; the decoder is a density of data scaled to [-1, 1].
    static double bits(double nats) { return nats_to_bits(nats) + std::log2(127.5); }
};

std::vector<int> nodes(const std::vector<int64_t>& indices) {
    return {indices.begin(), indices.end()};
}

TEST(ElboFixture, StridesHaveThePrintedBits) {
    const Fixture fixture;
    const ElboChain chain = fixture.chain();
    EXPECT_NEAR(nats_to_bits(chain.prior(kSize)), 7.278677e-6, 5e-13);
    EXPECT_NEAR(Fixture::bits(chain.decoder()[1]), 1.966371, 5e-7);
    EXPECT_NEAR(fixture.process.posterior_variance(1, 2), 5.453188e-5, 5e-12);
    const int budgets[] = {10, 25, 50, 100, 200, 400, 1000};
    const std::pair<V, std::vector<double>> rows[] = {
        {V::posterior, {74.9300, 24.9917, 12.0166, 7.0803, 5.0281, 4.2912, 3.7288}},
        {V::beta, {6.9812, 6.1034, 5.4417, 4.8561, 4.3841, 4.0674, 3.7515}},
        {V::corrected_analytic, {5.4597, 4.7909, 4.3752, 4.0635, 3.8409, 3.7119, 3.5835}}};
    for (const auto& [variance, expected] : rows)
        for (size_t i = 0; i < expected.size(); ++i)
            EXPECT_NEAR(Fixture::bits(chain.path_cost(variance, nodes(even_indices(kSize, budgets[i])))),
                        expected[i], 5.1e-5)
                << variance_name(variance) << " K=" << budgets[i];
}

TEST(ElboFixture, OptimalPathsHaveThePrintedBitsAndNodes) {
    const ElboChain chain = Fixture().chain();
    const int budgets[] = {4, 8, 10, 16, 25, 32};
    struct Row {
        V variance;
        std::vector<double> bits;
        std::vector<std::vector<int>> paths;  // of the first three budgets
    };
    const Row rows[] = {
        {V::beta,
         {6.9357, 5.6882, 5.3391, 4.7348, 4.3315, 4.1707},
         {{11, 45, 137, 1000},
          {1, 5, 14, 31, 61, 115, 224, 1000},
          {1, 4, 10, 19, 34, 57, 93, 152, 264, 1000}}},
        {V::posterior,
         {5.9307, 4.7241, 4.3741, 3.9787, 3.8336, 3.7936},
         {{18, 58, 221, 1000}, {3, 6, 12, 24, 51, 120, 311, 1000}, {1, 2, 4, 8, 15, 29, 59, 133, 327, 1000}}},
        {V::corrected_analytic,
         {5.1964, 4.1164, 3.9576, 3.7540, 3.6627, 3.6346},
         {{1, 27, 171, 1000},
          {1, 4, 11, 25, 57, 135, 337, 1000},
          {1, 3, 6, 12, 23, 45, 91, 188, 395, 1000}}}};
    for (const Row& row : rows) {
        const BudgetPaths best = chain.best_paths(row.variance, kSize);
        EXPECT_EQ(best.method, RowMethod::walk);  // all three conditions hold on this curve
        for (size_t i = 0; i < row.bits.size(); ++i) {
            const BudgetPath path = best.best(budgets[i]);
            EXPECT_NEAR(Fixture::bits(path.cost + chain.prior(kSize)), row.bits[i], 5.1e-5)
                << variance_name(row.variance) << " K=" << budgets[i];
            if (i < row.paths.size()) {
                EXPECT_EQ(path.nodes, row.paths[i]) << variance_name(row.variance);
            }
        }
    }
}

TEST(ElboFixture, PathDecoderHasThePrintedBits) {
    const Fixture fixture;
    const ElboChain chain = fixture.chain();
    const FirstStep path{FirstStepRule::path,
                         [&](int t, double v) { return gaussian_decoder_cost(fixture.error[at(t)], v); }};
    const std::vector<double> expected = {7.0280, 6.2167, 5.5100, 4.9388, 4.5046, 4.1678};
    for (size_t i = 0; i < expected.size(); ++i) {
        const int steps = 8 << i;
        EXPECT_NEAR(Fixture::bits(chain.path_cost(V::posterior, nodes(even_kt_indices(kSize, steps)), path)),
                    expected[i], 5.1e-5)
            << steps;
    }
    // Its own optimum, the first two edges together, is the better one under its own rule.
    const BudgetPaths best = chain.best_paths(V::posterior, 64, path),
                      table = chain.best_paths(V::posterior, 64);
    for (int k = 2; k <= 64; ++k)
        EXPECT_LE(best.best(k).cost + chain.prior(kSize),
                  chain.path_cost(V::posterior, table.path(k), path) + 1e-12);
}

/// Nodes of the continuum limit: K edges from 1 to T, density proportional to sqrt(e) in SNR, where e
/// Delta^2/4 is the excess of an edge of width Delta over half the integral of M: e = |M'| (posterior), |M'|
/// - 2 b M + b^2 (beta), |M'| - M^2 (the best fixed variance).
std::vector<int> continuum_nodes(const Fixture& fixture, V variance, int edges) {
    std::vector<double> length{0, 0};
    for (int t = 2; t <= kSize; ++t) {
        const double width = fixture.process.snr(t - 1) - fixture.process.snr(t);
        const double m = (fixture.error[at(t)] + fixture.error[at(t - 1)]) / 2;
        const double b = (fixture.process.one_minus_abar(t) + fixture.process.one_minus_abar(t - 1)) / 2;
        double e = (fixture.error[at(t)] - fixture.error[at(t - 1)]) / width;
        if (variance == V::beta) e += b * b - 2 * b * m;
        if (variance == V::corrected_analytic) e -= m * m;
        length.push_back(length.back() + std::sqrt(std::max(e, 0.0)) * width);
    }
    std::vector<int> out{1};
    int t = 1;
    for (int k = 1; k <= edges; ++k) {
        const double target = length.back() * k / edges;
        while (t < kSize && length[at(t + 1)] <= target) ++t;
        const int nearest = t < kSize && length[at(t + 1)] - target < target - length[at(t)] ? t + 1 : t;
        out.push_back(k == edges ? kSize : std::max(nearest, out.back() + 1));
    }
    return out;
}

TEST(ElboFixture, ContinuumSchedulesBoundTheProgrammeFromAbove) {
    const Fixture fixture;
    const ElboChain chain = fixture.chain();
    struct Row {
        V variance;
        double optimal[3], closed[3], all;
    };
    const Row rows[] = {{V::posterior, {2.5697, 1.9841, 1.8234}, {2.8496, 2.0372, 1.8443}, 1.7624},
                        {V::beta, {3.5311, 2.7044, 2.1869}, {3.5459, 2.7188, 2.1971}, 1.7852},
                        {V::corrected_analytic, {2.0605, 1.7713, 1.6654}, {2.1483, 1.7924, 1.6749}, 1.6171}};
    for (const Row& row : rows) {
        // Edges only, from node 1: K edges have K + 1 nodes.
        PathCosts costs = chain.costs(row.variance);
        for (int t = 1; t <= kSize; ++t) costs.first[at(t)] = t == 1 ? 0 : INFINITY;
        const BudgetPaths best = shortest_paths(costs, kSize);
        EXPECT_THROW(best.best(1), std::exception);
        EXPECT_NEAR(nats_to_bits(best.best(kSize).cost), row.all, 5.1e-5);
        for (int i = 0; i < 3; ++i) {
            const int edges = 8 << i;
            const double optimal = nats_to_bits(best.best(edges + 1).cost);
            EXPECT_NEAR(optimal, row.optimal[i], 5.1e-5) << variance_name(row.variance) << " K=" << edges;
            EXPECT_EQ(best.path(edges + 1).front(), 1);
            const std::vector<int> path = continuum_nodes(fixture, row.variance, edges);
            double closed = 0;
            for (size_t k = 1; k < path.size(); ++k) closed += chain.edge(row.variance, path[k - 1], path[k]);
            closed = nats_to_bits(closed);
            EXPECT_NEAR(closed, row.closed[i], 5.1e-5) << variance_name(row.variance) << " K=" << edges;
            EXPECT_GT(closed, optimal);
        }
    }
}

}  // namespace
}  // namespace schedbench
