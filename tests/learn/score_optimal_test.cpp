// score-optimal: closed forms on Gaussian data, estimators over seeds, placement, and what must be refused.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "learn/corrector_cost.h"
#include "learn/learner.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

/// VE, N(0, c^2): L = v^2 (t^2 - t'^2)^2 / (q'^2 q), q = c^2 + t^2.
double gaussian_cost(double c, double to, double from, double squared_weight) {
    const double q = c * c + from * from, q1 = c * c + to * to, gap = from * from - to * to;
    return squared_weight * gap * gap / (q1 * q1 * q);
}

TEST(Corrector, EveryIntervalAndVelocityOfAGaussian) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=20"));
    const auto source = exact_source(target, 500);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.01, 20, 0.3, false, "test");
    for (const char* weight : {"entered", "left", "geometric", "one", "data"}) {
        CostCurve curve;
        measure_cost(curve, *target, *source, levels,
                     {.velocity = parse_velocity(weight, 0.4, "test"), .probes = 500, .batch = 64});
        const std::string name = weight;
        for (size_t j = 0; j < curve.cost.size(); ++j) {
            const double to = curve.sigma[j], from = curve.sigma[j + 1];
            const double v2 = name == "entered" ? to * to
                              : name == "left"  ? from * from
                              : name == "one"   ? 1
                              : name == "data"  ? 0.16 + to * to
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

/// Passes on the denoiser of an exact target in float32, as a network would: no closed form of the score shows.
class AsNetwork final : public Denoiser {
  public:
    explicit AsNetwork(std::shared_ptr<const ExactTarget> target, at::ScalarType type = at::kDouble)
        : target_(std::move(target)), type_(type) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        return {(*target_)(x.to(type_).to(at::kDouble), levels, time, labels).x0.to(type_), {}};
    }
    const NoiseProcess& process() const override { return target_->process(); }
    std::vector<int64_t> shape() const override { return target_->shape(); }
    bool differentiable() const override { return true; }
    std::string spec() const override { return "network"; }

  private:
    std::shared_ptr<const ExactTarget> target_;
    at::ScalarType type_;
};

/// A denoiser made of a function of x.
class Broken final : public Denoiser {
  public:
    explicit Broken(std::function<at::Tensor(const at::Tensor&)> f) : f_(std::move(f)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor&, const at::Tensor&,
                              const at::Tensor&) const override {
        return {f_(x), {}};
    }
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {1}; }
    std::string spec() const override { return "broken"; }

  private:
    std::function<at::Tensor(const at::Tensor&)> f_;
    NoiseProcess process_{Spec::parse("continuous")};
};

TEST(Costs, ANetworkThatComputesTheExactScoreGivesTheAnalyticCosts) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,0,1,0.5],widths=[0.3],dim=2"));
    const auto source = exact_source(target, 200);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.3, 5, 0.4, false, "test");
    for (PathForm form : {PathForm::ve, PathForm::vp})
        for (auto cost : {CostOptions::Cost::corrector, CostOptions::Cost::predictor}) {
            CostOptions options{.cost = cost, .form = form, .probes = 200, .batch = 200};
            CostCurve analytic, network, single;
            measure_cost(analytic, *target, *source, levels, options);
            measure_cost(network, AsNetwork(target), *source, levels, options);
            for (size_t j = 0; j < analytic.cost.size(); ++j)
                EXPECT_NEAR(network.cost[j].mean / analytic.cost[j].mean, 1, 1e-9) << j;
            if (cost == CostOptions::Cost::predictor) continue;
            measure_cost(single, AsNetwork(target, at::kFloat), *source, levels, options);
            for (size_t j = 0; j < analytic.cost.size(); ++j)
                EXPECT_NEAR(single.cost[j].mean / analytic.cost[j].mean, 1, 1e-4) << j;
        }
}

/// In the space of the network: products with the Jacobian and solves give what the dense form gives.
TEST(Costs, IterativePredictorAgreesWithTheDenseOne) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,0,1,0.5,0.2,-0.7],widths=[0.3],dim=3"));
    const int64_t n = 400;
    std::vector<int64_t> ids(static_cast<size_t>(n));
    std::iota(ids.begin(), ids.end(), 0);
    const PathPoint to = path_point(PathForm::ve, target->process().locate(0.8)),
                    from = path_point(PathForm::ve, target->process().locate(1.0));
    const at::Tensor x = noised_at(target->sample_data({3, NoisePurpose::selection}, ids), from, 3, ids, 0);
    const at::Tensor dense = predictor_values(*target, x, to, from, {}, {}, {}, ids, 0);
    const at::Tensor few = predictor_values(*target, x, to, from, {}, {},
                                            {.dense_dims = 0, .probes = 64, .tolerance = 1e-10}, ids, 0);
    const double spread = (few - dense).std().item<double>() / std::sqrt(static_cast<double>(n));
    EXPECT_LT(std::abs((few - dense).mean().item<double>()), 4 * spread);
    EXPECT_LT(spread * std::sqrt(static_cast<double>(n)), dense.mean().item<double>());
    // float32, as a network computes: the same within its rounding.
    const at::Tensor single = predictor_values(AsNetwork(target, at::kFloat), x, to, from, {}, {},
                                               {.dense_dims = 0, .probes = 64, .tolerance = 1e-5}, ids, 0);
    EXPECT_NEAR(single.mean().item<double>() / few.mean().item<double>(), 1, 1e-2);
}

