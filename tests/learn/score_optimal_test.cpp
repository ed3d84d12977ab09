// score-optimal: knots of Gaussian data, placement, iterated grids, errors of knots, files.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "gaussian_cost.h"
#include "learn/learner.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

using closed_form::gaussian_cost;

/// The paper's weight on c = 1, [0.5, 20]: knots against the continuum optimum th - tanh th = A + (i/T)(B -
/// A), t = c sinh th.
TEST(ScoreOptimal, KnotsOfAGaussian) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=1,dim=64"));
    const auto source = exact_source(target, 400);
    const Spec spec = complete_learner(
        Spec::parse("score-optimal:probes=400,spacing=0.02,sigma-min=0.5,sigma-max=20,end=sigma-min"),
        target->process());
    ScoreOptimalCosts costs;
    measure_score_optimal(costs, spec, *target, *source);
    const LearnedSchedule learned = score_optimal_schedule(costs, spec, target->process());
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
        measure_cost(curve, *target, *source, levels, {.probes = 200, .batch = 20, .seed = trial});
        length.add(curve.length().back());
        squared.add(std::pow(curve.length_se().back(), 2));
    }
    EXPECT_NEAR(std::sqrt(length.variance() / squared.mean), 1, 0.35);
}

/// By default at most 1 % of a cell of 50,000 images at 35 evaluations, and nothing but evaluations of the
/// model.
TEST(ScoreOptimal, TheDefaultIsCheap) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const CountingDenoiser counted(target);
    const Spec spec = complete_learner(Spec::parse("score-optimal"), target->process());
    ScoreOptimalCosts costs;
    measure_score_optimal(costs, spec, counted, *exact_source(target, 100));
    const int64_t images = counted.calls() * spec.integer("batch");
    EXPECT_EQ(images, 2 * spec.integer("probes") * costs.curve.intervals());
    EXPECT_LE(images, 50'000 * 35 / 100);
    EXPECT_EQ(costs.curve.intervals(), 106);
}

TEST(ScoreOptimal, AStoppedMeasurementGoesOnWithTheSameBits) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1]"));
    const auto source = exact_source(target, 30);
    const Spec spec =
        complete_learner(Spec::parse("score-optimal:probes=100,batch=32,spacing=0.5"), target->process());
    ScoreOptimalCosts whole, parts;
    measure_score_optimal(whole, spec, *target, *source);
    measure_score_optimal(parts, spec, *target, *source, [](const CostCurve& c) { return c.probes < 64; });
    EXPECT_EQ(parts.curve.probes, 64);
    measure_score_optimal(parts, spec, *target, *source);
    EXPECT_EQ(whole.curve.means(), parts.curve.means());
    EXPECT_EQ(whole.curve.length_se(), parts.curve.length_se());
    EXPECT_EQ(whole.curve.block_size, (std::vector<int64_t>{32, 32, 32, 4}));
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
    ScoreOptimalCosts costs;
    measure_score_optimal(costs, spec, *target, *source);
    const Schedule schedule = place(score_optimal_schedule(costs, spec, p), spec, p, {.steps = 6});
    ASSERT_EQ(schedule.index.size(), 7U);
    EXPECT_EQ(schedule.index.back(), 0);
    for (size_t i = 0; i < 6; ++i)
        EXPECT_EQ(schedule.effective[i], p.sigma(static_cast<int>(schedule.index[i])));
}

TEST(ScoreOptimal, KeptInAFileItGivesTheSameKnots) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const auto source = exact_source(target, 64);
    const Spec spec = complete_learner(Spec::parse("score-optimal:probes=64"), target->process());
    ScoreOptimalCosts costs;
    measure_score_optimal(costs, spec, *target, *source);
    const LearnedSchedule learned = score_optimal_schedule(costs, spec, target->process());
    const std::string path = ::testing::TempDir() + "score_optimal_test.json";
    learned.write(path);
    EXPECT_EQ(LearnedSchedule::read(path).levels(7, "zero", target->process(), "test"),
              place(learned, spec, target->process(), {.steps = 7}).requested);
    std::remove(path.c_str());
}

/// Costs of fourth order: with the square root as length and no damping, updates swing between two schedules
/// for ever; damping, or the fourth root, settles on equal costs.
TEST(Iteration, ThePredictorCostSwingsUnlessItsOrderIsHeeded) {
    const double c2 = 0.25;
    const auto cost = [&](double to, double from) {
        const double q = c2 + from * from, q1 = c2 + to * to;
        return to * to * c2 * c2 * std::pow(from - to, 4) / (q1 * q1 * q * std::pow(c2 + from * to, 2));
    };
    const auto iterate = [&](double exponent, double gamma, int rounds) {
        std::vector<std::vector<double>> grids{{0.5, 0.7, 0.9, 1.3, 2.0}};
        for (int round = 0; round < rounds; ++round) {
            std::vector<double> costs;
            for (size_t i = 0; i + 1 < grids.back().size(); ++i)
                costs.push_back(cost(grids.back()[i], grids.back()[i + 1]));
            grids.push_back(update_schedule(grids.back(), costs, {.gamma = gamma, .exponent = exponent}));
        }
        return grids;
    };
    const auto distance = [](const std::vector<double>& a, const std::vector<double>& b) {
        double worst = 0;
        for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(std::log(a[i] / b[i])));
        return worst;
    };
    const auto swings = iterate(0.5, 1, 40);
    EXPECT_GT(distance(swings[40], swings[39]), 0.02);
    EXPECT_LT(distance(swings[40], swings[38]), 0.2 * distance(swings[40], swings[39]));
    for (const auto& [exponent, gamma] : {std::pair{0.5, 0.5}, {0.25, 1.0}}) {
        const auto settles = iterate(exponent, gamma, 60);
        EXPECT_LT(distance(settles[60], settles[59]), 1e-6) << exponent;
        const auto& last = settles.back();
        for (size_t i = 1; i + 1 < last.size(); ++i)
            EXPECT_NEAR(cost(last[i], last[i + 1]) / cost(last[0], last[1]), 1, 1e-4) << exponent;
    }
    // So the learner asks for a decision.
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    EXPECT_THROW(complete_learner(Spec::parse("score-optimal:cost=predictor,exponent=0.5,iterations=3"),
                                  target->process()),
                 Error);
    complete_learner(Spec::parse("score-optimal:cost=predictor,exponent=0.5,iterations=3,gamma=0.5"),
                     target->process());
}

