#include "schedules/dynamic_programme.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

#include "core/error.h"
#include "schedules/elbo_cost.h"

namespace schedbench {
namespace {

using Table = std::vector<std::vector<double>>;

size_t at(int i) {
    return static_cast<size_t>(i);
}

/// Best cost over all paths with exactly `steps` nodes, by enumeration of the subsets of 1..T-1.
double enumerate(int size, int steps, const std::function<double(const std::vector<int>&)>& cost) {
    double best = INFINITY;
    for (unsigned mask = 0; mask < 1u << (size - 1); ++mask) {
        std::vector<int> path;
        for (int t = 1; t < size; ++t)
            if (mask >> (t - 1) & 1u) path.push_back(t);
        path.push_back(size);
        if (static_cast<int>(path.size()) == steps) best = std::min(best, cost(path));
    }
    return best;
}

TEST(DynamicProgramme, EqualsEnumerationOnRandomCosts) {
    std::mt19937 rng(11);
    std::normal_distribution<double> normal;
    for (int round = 0; round < 60; ++round) {
        const int size = 1 + static_cast<int>(rng() % 9);
        std::vector<double> first(at(size) + 1);
        Table table(at(size) + 1, first), two = table;
        for (auto& value : first) value = normal(rng);
        for (auto* list : {&table, &two})
            for (auto& row : *list)
                for (auto& value : row) value = normal(rng);
        auto edge = [&](int s, int t) { return table[at(s)][at(t)]; };
        auto first_two = [&](int s, int t) { return two[at(s)][at(t)]; };
        const BudgetPaths plain = shortest_paths(first, edge, size);
        const BudgetPaths pair = shortest_paths_first_two(size, first_two, edge, size);
        EXPECT_TRUE(std::isinf(pair.cost[1]));
        for (int k = 1; k <= size; ++k) {
            auto tail = [&](const std::vector<int>& path, double start, size_t from) {
                for (size_t i = from; i < path.size(); ++i) start += edge(path[i - 1], path[i]);
                return start;
            };
            auto cost = [&](const std::vector<int>& path) { return tail(path, first[at(path[0])], 1); };
            auto cost_two = [&](const std::vector<int>& path) {
                return tail(path, first_two(path[0], path[1]), 2);
            };
            EXPECT_NEAR(plain.cost[at(k)], enumerate(size, k, cost), 1e-12);
            EXPECT_NEAR(cost(plain.path(k)), plain.cost[at(k)], 1e-12);
            if (k < 2) continue;
            EXPECT_NEAR(pair.cost[at(k)], enumerate(size, k, cost_two), 1e-12);
            EXPECT_NEAR(cost_two(pair.path(k)), pair.cost[at(k)], 1e-12);
        }
        double best = INFINITY;
        for (int k = 1; k <= size; ++k) {
            best = std::min(best, plain.cost[at(k)]);
            EXPECT_EQ(plain.cost[at(plain.best_at_most(k))], best);
        }
    }
}

TEST(DynamicProgramme, TiesGoToTheSmallestIndex) {
    const BudgetPaths paths = shortest_paths(
        std::vector<double>(8, 0.0), [](int, int) { return 0.0; }, 7);
    EXPECT_EQ(paths.path(1), (std::vector<int>{7}));
    EXPECT_EQ(paths.path(3), (std::vector<int>{1, 2, 7}));
}

TEST(DynamicProgramme, CrossingFormEqualsPlainRowsOnStatisticsOfAnyShape) {
    // Errors M_t at random: none of the conditions under which the argmin would be monotone holds.
    std::mt19937 rng(13);
    double worst = 0;
    for (int round = 0; round < 40; ++round) {
        const int size = 2 + static_cast<int>(rng() % 70);
        const NoiseProcess process(Spec::parse((round % 2 ? "cosine:T=" : "linear:T=") +
                                               std::to_string(round % 2 ? size : size + 25)));
        std::lognormal_distribution<double> factor(0, round % 3 == 0 ? 3.0 : 0.5);
        std::normal_distribution<double> normal;
        std::vector<double> error{0}, decoder{0};
        for (int t = 1; t <= process.table_size(); ++t) {
            error.push_back(round % 5 == 4 && rng() % 4 == 0 ? 0 : process.one_minus_abar(t) * factor(rng));
            decoder.push_back(normal(rng) * 3);
        }
        const ElboChain chain(process, error, decoder, 0.3);
        for (ElboVariance variance : {ElboVariance::posterior, ElboVariance::beta, ElboVariance::analytic}) {
            auto edge = [&](int s, int t) { return chain.edge(variance, s, t); };
            const BudgetPaths plain = shortest_paths(decoder, edge, process.table_size());
            const BudgetPaths fast = chain.best_paths(variance, process.table_size());
            auto pair = [&](int s, int t) { return decoder[at(s)] * (1 + 1.0 / t) + edge(s, t); };
            const BudgetPaths plain_two =
                shortest_paths_first_two(process.table_size(), pair, edge, process.table_size());
            const BudgetPaths fast_two = shortest_paths_first_two(
                process.table_size(), pair, edge, chain.crossing_form(variance), process.table_size());
            for (int k = 1; k <= process.table_size(); ++k) {
                const double scale = std::max(1.0, std::abs(plain.cost[at(k)]));
                worst = std::max(worst, std::abs(fast.cost[at(k)] - plain.cost[at(k)]) / scale);
                if (k > 1)
                    worst = std::max(worst, std::abs(fast_two.cost[at(k)] - plain_two.cost[at(k)]) /
                                                std::max(1.0, std::abs(plain_two.cost[at(k)])));
            }
        }
    }
    EXPECT_LT(worst, 1e-11);
}

TEST(ElboCost, EdgesEqualTheDivergenceOfTwoGaussians) {
    // KL(N(m1, v1) || N(m2, v2)) = (v1/v2 - 1 - ln(v1/v2) + (m1 - m2)^2 / v2) / 2, with (m1 - m2)^2 = abar_s
    // beta^2/b_t^2 M.
    const NoiseProcess process(Spec::parse("linear:T=40"));
    std::vector<double> error{0};
    for (int t = 1; t <= 40; ++t) error.push_back(0.3 * t / 40.0);
    const ElboChain chain(process, error, std::vector<double>(41, 0.0), 0.25);
    for (int t = 2; t <= 40; ++t)
        for (int s = 1; s < t; ++s) {
            const double btil = process.posterior_variance(s, t), beta = process.beta(s, t),
                         b = process.one_minus_abar(t);
            const double square = process.abar(s) * beta * beta / (b * b) * error[at(t)];
            auto divergence = [&](double v) { return (btil / v - 1 - std::log(btil / v) + square / v) / 2; };
            EXPECT_NEAR(chain.edge(ElboVariance::posterior, s, t), divergence(btil), 1e-11);
            EXPECT_NEAR(chain.edge(ElboVariance::beta, s, t), divergence(beta), 1e-11);
            EXPECT_NEAR(chain.edge(ElboVariance::analytic, s, t), divergence(btil + square), 1e-11);
            EXPECT_LE(chain.edge(ElboVariance::analytic, s, t),
                      chain.edge(ElboVariance::posterior, s, t) * (1 + 1e-12));
            EXPECT_LE(chain.edge(ElboVariance::analytic, s, t),
                      chain.edge(ElboVariance::beta, s, t) * (1 + 1e-12));
        }
    EXPECT_NEAR(chain.prior(40), 0.5 * (process.abar(40) * (0.25 - 1) - std::log(process.one_minus_abar(40))),
                1e-12);
}

TEST(ElboCost, RejectsBadStatisticsAndPaths) {
    const NoiseProcess process(Spec::parse("cosine:T=4"));
    const std::vector<double> good(5, 0.1);
    EXPECT_THROW(ElboChain(process, {0, 0.1}, good, 1), Error);
    EXPECT_THROW(ElboChain(process, {0, 0.1, -1, 0.1, 0.1}, good, 1), Error);
    EXPECT_THROW(ElboChain(process, {0, 0.1, std::nan(""), 0.1, 0.1}, good, 1), Error);
    EXPECT_THROW(ElboChain(process, good, {0, 0.1, INFINITY, 0.1, 0.1}, 1), Error);
    EXPECT_THROW(ElboChain(NoiseProcess(Spec::parse("continuous")), good, good, 1), Error);
    const ElboChain chain(process, good, good, 1);
    for (const std::vector<int>& path : {std::vector<int>{}, {2, 1}, {0, 4}, {1, 5}, {1, 1}})
        EXPECT_THROW(chain.path_cost(ElboVariance::beta, path), Error);
    EXPECT_THROW(chain.best_paths(ElboVariance::beta, 5), Error);
    EXPECT_THROW(chain.best_paths(ElboVariance::beta, 0), Error);
    EXPECT_THROW(shortest_paths(
                     good, [](int, int) { return std::nan(""); }, 2),
                 Error);
}

TEST(DynamicProgramme, AllBudgetsOfAThousandEntriesTakeLessThanSeconds) {
    const NoiseProcess process(Spec::parse("linear:T=1000"));
    std::vector<double> error{0}, decoder{0};
    for (int t = 1; t <= 1000; ++t) {
        error.push_back(0.25 * process.one_minus_abar(t) /
                        (0.25 * process.abar(t) + process.one_minus_abar(t)));
        decoder.push_back(gaussian_decoder_cost(error.back(), table_decoder_variance(process, t)));
    }
    const ElboChain chain(process, error, decoder, 0.25);
    for (ElboVariance variance : {ElboVariance::posterior, ElboVariance::beta, ElboVariance::analytic}) {
        const auto start = std::chrono::steady_clock::now();
        const BudgetPaths paths = chain.best_paths(variance, 1000);
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::printf("all budgets, T = 1000, variance %d: %.3f s\n", static_cast<int>(variance), seconds);
        EXPECT_EQ(paths.path(1000).size(), 1000u);
        EXPECT_LT(seconds, 10);
    }
}

}  // namespace
}  // namespace schedbench