/// To first order in h, J^{-1} = 1 - h J' multiplies the cost of Gaussian data by (1 - t^2/c^2)^2 (notes, 2.4).
TEST(Costs, ThePredictorInverseIsNotLinearised) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const double t = 2, h = 0.02, c2 = 0.25, q = c2 + t * t, q1 = c2 + (t - h) * (t - h);
    const double exact = (t - h) * (t - h) * c2 * c2 * std::pow(h, 4) / (q1 * q1 * q * std::pow(c2 + t * (t - h), 2));
    const PathPoint to = path_point(PathForm::ve, target->process().locate(t - h)),
                    from = path_point(PathForm::ve, target->process().locate(t));
    const std::vector<int64_t> ids{0};
    const double ours = predictor_values(*target, at::full({1, 1}, std::sqrt(q), at::kDouble), to, from, {}, {}, {},
                                         ids, 0)
                            .item<double>();
    EXPECT_NEAR(ours / exact, 1, 1e-9);
}

/// Over many seeds the mean lies within its own stated error, and the spread is the stated one.
TEST(Costs, StatedErrorsHoldOverSeeds) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.1]"));
    const std::vector<LocatedLevel> levels{target->process().locate(0.5), target->process().locate(1)};
    const double exact[] = {1.262262927, 0.1653094021};  // notes, section 5
    for (auto cost : {CostOptions::Cost::corrector, CostOptions::Cost::predictor}) {
        RunningMean values, stated, z;
        const double expected = exact[cost == CostOptions::Cost::corrector ? 0 : 1];
        for (uint64_t seed = 0; seed < 200; ++seed) {
            CostCurve curve;
            measure_cost(curve, *target, *exact_source(target, 2000, 1000 + seed), levels,
                         {.cost = cost, .probes = 2000, .batch = 500, .seed = seed});
            const double se = curve.cost[0].standard_error();
            values.add(curve.cost[0].mean);
            stated.add(se * se);
            z.add((curve.cost[0].mean - expected) / se);
            EXPECT_LT(std::abs(curve.cost[0].mean - expected), 4 * se) << seed;
        }
        EXPECT_NEAR(std::sqrt(values.variance() / stated.mean), 1, 0.2);
        EXPECT_LT(std::abs(z.mean), 0.3);
        EXPECT_NEAR(std::sqrt(z.variance()), 1, 0.2);
    }
}

TEST(Costs, NeitherOrderNorSizeOfBlocksMatters) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1]"));
    const auto source = exact_source(target, 90);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.05, 5, 0.5, false, "test");
    const CostOptions options{.probes = 90, .batch = 20};
    CostCurve whole, shards;
    measure_cost(whole, *target, *source, levels, options);
    // Three ranks take turns at the blocks and hand them in out of order.
    shards.sigma = whole.sigma;
    shards.cost.resize(whole.cost.size());
    std::vector<CostBlock> blocks;
    for (int64_t rank : {2, 0, 1})
        for (int64_t b = rank; b * 20 < 90; b += 3)
            blocks.push_back(
                measure_cost_block(*target, *source, levels, options, b * 20, std::min<int64_t>(20, 90 - b * 20)));
    shards.merge(blocks);
    EXPECT_EQ(shards.means(), whole.means());
    EXPECT_EQ(shards.length_se(), whole.length_se());
    EXPECT_THROW(shards.add(blocks[0]), Error);  // twice
    for (int64_t batch : {1, 7, 90}) {
        CostCurve other;
        measure_cost(other, *target, *source, levels, {.probes = 90, .batch = batch});
        for (size_t j = 0; j < whole.cost.size(); ++j) {
            EXPECT_NEAR(other.cost[j].mean / whole.cost[j].mean, 1, 1e-12);
            EXPECT_NEAR(other.cost[j].standard_error() / whole.cost[j].standard_error(), 1, 1e-9);
        }
    }
}

