// Levels learned during training: the estimator against closed forms, the rules of algorithm 2, continuation.
#include "train/adaptive_schedule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "gaussian_cost.h"
#include "training_fixture.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;
using closed_form::gaussian_cost;

NoiseProcess continuous() {
    return NoiseProcess(Spec::parse("continuous"));
}

AdaptiveSchedule make(const std::string& text, const NoiseProcess& process = continuous()) {
    return {complete_training_schedule(Spec::parse(text), process, "test"), process};
}

TEST(AdaptiveSchedule, ItUpdatesOnceEveryIntervalHasItsValuesAfterTheBurnIn) {
    AdaptiveSchedule schedule = make("adaptive:levels=5,least=3,burn-in=10,gamma=1,start={log-linear}");
    const auto fill = [&](size_t level, int count) {
        for (int i = 0; i < count; ++i) schedule.add(level, 1.0);
    };
    for (size_t level = 1; level < 4; ++level) fill(level, 4);
    fill(4, 3);
    EXPECT_FALSE(schedule.update(100));  // the last interval has not more than 3
    fill(4, 1);
    EXPECT_FALSE(schedule.update(9));  // burn-in
    const std::vector<double> before = schedule.installed().sigma;
    EXPECT_TRUE(schedule.update(10));
    for (size_t i = 0; i < before.size(); ++i)  // equal costs leave equal ratios as they are
        EXPECT_NEAR(schedule.installed().sigma[i] / before[i], 1, 1e-9);
    for (const RunningMean& cost : schedule.installed().cost) EXPECT_EQ(cost.n, 0);
    ASSERT_EQ(schedule.log().size(), 1U);
    EXPECT_EQ(schedule.log()[0].step, 10);
    EXPECT_EQ(schedule.log()[0].length, 4);
    EXPECT_EQ(schedule.log()[0].energy, 4);
    EXPECT_FALSE(schedule.update(11));
    for (size_t level = 1; level < 5; ++level)
        for (int i = 0; i < 4; ++i) schedule.add(level, level == 2 ? 0.0 : 1.0);
    EXPECT_FALSE(schedule.update(12));  // a cost of zero says nothing
}

/// The schedule after `updates` updates with the exact costs of N(0, 0.5^2).
AdaptiveSchedule updated(const std::string& text, int64_t updates) {
    AdaptiveSchedule schedule = make(text + ",least=1,burn-in=0,start={edm}");
    for (int64_t step = 1; step <= updates; ++step) {
        const std::vector<double> sigma = schedule.installed().sigma;
        for (size_t level = 1; level < sigma.size(); ++level)
            for (int i = 0; i < 2; ++i)
                schedule.add(level, gaussian_cost(0.5, sigma[level - 1], sigma[level],
                                                  schedule.squared_velocity(level)));
        EXPECT_TRUE(schedule.update(step));
    }
    return schedule;
}

TEST(AdaptiveSchedule, ACollapseOfTheCleanEndIsReportedAndOnlyThat) {
    const AdaptiveSchedule collapsed = updated("adaptive:levels=11,gamma=0.5", 60);
    EXPECT_GT(collapsed.installed().sigma[1], 2);  // the continuum's is 0.9
    EXPECT_NE(collapsed.advice().find("left the clean end"), std::string::npos) << collapsed.advice();
    EXPECT_EQ(collapsed.learned().provenance.at("warning"), collapsed.advice());
    EXPECT_EQ(updated("adaptive:levels=11,gamma=0.5,weight=geometric", 60).advice(), "");
    const auto log =
        updated("adaptive:levels=11,weight=geometric", 450).log_json();  // thinned, with both ends
    EXPECT_LE(log.size(), 150U);
    EXPECT_EQ(log.front().at("step"), 1);
    EXPECT_EQ(log.back().at("step"), 450);
    EXPECT_EQ(updated("adaptive:levels=101,gamma=1", 1).advice(), "");  // the optimum, wide last step and all
}

