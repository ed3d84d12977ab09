#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "enumerate_paths.h"
#include "schedules/elbo_cost.h"
#include "schedules/path_objectives.h"

namespace schedbench {
namespace {

size_t at(int i) {
    return static_cast<size_t>(i);
}

double sum_of(const PathCosts& costs, const std::vector<int>& path) {
    double sum = costs.first[at(path[0])];
    for (size_t i = 1; i < path.size(); ++i) sum += costs.edge(path[i - 1], path[i]);
    return sum;
}

TEST(PathObjectives, ReweightedErrorsAreTheirIntegrals) {
    std::mt19937 rng(5);
    std::uniform_real_distribution<double> uniform;
    for (int round = 0; round < 12; ++round) {
        const int size = 2 + static_cast<int>(rng() % 9);
        const NoiseProcess process(Spec::parse("cosine:T=" + std::to_string(size)));
        std::vector<double> error{0};
        for (int t = 1; t <= size; ++t) error.push_back(round % 2 ? uniform(rng) : 0.1 * t);
        for (ErrorWeight weight : {ErrorWeight::unit, ErrorWeight::snr}) {
            const PathCosts costs = reweighted_error_costs(process, error, weight);
            for (int t = 1; t <= size; ++t)
                for (int s = 0; s < t; ++s) {
                    // -integral of w SNR' over the cells s+1 .. t, of width 1/T, at their right ends.
                    double integral = 0;
                    for (int u = s + 1; u <= t; ++u)
                        integral += (weight == ErrorWeight::unit ? 1 : process.snr(u)) / size;
                    const double ours = s == 0 ? costs.first[at(t)] : costs.edge(s, t);
                    EXPECT_NEAR(ours, integral * error[at(t)], 1e-10 * (1 + process.snr(1)));
                    if (weight == ErrorWeight::unit) {
                        EXPECT_NEAR(ours, static_cast<double>(t - s) / size * error[at(t)], 1e-14);
                    }
                }
            const std::vector<double> all =
                enumerate_paths(size, [&](const std::vector<int>& path) { return sum_of(costs, path); });
            for (RowMethod method : {RowMethod::automatic, RowMethod::search, RowMethod::plain}) {
                const BudgetPaths best = shortest_paths(costs, size, method);
                for (int k = 1; k <= size; ++k) EXPECT_NEAR(best.best(k).cost / all[at(k)], 1, 1e-12);
            }
            if (round % 2 == 0) {
                EXPECT_EQ(shortest_paths(costs, size).method, RowMethod::walk);
            }
        }
    }
    const NoiseProcess process(Spec::parse("cosine:T=4"));
    EXPECT_THROW(reweighted_error_costs(process, {0, 1, 1}, ErrorWeight::unit), Error);
    EXPECT_THROW(reweighted_error_costs(process, {0, 1, -1, 1, 1}, ErrorWeight::unit), Error);
    EXPECT_THROW(reweighted_error_costs(NoiseProcess(Spec::parse("continuous")), {0}, ErrorWeight::snr),
                 Error);
}

/// J as the paper has it, ln(sigma*^2/btil), and as its code has it, ln(1 - beta_{t|s} Gamma_t/b_t).
double objective(const NoiseProcess& process, double gamma, int s, int t, bool as_code) {
    const double beta = process.beta(s, t), b = process.one_minus_abar(t);
    if (as_code) return std::log(1 - beta * gamma / b);
    const double btil = process.posterior_variance(s, t);
    const double a2 = process.abar(s) * beta * beta / (b * b);
    return std::log((btil + a2 * b / process.abar(t) * (1 - gamma)) / btil);
}

TEST(PathObjectives, AnalyticDpmPathIsTheBestOfAll) {
    std::mt19937 rng(9);
    std::uniform_real_distribution<double> uniform;
    for (int round = 0; round < 30; ++round) {
        const int size = 2 + static_cast<int>(rng() % 9);
        const NoiseProcess process(Spec::parse("cosine:T=" + std::to_string(size)));
        std::vector<double> gamma{0};
        for (int t = 1; t <= size; ++t) gamma.push_back(t % 4 == 3 ? 1 : uniform(rng));
        const auto total = [&](const std::vector<int>& path, bool as_code) {
            if (path.size() < 2 || path[0] != 1) return static_cast<double>(INFINITY);
            double sum = 0;
            for (size_t i = 1; i < path.size(); ++i)
                sum += objective(process, gamma[at(path[i])], path[i - 1], path[i], as_code);
            return sum;
        };
        const auto paper = enumerate_paths(size, [&](const auto& path) { return total(path, false); });
        const auto code = enumerate_paths(size, [&](const auto& path) { return total(path, true); });
        for (int k = 2; k <= size; ++k) {
            const AnalyticDpmPath best = analytic_dpm_path(process, gamma, k);
            EXPECT_EQ(best.first_excess, 0);
            EXPECT_EQ(best.even_steps, 0);
            ASSERT_EQ(static_cast<int>(best.nodes.size()), k);
            EXPECT_EQ(best.nodes.front(), 1);
            EXPECT_EQ(best.nodes.back(), size);
            EXPECT_NEAR(best.cost, paper[at(k)], 1e-9 * (1 + paper[at(k)]));
            EXPECT_NEAR(total(best.nodes, false), paper[at(k)], 1e-9 * (1 + paper[at(k)]));
            EXPECT_NEAR(total(best.nodes, true), code[at(k)], 1e-9 * (1 + std::abs(code[at(k)])));
        }
    }
}

TEST(PathObjectives, AnalyticDpmLeavesOutTheEntriesThatCannotBeRight) {
    const NoiseProcess process(Spec::parse("linear:T=100"));
    std::vector<double> gamma{0};
    for (int t = 1; t <= 100; ++t) gamma.push_back(0.9 - 0.3 * process.abar(t));
    gamma[96] = 1.001;  // B = 2 (100 - 96 + 1) = 10 entries left out, 1 - 0.8 B/T = 0.92
    for (int steps : {10, 20, 50}) {
        const AnalyticDpmPath path = analytic_dpm_path(process, gamma, steps);
        const int even = std::max(1, steps - static_cast<int>(std::ceil(0.92 * steps - 1e-9)));
        EXPECT_EQ(path.first_excess, 96);
        EXPECT_EQ(path.even_steps, even);
        ASSERT_EQ(static_cast<int>(path.nodes.size()), steps);
        EXPECT_EQ(path.nodes.front(), 1);
        EXPECT_EQ(path.nodes.back(), 100);
        EXPECT_EQ(path.nodes[at(steps - even - 1)], 90);
        for (size_t i = 1; i < path.nodes.size(); ++i) EXPECT_LT(path.nodes[i - 1], path.nodes[i]);
    }
    EXPECT_EQ(analytic_dpm_path(process, gamma, 50).nodes.back(), 100);
    // 50 steps: 4 of them even over 91..100, at round(100 - 2.5 k), half to even.
    const std::vector<int> nodes = analytic_dpm_path(process, gamma, 50).nodes;
    EXPECT_EQ(std::vector<int>(nodes.end() - 4, nodes.end()), (std::vector<int>{92, 95, 98, 100}));
    gamma[30] = 2;
    EXPECT_THROW(analytic_dpm_path(process, gamma, 20), Error);  // 142 of 100 entries would be left out
    gamma[30] = -1;
    EXPECT_THROW(analytic_dpm_path(process, gamma, 20), Error);
    EXPECT_THROW(analytic_dpm_path(process, std::vector<double>(50, 0.5), 20), Error);
    EXPECT_THROW(analytic_dpm_path(process, std::vector<double>(101, 0.5), 1), Error);
    EXPECT_THROW(analytic_dpm_path(process, std::vector<double>(101, 0.5), 101), Error);
}

}  // namespace
}  // namespace schedbench
