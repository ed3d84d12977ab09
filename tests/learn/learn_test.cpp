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

/// VE, N(0, c^2): L = v^2 (t^2 - t'^2)^2 / (q'^2 q), q = c^2 + t^2.
double gaussian_cost(double c, double to, double from, double squared_weight) {
    const double q = c * c + from * from, q1 = c * c + to * to, gap = from * from - to * to;
    return squared_weight * gap * gap / (q1 * q1 * q);
}

TEST(Corrector, EveryIntervalAndWeightOfAGaussian) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=20"));
    const auto source = exact_source(target, 500);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.01, 20, 0.3, false, "test");
    for (CostWeight weight : {CostWeight::entered, CostWeight::left, CostWeight::geometric}) {
        CostCurve curve;
        measure_corrector_cost(curve, *target, *source, levels, {.weight = weight, .probes = 500});
        for (size_t j = 0; j < curve.cost.size(); ++j) {
            const double to = curve.sigma[j], from = curve.sigma[j + 1];
            const double v2 = weight == CostWeight::entered ? to * to
                              : weight == CostWeight::left  ? from * from
                                                            : to * from;
            const double expected = 20 * gaussian_cost(0.5, to, from, v2);
            EXPECT_LT(std::abs(curve.cost[j].mean - expected), 5 * expected * std::sqrt(2.0 / (20 * 500)))
                << j;
            EXPECT_NEAR(curve.cost[j].standard_error() / (expected * std::sqrt(2.0 / (20 * 500))), 1, 0.25)
                << j;
        }
    }
}

/// The paper's weight on c = 1, [0.5, 20]: knots against the continuum optimum th - tanh th = A + (i/T)(B -
/// A), t = c sinh th.
TEST(ScoreOptimal, KnotsOfAGaussian) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=1,dim=64"));
    const auto source = exact_source(target, 400);
    const Spec spec = complete_learner(
        Spec::parse("score-optimal:probes=400,spacing=0.02,sigma-min=0.5,sigma-max=20,end=sigma-min"),
        target->process());
    CostCurve curve;
    measure_score_optimal(curve, spec, *target, *source);
    const LearnedSchedule learned = score_optimal_schedule(curve, spec, target->process());
    const auto length = [](double t) { return 2 * (std::asinh(t) - t / std::sqrt(1 + t * t)); };
    const double total = length(20) - length(0.5);
    EXPECT_NEAR(learned.curve.length.back() / (8 * total), 1,
                0.03);  // sqrt(64) axes; the weight is O(spacing) low
    for (int steps : {1, 8, 16}) {
        const Schedule schedule = place(learned, spec, target->process(), {.steps = steps});
        ASSERT_EQ(schedule.steps(), steps);
        for (int i = 0; i <= steps; ++i) {
            const double ours =
                (length(schedule.effective[static_cast<size_t>(steps - i)]) - length(0.5)) / total;
            EXPECT_NEAR(ours, static_cast<double>(i) / steps, 0.01) << steps << " " << i;
        }
    }
    const Schedule zero = place(
        learned, complete_learner(Spec::parse("score-optimal:sigma-min=0.5,sigma-max=20"), target->process()),
        target->process(), {.steps = 5});
    EXPECT_EQ(zero.end_rule, "zero");
    EXPECT_EQ(zero.effective.back(), 0);
    EXPECT_NEAR(zero.effective[4], 0.5, 1e-12);
    EXPECT_NEAR(zero.effective[0], 20, 1e-12);
}

/// Intervals share probes: the error of the length must be that of the sum, not of independent parts.
TEST(ScoreOptimal, LengthErrorCoversTheSpread) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.1]"));
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.05, 5, 0.6, false, "test");
    RunningMean length, squared;
    for (uint64_t trial = 0; trial < 40; ++trial) {
        const auto source = exact_source(target, 200, 100 + trial);
        CostCurve curve;
        measure_corrector_cost(curve, *target, *source, levels, {.probes = 200, .batch = 20, .seed = trial});
        length.add(curve.length().back());
        squared.add(std::pow(curve.length_se().back(), 2));
    }
    EXPECT_NEAR(std::sqrt(length.variance() / squared.mean), 1, 0.35);
}

TEST(ScoreOptimal, AStoppedMeasurementGoesOnWithTheSameBits) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1]"));
    const auto source = exact_source(target, 30);
    const Spec spec =
        complete_learner(Spec::parse("score-optimal:probes=100,batch=32,spacing=0.5"), target->process());
    CostCurve whole, parts;
    measure_score_optimal(whole, spec, *target, *source);
    measure_score_optimal(parts, spec, *target, *source, [](const CostCurve& c) { return c.probes < 64; });
    EXPECT_EQ(parts.probes, 64);
    measure_score_optimal(parts, spec, *target, *source);
    EXPECT_EQ(whole.means(), parts.means());
    EXPECT_EQ(whole.length_se(), parts.length_se());
    EXPECT_EQ(whole.block_size, (std::vector<int64_t>{32, 32, 32, 4}));
}