TEST(Costs, TheStoppingRuleLooksAtMergedBlocksOnly) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=50"));
    const auto source = exact_source(target, 4000);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.05, 5, 0.5, false, "test");
    CostCurve curve;
    std::vector<double> errors;
    measure_cost(curve, *target, *source, levels, {.probes = 4000, .batch = 20, .tolerance = 0.004},
                 [&](const CostCurve& c) {
                     errors.push_back(c.length_se().back() / c.length().back());
                     return true;
                 });
    ASSERT_GE(errors.size(), 4U);
    EXPECT_LE(errors.back(), 0.004);
    for (size_t b = 3; b + 1 < errors.size(); ++b) EXPECT_GT(errors[b], 0.004);
    EXPECT_LT(curve.probes, 4000);
}

TEST(Costs, TheVariancePreservingPathOfUnitGaussianDataCostsNothing) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=1,dim=3"));
    for (const char* cost : {"corrector", "predictor"}) {
        const Spec spec = complete_learner(
            Spec::parse("score-optimal:path=vp,probes=20,spacing=0.5,end=sigma-min,cost=" + std::string(cost)),
            target->process());
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *exact_source(target, 20));
        EXPECT_EQ(costs.curve.means(), std::vector<double>(costs.curve.cost.size(), 0.0)) << cost;
        const LearnedSchedule learned = score_optimal_schedule(costs, spec, target->process());
        EXPECT_FALSE(learned.provenance.at("warning").get<std::string>().empty());
        // The schedule is left as it was: the grid's own spacing.
        const Schedule schedule = place(learned, spec, target->process(), {.steps = 4});
        for (int i = 0; i <= 4; ++i)
            EXPECT_NEAR(schedule.effective[static_cast<size_t>(i)] / (80 * std::pow(0.002 / 80, i / 4.0)), 1, 1e-9);
    }
}

TEST(Costs, FaultyModelsAndRangesAreNamed) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const auto source = exact_source(target, 8);
    const std::vector<LocatedLevel> levels = probe_grid(target->process(), 0.1, 1, 0.5, false, "test");
    const auto fault = [&](const Denoiser& model, const CostOptions& options) {
        CostCurve curve;
        try {
            measure_cost(curve, model, *source, levels, options);
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("no error");
    };
    const Broken nan([](const at::Tensor& x) { return x * std::nan(""); }),
        huge([](const at::Tensor& x) { return 1e30 * x.exp(); });
    EXPECT_NE(fault(nan, {.probes = 8}).find("not finite"), std::string::npos);
    EXPECT_NE(fault(huge, {.probes = 8}).find("without bound"), std::string::npos);
    EXPECT_NE(fault(nan, {.cost = CostOptions::Cost::predictor, .probes = 8}).find("derivatives"),
              std::string::npos);
    EXPECT_NE(fault(*target, {.probes = 0}).find("at least 1"), std::string::npos);
    CostCurve curve;
    EXPECT_THROW(measure_cost(curve, *target, *source, {levels[0]}, {.probes = 8}), Error);
    EXPECT_THROW(probe_grid(target->process(), 0.001, 1, 0.1, false, "test"), Error);
    EXPECT_THROW(probe_grid(target->process(), 0.01, 100, 0.1, false, "test"), Error);
    EXPECT_THROW(probe_grid(target->process(), 1, 1, 0.1, false, "test"), Error);
    // Two far-apart modes fold under a wide Euler step.
    const auto modes = make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.3]"));
    const at::Tensor middle = at::zeros({1, 1}, at::kDouble);
    const std::vector<int64_t> ids{0};
    const PathPoint far = path_point(PathForm::ve, modes->process().locate(1.0));
    const at::Tensor fine = predictor_values(*modes, middle, path_point(PathForm::ve, modes->process().locate(0.9)),
                                             far, {}, {}, {}, ids, 0);
    EXPECT_TRUE(std::isfinite(fine.item<double>()));
}

/// Costs of fourth order: with the square root as length and no damping, updates swing between two schedules for
/// ever; damping, or the fourth root, settles on equal costs.
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

/// Few knots, updated again and again under the paper's weight, leave the clean end; this is said. Reading few knots
/// off the default grid, or the symmetric weight, does not.
TEST(Iteration, TheCollapseOfTheCleanEndIsReported) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=64"));
    const auto source = exact_source(target, 200);
    const auto learn = [&](const std::string& keys) {
        const Spec spec = complete_learner(Spec::parse("score-optimal:end=sigma-min,probes=200,batch=50," + keys),
                                           target->process());
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *source);
        return score_optimal_schedule(costs, spec, target->process());
    };
    const LearnedSchedule collapsed = learn("grid=rho,knots=11,iterations=25");
    EXPECT_NE(collapsed.provenance.at("warning").get<std::string>().find("clean end"), std::string::npos);
    EXPECT_EQ(collapsed.provenance.at("past").size(), 25U);
    EXPECT_LT(collapsed.curve.length.back() / 8, 5);  // 8 = sqrt(64) axes; the path is 9.54 long
    for (const char* keys : {"grid=rho,knots=11,iterations=25,weight=geometric", "grid=rho,knots=11,iterations=1",
                             "spacing=0.1"})
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