TEST(AdaptiveSchedule, BlendedUpdatesReachTheOptimumOfGaussianData) {
    AdaptiveSchedule schedule = make(
        "adaptive:levels=65,least=1,burn-in=0,gamma=0.3,weight=geometric,start={edm:sigma-min=0.5,sigma-max="
        "20}");
    const double c = 1;
    for (int64_t step = 1; step <= 60; ++step) {
        const std::vector<double> sigma = schedule.installed().sigma;
        for (size_t level = 1; level < sigma.size(); ++level) {
            for (int i = 0; i < 2; ++i)
                schedule.add(
                    level, gaussian_cost(c, sigma[level - 1], sigma[level], sigma[level] * sigma[level - 1]));
        }
        ASSERT_TRUE(schedule.update(step));
    }
    const auto length = [&](double t) { return 2 * (std::asinh(t / c) - t / std::hypot(c, t)); };
    const std::vector<double>& sigma = schedule.installed().sigma;
    EXPECT_EQ(sigma.front(), 0.5);
    EXPECT_EQ(sigma.back(), 20);
    // What the updates settle on: equal costs. At 64 intervals that lies within a few percent of the
    // continuum.
    const auto cost = [&](size_t i) {
        return gaussian_cost(c, sigma[i - 1], sigma[i], sigma[i] * sigma[i - 1]);
    };
    for (size_t i = 1; i < sigma.size(); ++i) {
        EXPECT_NEAR(cost(i) / cost(32), 1, 1e-2) << i;
        EXPECT_NEAR((length(sigma[i]) - length(0.5)) / (length(20) - length(0.5)),
                    static_cast<double>(i) / 64, 0.05);
    }
    EXPECT_NEAR(schedule.log().back().length / (length(20) - length(0.5)), 1, 0.1);
    const LearnedSchedule learned = schedule.learned();
    EXPECT_EQ(levels_from_curve(learned.curve, 5, "zero").size(), 6U);
    EXPECT_EQ(learned.provenance.at("log").size(), 60U);
}

/// Length, conditioning times and tables change together or not at all.
TEST(AdaptiveSchedule, InstallingIsAllOrNothing) {
    for (const char* process : {"continuous", "linear:T=100"}) {
        const NoiseProcess noise(Spec::parse(process));
        AdaptiveSchedule schedule = make("adaptive:levels=6,start={log-linear}", noise);
        schedule.add(2, 0.5);
        const auto text = [&] {
            std::string out;
            const InstalledLevels& now = schedule.installed();
            for (size_t i = 0; i < now.sigma.size(); ++i)
                out += format_number(now.sigma[i]) + " " + format_number(now.model_time[i]) + " " +
                       format_number(now.point[i].sigma) + ";";
            for (const RunningMean& cost : now.cost) out += format_number(cost.mean);
            return out;
        };
        const std::string before = text();
        const double low = noise.sigma_min(), high = noise.sigma_max();
        for (const std::vector<double>& bad : {std::vector<double>{low, high},
                                               {low, high, 1},
                                               {low, std::nan(""), high},
                                               {low / 2, 1, high},
                                               {low, 1, 2 * high},
                                               {low, 1, 1, high}}) {
            EXPECT_THROW(schedule.install(bad), Error);
            EXPECT_EQ(text(), before);
        }
        // Another length: every table has it at once.
        schedule.install({low, 0.1, 0.5, 1, 2, 3, 4, 5, high});
        const InstalledLevels& now = schedule.installed();
        EXPECT_EQ(now.sigma.size(), 9U);
        EXPECT_EQ(now.model_time.size(), 9U);
        EXPECT_EQ(now.point.size(), 9U);
        EXPECT_EQ(now.cost.size(), 8U);
        for (size_t i = 0; i < 9; ++i)
            EXPECT_EQ(now.model_time[i], noise.locate(now.sigma[i], TimeRule::fractional).model_time);
        EXPECT_EQ(schedule.choose(1), 8U);
        EXPECT_EQ(schedule.choose(1e-9), 0U);
    }
}

