#include "schedules/dynamic_programme.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "enumerate_paths.h"

namespace schedbench {
namespace {

using Table = std::vector<std::vector<double>>;

size_t at(int i) {
    return static_cast<size_t>(i);
}

TEST(DynamicProgramme, EqualsEnumerationOnRandomCosts) {
    std::mt19937 rng(11);
    std::normal_distribution<double> normal;
    for (int round = 0; round < 60; ++round) {
        const int size = 1 + static_cast<int>(rng() % 10);
        Table table(at(size) + 1, std::vector<double>(at(size) + 1)), two = table;
        for (auto* list : {&table, &two})
            for (auto& row : *list)
                for (auto& value : row) value = normal(rng);
        const auto edge = [&](int s, int t) { return table[at(s)][at(t)]; };
        const auto tail = [&](const std::vector<int>& path, double start, size_t from) {
            for (size_t i = from; i < path.size(); ++i) start += edge(path[i - 1], path[i]);
            return start;
        };
        const auto cost = [&](const std::vector<int>& path) { return tail(path, edge(0, path[0]), 1); };
        const auto cost_two = [&](const std::vector<int>& path) {
            return path.size() < 2 ? INFINITY : tail(path, two[at(path[0])][at(path[1])], 2);
        };
        const PathCosts costs = PathCosts::of_edges(size, edge);
        PathCosts costs_two = costs;
        costs_two.first_two = [&](int s, int t) { return two[at(s)][at(t)]; };
        const BudgetPaths plain = shortest_paths(costs, size), pair = shortest_paths(costs_two, size);
        const std::vector<double> best = enumerate_paths(size, cost),
                                  best_two = enumerate_paths(size, cost_two);
        double least = INFINITY;
        EXPECT_THROW(pair.best(1), Error);
        EXPECT_THROW(pair.best(1, Budget::at_most), Error);
        for (int k = 1; k <= size; ++k) {
            EXPECT_NEAR(plain.best(k).cost, best[at(k)], 1e-12);
            EXPECT_NEAR(cost(plain.path(k)), best[at(k)], 1e-12);
            least = std::min(least, plain.best(k).cost);
            const BudgetPath at_most = plain.best(k, Budget::at_most);
            EXPECT_EQ(at_most.cost, least);
            EXPECT_EQ(at_most.nodes, plain.path(at_most.steps));
            EXPECT_EQ(at_most.steps, plain.best_at_most(k));
            if (k < 2) continue;
            EXPECT_NEAR(pair.best(k).cost, best_two[at(k)], 1e-12);
            EXPECT_NEAR(cost_two(pair.path(k)), best_two[at(k)], 1e-12);
        }
    }
}

TEST(DynamicProgramme, TiesGoToTheSmallestIndexWithEveryMethod) {
    for (bool logarithm : {false, true}) {
        PathCosts costs = PathCosts::of_edges(9, [](int, int) { return 0.0; });
        CrossingForm form;
        form.logarithm = logarithm;
        form.x.assign(10, 0.0);
        form.offset.assign(10, 0.0);
        for (int t = 0; t <= 9; ++t) form.slope.push_back(10 - t);
        costs.form = form;
        for (RowMethod method : {RowMethod::plain, RowMethod::divide, RowMethod::walk, RowMethod::search}) {
            const BudgetPaths paths = shortest_paths(costs, 9, method);
            EXPECT_EQ(paths.method, method);
            EXPECT_EQ(paths.path(1), (std::vector<int>{9})) << method_name(method);
            EXPECT_EQ(paths.path(4), (std::vector<int>{1, 2, 3, 9})) << method_name(method);
            EXPECT_EQ(paths.best_at_most(9), 1);
        }
    }
}

/// Costs of the kind that equal steps minimise: (x_t - x_s)^2 on a convex grid obeys the quadrangle
/// inequality.
TEST(DynamicProgramme, DividesRowsWhereTheEdgesAllowItAndOnlyThere) {
    const int size = 200;
    const auto square = [](int s, int t) { return (t * t - s * s) * static_cast<double>(t * t - s * s); };
    const BudgetPaths divided = shortest_paths(PathCosts::of_edges(size, square), size);
    EXPECT_EQ(divided.method, RowMethod::divide);
    const BudgetPaths plain = shortest_paths(PathCosts::of_edges(size, square), size, RowMethod::plain);
    EXPECT_EQ(divided.cost, plain.cost);  // whole numbers: no rounding
    for (int k = 1; k <= size; ++k) EXPECT_EQ(divided.path(k), plain.path(k));
    const auto bent = [&](int s, int t) { return square(s, t) + (s == 70 && t == 90 ? -3e6 : 0); };
    EXPECT_EQ(shortest_paths(PathCosts::of_edges(size, bent), size).method, RowMethod::plain);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(size, bent), size, RowMethod::divide), Error);
    // A row in which some nodes cannot be reached: paths that begin at node 40.
    PathCosts from_forty = PathCosts::of_edges(size, square);
    for (int t = 1; t <= size; ++t) from_forty.first[at(t)] = t == 40 ? 0 : INFINITY;
    const BudgetPaths a = shortest_paths(from_forty, 20),
                      b = shortest_paths(from_forty, 20, RowMethod::plain);
    EXPECT_EQ(a.method, RowMethod::divide);
    EXPECT_EQ(a.cost, b.cost);
    EXPECT_EQ(a.path(20).front(), 40);
    EXPECT_THROW(a.best(1), Error);
}

