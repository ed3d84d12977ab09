#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "gaussian_statistics.h"
#include "learn/learner.h"

namespace schedbench {
namespace {

TEST(DpElbo, LearnedFromDrawsItIsNearlyOptimal) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=16,process={cosine:T=50}"));
    const NoiseProcess& p = target->process();
    const auto source = exact_source(target, 2000);
    const Spec spec = complete_learner(Spec::parse("dp-elbo:clip=false,batch=500"), p);
    const StatisticsOptions options = dp_options(spec, *source);
    EXPECT_EQ(options.decoder, DecoderKind::density);
    DenoisingStatistics statistics = empty_statistics(*target, dp_chain(spec, p), *source, options);
    measure_statistics(statistics, *target, *source, options);
    const LearnedSchedule learned = dp_schedule(statistics, spec, p, 12);
    const ElboChain exact = closed_form::gaussian_statistics(p, 0.25).elbo();
    const BudgetPaths best = exact.best_paths(ElboVariance::posterior, 12);
    for (int steps = 1; steps <= 12; ++steps) {
        const auto& nodes = learned.paths.at(steps);
        const double cost =
            exact.path_cost(ElboVariance::posterior, {nodes.begin(), nodes.end()}) - exact.prior(50);
        EXPECT_GT(cost, best.cost[static_cast<size_t>(steps)] - 1e-12);
        // What the choice by noisy statistics can lose is the noise of two paths.
        const double se =
            path_bound(statistics, ElboVariance::posterior, {nodes.begin(), nodes.end()}).bits_per_dim.se *
            std::log(2.0);
        EXPECT_LT(se, 5e-3);
        EXPECT_LT(cost, best.cost[static_cast<size_t>(steps)] + 6 * se) << steps;
        const Schedule schedule = place(learned, spec, p, {.steps = steps});
        EXPECT_EQ(schedule.steps(), steps);
        EXPECT_EQ(schedule.index.front(), 50);
        EXPECT_EQ(schedule.effective.back(), 0);
    }
}

TEST(DpElbo, AContinuousModelIsSeenOnAStatedGrid) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=4"));
    const NoiseProcess& p = target->process();
    const auto source = exact_source(target, 50);
    const Spec spec = complete_learner(Spec::parse("dp-elbo:clip=false,grid=60,variance=beta"), p);
    const StatisticsOptions options = dp_options(spec, *source);
    const StatisticsChain chain = dp_chain(spec, p);
    EXPECT_NEAR(chain.process.sigma(1) / p.sigma_min(), 1, 1e-9);
    EXPECT_NEAR(chain.process.sigma(60) / p.sigma_max(), 1, 1e-9);
    EXPECT_NEAR(std::log(chain.process.sigma(31) / chain.process.sigma(30)),
                std::log(p.sigma_max() / p.sigma_min()) / 59, 1e-9);
    DenoisingStatistics statistics = empty_statistics(*target, chain, *source, options);
    measure_statistics(statistics, *target, *source, options);
    const LearnedSchedule learned = dp_schedule(statistics, spec, p, 10);
    const Schedule schedule = place(learned, spec, p, {.steps = 10});
    EXPECT_EQ(schedule.steps(), 10);
    EXPECT_NEAR(schedule.effective.front(), 80, 1e-6);
    EXPECT_EQ(schedule.effective.back(), 0);
    EXPECT_TRUE(schedule.index.empty());
}

TEST(Learners, DpMseHasTheLeastReweightedError) {
    const NoiseProcess chain(Spec::parse("cosine:T=20"));
    const DenoisingStatistics statistics = closed_form::gaussian_statistics(chain, 0.25);
    for (const char* weight : {"x0", "noise"}) {
        const Spec spec = complete_learner(Spec::parse("dp-mse:clip=false,weight=" + std::string(weight)), chain);
        const LearnedSchedule learned = dp_schedule(statistics, spec, chain, 4);
        // L(t, s) of the paper, written out: (t - s)/T M_t, or M_t/T times the sum of the SNR from s + 1 to t.
        const auto cost = [&](int s, int t) {
            double weighted = 0;
            for (int u = s + 1; u <= t; ++u)
                weighted += std::string(weight) == "x0" ? 1 : chain.abar(u) / chain.one_minus_abar(u);
            return weighted / 20 * statistics.error[static_cast<size_t>(t)].mean;
        };
        double best = HUGE_VAL;
        for (int a = 1; a < 19; ++a)
            for (int b = a + 1; b < 20; ++b) best = std::min(best, cost(0, a) + cost(a, b) + cost(b, 20));
        const auto path = learned.paths.at(3);
        const auto node = [&](size_t i) { return static_cast<int>(path[i]); };
        EXPECT_NEAR(cost(0, node(0)) + cost(node(0), node(1)) + cost(node(1), node(2)), best, 1e-12) << weight;
        EXPECT_EQ(node(2), 20);
    }
}

TEST(Learners, FaultsAreNamed) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=1"));
    const NoiseProcess& p = target->process();
    EXPECT_TRUE(is_learner(Spec::parse("dp-elbo")));
    EXPECT_FALSE(is_learner(Spec::parse("edm")));
    for (const char* text :
         {"score-optimal:cost=both", "score-optimal:weight=both", "score-optimal:cap=0.5", "score-optimal:gamma=0",
          "score-optimal:knots=1", "score-optimal:weight=data,c=0", "score-optimal:spacing=0",
          "score-optimal:grid=table", "score-optimal:sigma-min=90", "score-optimal:probes=0",
          "dp-elbo:variance=small", "dp-mse:weight=one", "dp-elbo:grid=1", "score-optimum"})
        EXPECT_THROW(complete_learner(Spec::parse(text), p), Error) << text;
    const Spec spec = complete_learner(Spec::parse("score-optimal:spacing=1"), p);
    EXPECT_EQ(spec.number("sigma-max"), 80);
    ScoreOptimalCosts none;
    none.curve.sigma = {0.1, 1, 10};
    none.curve.cost.resize(2);
    EXPECT_THROW(score_optimal_schedule(none, spec, p), Error);
    const NoiseProcess chain(Spec::parse("cosine:T=20"));
    const DenoisingStatistics statistics = closed_form::gaussian_statistics(chain, 0.25);
    const Spec dp = complete_learner(Spec::parse("dp-elbo:clip=false"), chain);
    EXPECT_THROW(dp_schedule(statistics, dp, chain, 21), Error);
    EXPECT_THROW(dp_schedule(statistics, complete_learner(Spec::parse("dp-elbo"), chain), chain, 5),
                 Error);  // clip
    EXPECT_THROW(dp_schedule(statistics, dp, NoiseProcess(Spec::parse("cosine:T=21")), 5), Error);
    EXPECT_THROW(place(dp_schedule(statistics, dp, chain, 5), dp, chain, {.steps = 6}), Error);
    EXPECT_THROW(dp_schedule(statistics, complete_learner(Spec::parse("dp-elbo:clip=false,variance=learned"), chain),
                             chain, 5),
                 Error);  // no variance channels
    EXPECT_THROW(dp_options(complete_learner(Spec::parse("dp-elbo:decoder=gauss"), chain),
                            *exact_source(target, 1)),
                 Error);
}

}  // namespace
}  // namespace schedbench