TEST(AdaptiveSchedule, LevelsAreChosenEquallyOften) {
    const AdaptiveSchedule schedule = make("fixed:levels=7");
    std::vector<int> count(7);
    for (int i = 1; i <= 7000; ++i) ++count[schedule.choose(i / 7000.0)];
    EXPECT_EQ(count, std::vector<int>(7, 1000));
    EXPECT_FALSE(schedule.adapts());
}

TEST(AdaptiveSchedule, FaultsAreNamed) {
    for (const char* text :
         {"adaptive:levels=2", "adaptive:gamma=0", "adaptive:gamma=1.5", "adaptive:least=0",
          "adaptive:burn-in=-1", "adaptive:weight=other", "adaptive:interpolant=spline",
          "adaptive:start={nothing}", "fixed:gamma=1", "adapted"})
        EXPECT_THROW(make(text), Error) << text;
    AdaptiveSchedule schedule = make("adaptive:levels=5");
    EXPECT_THROW(schedule.add(1, std::nan("")), Error);
    EXPECT_THROW(schedule.learned(), Error);
    EXPECT_THROW(schedule.restore({}, "file"), Error);
    auto state = schedule.state();
    state["schedule/costs"] = at::zeros({3, 3}, at::kDouble);
    EXPECT_THROW(schedule.restore(state, "file"), Error);
    EXPECT_THROW(check_free_levels(Objective::hybrid, "test"), Error);
    check_free_levels(Objective::simple, "test");
}

class AdaptiveTraining : public tiny::TinyTraining {
  protected:
    TrainOptions options(const std::string& name, const std::string& schedule) const {
        TrainOptions o = TinyTraining::options(name);
        o.steps = 24;
        o.batch = 16;
        const NoiseProcess process(tiny::description(GetParam()).process);
        o.schedule = complete_training_schedule(Spec::parse(schedule), process, "test").print();
        return o;
    }
};

TEST_P(AdaptiveTraining, AContinuedRunHasTheSameScheduleBitForBit) {
    const std::string text = "adaptive:levels=6,least=4,burn-in=3,gamma=0.5,start={log-linear}";
    const TrainResult whole = train(options("whole", text));
    ASSERT_TRUE(whole.schedule);
    EXPECT_GE(whole.schedule->log().size(), 2U);
    EXPECT_NE(whole.schedule->installed().sigma,
              make(text, NoiseProcess(tiny::description(GetParam()).process)).installed().sigma);
    for (int64_t stop : {5, 10, 20}) {
        fs::remove(folder_ / "part");
        EXPECT_THROW(train(options("part", text), stop), std::runtime_error);
        const TrainResult part = train(options("part", text));
        for (const auto& [name, value] : whole.ema)
            EXPECT_TRUE(at::equal(value, part.ema.at(name))) << name << " after a stop at " << stop;
        const auto state = whole.schedule->state();
        for (const auto& [name, value] : part.schedule->state())
            EXPECT_TRUE(at::equal(value, state.at(name))) << name << " after a stop at " << stop;
    }
    TrainOptions other = options("whole", text + ",cap=5");
    EXPECT_THROW(train(other), Error);  // the checkpoint is of another schedule
}

TEST_P(AdaptiveTraining, FixedLevelsStay) {
    const TrainResult result = train(options("fixed", "fixed:levels=6,start={log-linear}"));
    EXPECT_TRUE(result.schedule->log().empty());
    EXPECT_EQ(result.schedule->installed().sigma,
              make("fixed:levels=6,start={log-linear}", NoiseProcess(tiny::description(GetParam()).process))
                  .installed()
                  .sigma);
}

INSTANTIATE_TEST_SUITE_P(Objectives, AdaptiveTraining, ::testing::Values(Objective::simple, Objective::edm),
                         [](const auto& instance) { return objective_name(instance.param); });

}  // namespace
}  // namespace schedbench