/// Any additive cost on any grid: what a corrector has to undo between two levels of a sigma grid (Williams
/// et al. 2024, eq. 13, closed form for N(0, c^2)), node 0 being the lowest level.
TEST(DynamicProgramme, PlacesScoreOptimalCostsOnASigmaGrid) {
    const auto run = [](int size, int steps) {
        std::vector<double> sigma;
        for (int i = 0; i <= size; ++i)
            sigma.push_back(0.002 * std::pow(40000.0, static_cast<double>(i) / size));
        const auto corrector = [sigma](int s, int t) {
            const double low = sigma[at(s)] * sigma[at(s)], high = sigma[at(t)] * sigma[at(t)], c2 = 0.25;
            const double gap = 1 / (c2 + low) - 1 / (c2 + high);
            return low * gap * gap * (c2 + high);
        };
        const BudgetPaths best = shortest_paths(PathCosts::of_edges(size, corrector), steps);
        const auto total = [corrector](const std::vector<int>& path) {
            double sum = corrector(0, path[0]);
            for (size_t i = 1; i < path.size(); ++i) sum += corrector(path[i - 1], path[i]);
            return sum;
        };
        return std::tuple(best, total, corrector);
    };
    const auto [small, small_total, unused] = run(11, 11);
    const std::vector<double> all = enumerate_paths(11, small_total);
    for (int k = 1; k <= 11; ++k) EXPECT_NEAR(small.best(k).cost, all[at(k)], 1e-14);
    // On a fine grid: better than log-uniform steps, and the steps come out with nearly equal costs, as the
    // continuum theory says of the optimum (equal arc length).
    const auto [best, total, cost] = run(600, 40);
    for (int k : {10, 20, 40}) {
        std::vector<int> uniform;
        for (int i = 1; i <= k; ++i) uniform.push_back(600 * i / k);
        EXPECT_LT(best.best(k).cost, 0.9 * total(uniform));
    }
    const std::vector<int> path = best.path(40);
    std::vector<double> steps;
    for (size_t i = 1; i < path.size(); ++i) steps.push_back(cost(path[i - 1], path[i]));
    std::sort(steps.begin(), steps.end());
    EXPECT_LT(steps[34] / steps[4], 2);
}

TEST(DynamicProgramme, RefusesWhatItCannotSolve) {
    const auto zero = [](int, int) { return 0.0; };
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(4, zero), 5), Error);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(4, zero), 0), Error);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(0, zero), 1), Error);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(65536, zero), 1), Error);
    for (double bad : {std::nan(""), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
        const auto broken = [bad](int s, int t) { return s == 2 && t == 3 ? bad : 0.0; };
        try {
            shortest_paths(PathCosts::of_edges(4, broken), 2);
            ADD_FAILURE();
        } catch (const Error& e) {
            EXPECT_NE(e.message().find("3 -> 2"), std::string::npos) << e.what();
        }
        PathCosts two = PathCosts::of_edges(4, zero);
        two.first_two = broken;
        EXPECT_THROW(shortest_paths(two, 2), Error);
    }
    EXPECT_THROW(
        shortest_paths(PathCosts::of_edges(4, [](int s, int) { return s == 0 ? std::nan("") : 0; }), 2),
        Error);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(4, zero), 2, RowMethod::walk), Error);
    EXPECT_THROW(shortest_paths(PathCosts::of_edges(4, zero), 3).best(4), Error);
    // Without structure the number of budgets is limited, and the message says to how many.
    EXPECT_EQ(plain_budget_limit(4000), 256);
    EXPECT_EQ(plain_budget_limit(1000), 1000);
    EXPECT_EQ(plain_budget_limit(1), 1);
    std::mt19937 rng(5);
    const int size = 2000, limit = plain_budget_limit(size);
    const PathCosts noise =
        PathCosts::of_edges(size, [&](int, int) { return static_cast<double>(rng() % 1000); });
    try {
        shortest_paths(noise, limit + 1);
        ADD_FAILURE();
    } catch (const Error& e) {
        EXPECT_NE(e.message().find("at most " + std::to_string(limit)), std::string::npos) << e.what();
    }
}

}  // namespace
}  // namespace schedbench
