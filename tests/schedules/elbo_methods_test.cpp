// All ways of solving the same rows, on statistics of every shape.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <set>

#include "core/error.h"
#include "enumerate_paths.h"
#include "random_chain.h"
#include "schedules/elbo_cost.h"
#include "schedules/index_strides.h"

namespace schedbench {
namespace {

using random_chain::Shape;
using random_chain::variances;

size_t at(int i) {
    return static_cast<size_t>(i);
}

double relative(double value, double expected) {
    return std::abs(value - expected) / std::max(1.0, std::abs(expected));
}

std::vector<FirstStep> first_steps(const ElboChain& chain) {
    const auto density = [&chain](int t, double v) {
        return gaussian_decoder_cost(chain.error()[at(t)], v) / 3;
    };
    std::vector<FirstStep> out = {{}, {FirstStepRule::path, density}};
    if (*std::min_element(chain.error().begin() + 1, chain.error().end()) > 0) {
        out.push_back({FirstStepRule::optimal, {}});
        out.push_back({FirstStepRule::optimal, density});
    }
    return out;
}

/// The methods that the costs allow.
std::vector<RowMethod> methods(const PathCosts& costs) {
    if (!costs.form) return {RowMethod::automatic};
    if (costs.form->first_disorder() != 0) return {RowMethod::automatic, RowMethod::search};
    return {RowMethod::automatic, RowMethod::search, RowMethod::walk, RowMethod::divide};
}

TEST(ElboMethods, EqualEnumerationOfAllPaths) {
    std::mt19937 rng(17);
    double worst = 0;
    int cases = 0;
    for (int round = 0; round < 36; ++round) {
        const int size = 2 + static_cast<int>(rng() % 9);
        const NoiseProcess process = random_chain::process(size, rng);
        const ElboChain chain(process, random_chain::statistics(process, static_cast<Shape>(round % 3), rng));
        for (ElboVariance variance : variances())
            for (const FirstStep& first : first_steps(chain)) {
                const bool pair = first.rule == FirstStepRule::path;
                const std::vector<double> all = enumerate_paths(size, [&](const std::vector<int>& path) {
                    return pair && path.size() < 2
                               ? INFINITY
                               : chain.path_cost(variance, path, first) - chain.prior(size);
                });
                const PathCosts costs = chain.costs(variance, first);
                std::vector<RowMethod> list = methods(costs);
                list.push_back(RowMethod::plain);
                for (RowMethod method : list) {
                    const BudgetPaths best = shortest_paths(costs, size, method);
                    for (int k = pair ? 2 : 1; k <= size; ++k, ++cases) {
                        worst = std::max(worst, relative(best.best(k).cost, all[at(k)]));
                        const double direct =
                            chain.path_cost(variance, best.path(k), first) - chain.prior(size);
                        worst = std::max(worst, relative(direct, all[at(k)]));
                    }
                }
            }
    }
    std::printf("enumeration: %d cases, worst %.1e\n", cases, worst);
    EXPECT_LT(worst, 1e-12);
}

TEST(ElboMethods, EqualPlainRowsOnChainsOfAnyShape) {
    std::mt19937 rng(13);
    double worst = 0;
    std::set<std::string> used;
    for (int round = 0; round < 24; ++round) {
        const auto shape = static_cast<Shape>(round % 3);
        const int size = round < 4 ? 300 : 3 + static_cast<int>(rng() % 120);
        const NoiseProcess process = random_chain::process(size, rng);
        const ElboChain chain(process, random_chain::statistics(process, shape, rng));
        for (ElboVariance variance : variances())
            for (const FirstStep& first : first_steps(chain)) {
                const PathCosts costs = chain.costs(variance, first);
                const BudgetPaths plain = shortest_paths(costs, size, RowMethod::plain);
                for (RowMethod method : methods(costs)) {
                    const BudgetPaths fast = shortest_paths(costs, size, method);
                    used.insert(variance_name(variance) + " " + method_name(fast.method));
                    if (shape == Shape::exact && costs.form && method == RowMethod::automatic) {
                        EXPECT_EQ(fast.method, RowMethod::walk) << variance_name(variance) << " T=" << size;
                    }
                    for (int k = first.rule == FirstStepRule::path ? 2 : 1; k <= size; ++k) {
                        const double difference = relative(fast.cost[at(k)], plain.cost[at(k)]);
                        EXPECT_LT(difference, 1e-12)
                            << variance_name(variance) << " " << method_name(fast.method) << " T=" << size
                            << " K=" << k << " shape " << round % 3;
                        worst = std::max(worst, difference);
                    }
                }
            }
    }
    std::printf("methods: worst difference from plain rows %.1e;", worst);
    for (const std::string& name : used) std::printf(" %s;", name.c_str());
    std::printf("\n");
    for (const char* name : {"posterior", "beta", "corrected-analytic"}) {
        EXPECT_TRUE(used.count(std::string(name) + " envelope walk"));
        EXPECT_TRUE(used.count(std::string(name) + " envelope search"));
    }
}

TEST(ElboMethods, AWrongMethodIsRefusedByName) {
    std::mt19937 rng(2);
    const NoiseProcess process(Spec::parse("cosine:T=40"));
    const ElboChain chain(process, random_chain::statistics(process, Shape::bumpy, rng));
    for (ElboVariance variance :
         {ElboVariance::posterior, ElboVariance::beta, ElboVariance::corrected_analytic})
        for (RowMethod method : {RowMethod::walk, RowMethod::divide}) {
            try {
                shortest_paths(chain.costs(variance), 40, method);
                ADD_FAILURE();
            } catch (const Error& e) {
                EXPECT_NE(e.message().find("out of order at entry"), std::string::npos) << e.what();
            }
        }
}

/// The disorder of entries 1 and 2 does not matter: the rows of the programme look at t >= 3.
TEST(ElboMethods, DisorderBelowTheThirdEntryIsNone) {
    const NoiseProcess process(Spec::parse("linear:T=60"));
    std::vector<double> error{0}, decoder{0};
    for (int t = 1; t <= 60; ++t) {
        const double b = process.one_minus_abar(t);
        double m = 0;  // two variances: with one, 1/M_t - SNR_t would be constant but for rounding
        for (double c2 : {0.5, 0.1}) m += c2 * b / (c2 * process.abar(t) + b) / 2;
        error.push_back(m * (t == 1 ? 40 : t == 2 ? 30 : 1));
        decoder.push_back(gaussian_decoder_cost(error.back(), b));
    }
    const ElboChain chain(process, error, decoder, 0.25);
    for (ElboVariance variance :
         {ElboVariance::posterior, ElboVariance::beta, ElboVariance::corrected_analytic}) {
        const BudgetPaths walk = chain.best_paths(variance, 60);
        EXPECT_EQ(walk.method, RowMethod::walk) << variance_name(variance);
        const BudgetPaths plain = shortest_paths(chain.costs(variance), 60, RowMethod::plain);
        for (int k = 1; k <= 60; ++k) EXPECT_LT(relative(walk.cost[at(k)], plain.cost[at(k)]), 1e-12);
    }
}

TEST(ElboMethods, NeverWorseThanAStrideWithTheSameNumberOfNodes) {
    std::mt19937 rng(23);
    for (int round = 0; round < 9; ++round) {
        const int size = 40 + static_cast<int>(rng() % 150);
        const NoiseProcess process = random_chain::process(size, rng);
        const ElboChain chain(process, random_chain::statistics(process, static_cast<Shape>(round % 3), rng));
        for (ElboVariance variance : variances())
            for (const FirstStep& first : first_steps(chain)) {
                const BudgetPaths best = chain.best_paths(variance, size, first);
                for (int k = 2; k <= size; ++k)
                    for (const auto& stride :
                         {even_indices(size, k), even_kt_indices(size, k), quadratic_indices(size, k)}) {
                        const std::set<int64_t> distinct(stride.begin(), stride.end());
                        const std::vector<int> nodes(distinct.begin(), distinct.end());
                        ASSERT_EQ(nodes.back(), size);
                        if (nodes.size() < 2) continue;
                        const double cost = chain.path_cost(variance, nodes, first) - chain.prior(size);
                        EXPECT_LE(best.best(static_cast<int>(nodes.size())).cost,
                                  cost + 1e-12 * std::max(1.0, std::abs(cost)));
                    }
            }
    }
}

/// With the best variance and the best density decoder, Gaussian data make every path cost the same.
TEST(ElboMethods, GaussianDataMakeAllPathsTie) {
    std::mt19937 rng(29);
    for (double c2 : {0.25, 1.0, 4.0})
        for (const char* spec : {"cosine:T=8", "linear:T=200", "cosine:T=1000"}) {
            const NoiseProcess process(Spec::parse(spec));
            const int size = process.table_size();
            std::vector<double> error{0};
            for (int t = 1; t <= size; ++t)
                error.push_back(c2 * process.one_minus_abar(t) /
                                (c2 * process.abar(t) + process.one_minus_abar(t)));
            const ElboChain chain(process, error, std::vector<double>(error.size(), 0.0), c2);
            const FirstStep optimal{FirstStepRule::optimal, {}};
            const double v = c2 * process.abar(size) + process.one_minus_abar(size);
            const double total = std::log(2 * M_PI * M_E * c2) / 2 + (v - 1 - std::log(v)) / 2;
            const BudgetPaths best = chain.best_paths(ElboVariance::corrected_analytic, size, optimal);
            for (int k = 1; k <= size; ++k) {
                EXPECT_NEAR(best.best(k).cost + chain.prior(size), total, 1e-11) << spec << " K=" << k;
                std::set<int> nodes{size};
                while (static_cast<int>(nodes.size()) < std::min(k, 20))
                    nodes.insert(1 + static_cast<int>(rng() % static_cast<unsigned>(size)));
                EXPECT_NEAR(
                    chain.path_cost(ElboVariance::corrected_analytic, {nodes.begin(), nodes.end()}, optimal),
                    total, 1e-12);
            }
        }
}

}  // namespace
}  // namespace schedbench