TEST(ScoreOptimal, OnATableTheGridIsTheTable) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=8,process={linear:T=100}"));
    const NoiseProcess& p = target->process();
    const auto all = probe_grid(p, p.sigma_min(), p.sigma_max(), 0.1, true, "test");
    EXPECT_EQ(all.size(), 100U);
    for (const LocatedLevel& level : probe_grid(p, p.sigma_min(), p.sigma_max(), 0.1, false, "test"))
        EXPECT_EQ(level.level, p.sigma(level.index));
    const auto source = exact_source(target, 100);
    const Spec spec = complete_learner(Spec::parse("score-optimal:probes=100"), p);
    CostCurve curve;
    measure_score_optimal(curve, spec, *target, *source);
    const Schedule schedule = place(score_optimal_schedule(curve, spec, p), spec, p, {.steps = 6});
    ASSERT_EQ(schedule.index.size(), 7U);
    EXPECT_EQ(schedule.index.back(), 0);
    for (size_t i = 0; i < 6; ++i)
        EXPECT_EQ(schedule.effective[i], p.sigma(static_cast<int>(schedule.index[i])));
}

TEST(ScoreOptimal, KeptInAFileItGivesTheSameKnots) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const auto source = exact_source(target, 64);
    const Spec spec = complete_learner(Spec::parse("score-optimal:probes=64"), target->process());
    CostCurve curve;
    measure_score_optimal(curve, spec, *target, *source);
    const LearnedSchedule learned = score_optimal_schedule(curve, spec, target->process());
    const std::string path = ::testing::TempDir() + "score_optimal_test.json";
    learned.write(path);
    EXPECT_EQ(LearnedSchedule::read(path).levels(7, "zero", target->process(), "test"),
              place(learned, spec, target->process(), {.steps = 7}).requested);
    std::remove(path.c_str());
}

TEST(DpElbo, LearnedFromDrawsItIsNearlyOptimal) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=16,process={cosine:T=50}"));
    const NoiseProcess& p = target->process();
    const auto source = exact_source(target, 2000);
    const Spec spec = complete_learner(Spec::parse("dp-elbo:clip=false,batch=500"), p);
    const StatisticsOptions options = dp_elbo_options(spec, *source);
    EXPECT_EQ(options.decoder, DecoderKind::density);
    DenoisingStatistics statistics = empty_statistics(*target, dp_elbo_chain(spec, p), *source, options);
    measure_statistics(statistics, *target, *source, options);
    const LearnedSchedule learned = dp_elbo_schedule(statistics, spec, p, 12);
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
    const StatisticsOptions options = dp_elbo_options(spec, *source);
    const StatisticsChain chain = dp_elbo_chain(spec, p);
    EXPECT_NEAR(chain.process.sigma(1) / p.sigma_min(), 1, 1e-9);
    EXPECT_NEAR(chain.process.sigma(60) / p.sigma_max(), 1, 1e-9);
    EXPECT_NEAR(std::log(chain.process.sigma(31) / chain.process.sigma(30)),
                std::log(p.sigma_max() / p.sigma_min()) / 59, 1e-9);
    DenoisingStatistics statistics = empty_statistics(*target, chain, *source, options);
    measure_statistics(statistics, *target, *source, options);
    const LearnedSchedule learned = dp_elbo_schedule(statistics, spec, p, 10);
    const Schedule schedule = place(learned, spec, p, {.steps = 10});
    EXPECT_EQ(schedule.steps(), 10);
    EXPECT_NEAR(schedule.effective.front(), 80, 1e-6);
    EXPECT_EQ(schedule.effective.back(), 0);
    EXPECT_TRUE(schedule.index.empty());
}

TEST(Learners, FaultsAreNamed) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=1"));
    const NoiseProcess& p = target->process();
    EXPECT_TRUE(is_learner(Spec::parse("dp-elbo")));
    EXPECT_FALSE(is_learner(Spec::parse("edm")));
    for (const char* text :
         {"score-optimal:cost=predictor", "score-optimal:weight=both", "score-optimal:spacing=0",
          "score-optimal:grid=table", "score-optimal:sigma-min=90", "score-optimal:probes=0",
          "dp-elbo:variance=learned", "dp-elbo:grid=1", "score-optimum"})
        EXPECT_THROW(complete_learner(Spec::parse(text), p), Error) << text;
    const Spec spec = complete_learner(Spec::parse("score-optimal:spacing=1"), p);
    EXPECT_EQ(spec.number("sigma-max"), 80);
    CostCurve zero;
    zero.sigma = {0.1, 1, 10};
    zero.cost.resize(2);
    EXPECT_THROW(score_optimal_schedule(zero, spec, p), Error);
    for (RunningMean& cost : zero.cost) cost.add(0);
    zero.probes = 1;
    EXPECT_THROW(score_optimal_schedule(zero, spec, p), Error);
    const NoiseProcess chain(Spec::parse("cosine:T=20"));
    const DenoisingStatistics statistics = closed_form::gaussian_statistics(chain, 0.25);
    const Spec dp = complete_learner(Spec::parse("dp-elbo:clip=false"), chain);
    EXPECT_THROW(dp_elbo_schedule(statistics, dp, chain, 21), Error);
    EXPECT_THROW(dp_elbo_schedule(statistics, complete_learner(Spec::parse("dp-elbo"), chain), chain, 5),
                 Error);  // clip
    EXPECT_THROW(dp_elbo_schedule(statistics, dp, NoiseProcess(Spec::parse("cosine:T=21")), 5), Error);
    EXPECT_THROW(place(dp_elbo_schedule(statistics, dp, chain, 5), dp, chain, {.steps = 6}), Error);
    EXPECT_THROW(dp_elbo_options(complete_learner(Spec::parse("dp-elbo:decoder=gauss"), chain),
                                 *exact_source(target, 1)),
                 Error);
}

}  // namespace
}  // namespace schedbench