/// Few knots, updated again and again under the paper's weight, leave the clean end; this is said. Reading
/// few knots off the default grid, or the symmetric weight, does not.
TEST(Iteration, TheCollapseOfTheCleanEndIsReported) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=64"));
    const auto source = exact_source(target, 200);
    const auto learn = [&](const std::string& keys) {
        const Spec spec = complete_learner(
            Spec::parse("score-optimal:end=sigma-min,probes=200,batch=50," + keys), target->process());
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *source);
        return score_optimal_schedule(costs, spec, target->process());
    };
    const LearnedSchedule collapsed = learn("grid=rho,knots=11,iterations=25");
    EXPECT_NE(collapsed.provenance.at("warning").get<std::string>().find("clean end"), std::string::npos);
    EXPECT_EQ(collapsed.provenance.at("past").size(), 25U);
    EXPECT_LT(collapsed.curve.length.back() / 8, 5);  // 8 = sqrt(64) axes; the path is 9.54 long
    for (const char* keys : {"grid=rho,knots=11,iterations=25,weight=geometric",
                             "grid=rho,knots=11,iterations=1", "spacing=0.1"})
        EXPECT_EQ(learn(keys).provenance.at("warning"), "") << keys;
}

/// N sum L -> Lambda^2, and no schedule has a lower sum at N = 100 (closed forms; notes, 2.2).
TEST(Placement, LearnedKnotsHaveTheLeastSumOfCosts) {
    const auto process = NoiseProcess(Spec::parse("continuous"));
    for (double c : {0.2, 0.5, 1.0}) {
        const auto target = make_exact(Spec::parse("exact:gaussian,dim=64,c=" + format_number(c)));
        const Spec spec =
            complete_learner(Spec::parse("score-optimal:probes=200,spacing=0.05,end=sigma-min"), process);
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *exact_source(target, 200));
        const LearnedSchedule learned = score_optimal_schedule(costs, spec, process);
        const auto sum = [&](const Schedule& schedule) {
            double out = 0;
            for (size_t i = 0; i + 1 < schedule.effective.size(); ++i)
                out += gaussian_cost(c, schedule.effective[i + 1], schedule.effective[i],
                                     schedule.effective[i + 1] * schedule.effective[i + 1]);
            return out;
        };
        const auto length = [&](double t) { return 2 * (std::asinh(t / c) - t / std::hypot(c, t)); };
        const double total = length(80) - length(0.002);
        for (int steps : {100, 1000})
            EXPECT_NEAR(steps * sum(place(learned, spec, process, {.steps = steps})) / (total * total), 1,
                        steps == 100 ? 0.2 : 0.03)
                << c;
        const double ours = sum(place(learned, spec, process, {.steps = 100}));
        for (const char* other : {"edm", "edm:rho=3", "edm:rho=100", "log-linear", "arctan", "uniform-t"}) {
            Spec name = Spec::parse(other);
            name.set("end", SpecValue::of_text("sigma-min"));
            EXPECT_LT(ours, sum(build_schedule(name, process, {.steps = 100}))) << other << " " << c;
        }
    }
}

/// The stated error of a knot is the spread of that knot over seeds.
TEST(Placement, ErrorsOfKnots) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.1]"));
    std::vector<RunningMean> logs(6), stated(6);
    for (uint64_t seed = 0; seed < 60; ++seed) {
        const Spec spec = complete_learner(
            Spec::parse("score-optimal:probes=200,spacing=0.3,sigma-min=0.05,sigma-max=10,seed=" +
                        std::to_string(seed)),
            target->process());
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *exact_source(target, 200, 500 + seed));
        const LearnedSchedule learned = score_optimal_schedule(costs, spec, target->process());
        const auto levels = levels_from_curve(learned.curve, 6, "zero");
        const auto errors = knot_errors(learned, 6, "zero", "test");
        ASSERT_EQ(errors.size(), 7U);
        EXPECT_EQ(errors.front(), 0);
        EXPECT_EQ(errors[6], 0);
        for (size_t i = 1; i < 5; ++i) {
            logs[i].add(std::log(levels[i]));
            stated[i].add(errors[i] * errors[i]);
        }
    }
    for (size_t i = 1; i < 5; ++i) EXPECT_NEAR(std::sqrt(stated[i].mean / logs[i].variance()), 1, 0.35) << i;
}

}  // namespace
}  // namespace schedbench
