// Costs: closed forms on Gaussian data, estimators over seeds, networks, blocks, and what must be refused.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "gaussian_cost.h"
#include "learn/corrector_cost.h"
#include "learn/flow_jacobian.h"
#include "learn/learner.h"
#include "models/mlp.h"
#include "models/native.h"

namespace schedbench {
namespace {

using closed_form::gaussian_cost;

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

/// Passes on the denoiser of an exact target in float32, as a network would: no closed form of the score
/// shows.
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
    const auto target =
        make_exact(Spec::parse("exact:mixture,means=[-1,0,1,0.5,0.2,-0.7],widths=[0.3],dim=3"));
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

/// A U-Net of a few thousand parameters: products with its Jacobian against finite differences and each
/// other, and the predictor cost through them.
TEST(Costs, JacobiansOfANetwork) {
    NetworkDescription d;
    d.config.in_channels = d.config.out_channels = 1;
    d.config.model_channels = 8;
    d.config.channel_mult = {1, 2};
    d.config.num_res_blocks = 1;
    d.config.attention_resolutions = {2};
    d.config.num_heads = 2;
    d.config.num_groups = 4;
    d.image_size = 4;
    d.prediction = NetworkDescription::Prediction::edm;
    d.process = NoiseProcess(Spec::parse("continuous")).spec();
    const UNet net(d.config);
    Parameters parameters = checked_parameters(net, net.initial_parameters(5), "test");
    for (auto& [name, value] : parameters)  // layers begin at zero, which would leave nothing to test
        value = value + 0.03 * at::sin(at::arange(value.numel(), at::kFloat)).reshape(value.sizes());
    const NativeDenoiser model(d, parameters, "tiny", "");
    const PathPoint to = path_point(PathForm::ve, model.process().locate(0.8)),
                    from = path_point(PathForm::ve, model.process().locate(0.9));
    const auto wave = [](double pitch) {
        return at::sin(pitch * at::arange(2 * 16, at::kDouble)).reshape({2, 1, 4, 4});
    };
    const at::Tensor x = wave(0.7);
    const auto step = [&](const at::Tensor& at_x) {
        return predictor_step(at_x, path_score(model, at_x, from, {}), to, from);
    };
    const at::Tensor leaf = x.clone().requires_grad_(true);
    const FlowJacobian jacobian(leaf, step(leaf));
    const at::Tensor u = wave(1.3).flatten(1), w = wave(0.4).flatten(1);
    const at::Tensor ju = jacobian.times(w), jtu = jacobian.transposed(u);
    const double left = (u * ju).sum().item<double>(), right = (jtu * w).sum().item<double>();
    EXPECT_NEAR(left, right, 1e-4 * std::abs(left));
    {
        const c10::NoGradGuard no_grad;
        // Central differences of a float32 network: rounding / h and h^2 meet near h = 3e-3.
        const double h = 3e-3;
        const at::Tensor w4 = w.reshape(x.sizes());
        const at::Tensor difference = ((step(x + h * w4) - step(x - h * w4)) / (2 * h)).flatten(1);
        EXPECT_LT((difference - ju).abs().max().item<double>(), 5e-3 * ju.abs().max().item<double>());
    }
    const TransposedSolve solve = jacobian.solve_transposed(u, 1e-5, 100, "test");
    EXPECT_LT((jacobian.transposed(solve.solution) - u).norm().item<double>(),
              1e-4 * u.norm().item<double>());
    EXPECT_THROW(jacobian.solve_transposed(u, 1e-5, 1, "test"), Error);
}

/// Solves and probes in place of the dense inverse and determinant: without bias, within the standard error
/// over seeds that the values themselves state.
TEST(Costs, TheIterativePredictorOfANetworkHasNoBias) {
    Preconditioning d;
    d.prediction = Preconditioning::Prediction::edm;
    d.process = NoiseProcess(Spec::parse("continuous")).spec();
    d.image_size = 1;
    const auto net = std::make_shared<const Mlp>(MlpConfig{6, 24, 1, 1, 1});
    Parameters parameters = net->initial_parameters(5);
    parameters["out.weight"] =
        0.3 * at::sin(at::arange(6 * 24, at::kFloat)).reshape({6, 24});  // zero at first: nothing to test
    const NativeDenoiser model(d, net, parameters, "tiny", "");
    const PathPoint to = path_point(PathForm::ve, model.process().locate(0.8)),
                    from = path_point(PathForm::ve, model.process().locate(1.0));
    const at::Tensor x = at::sin(0.7 * at::arange(2 * 6, at::kDouble)).reshape({2, 6, 1, 1});
    // Rows that differ in their probes alone.
    constexpr int64_t kDraws = 400;
    std::vector<int64_t> ids(kDraws);
    std::iota(ids.begin(), ids.end(), 0);
    for (int64_t row = 0; row < 2; ++row) {
        const at::Tensor one = x.narrow(0, row, 1);
        const at::Tensor dense =
                             predictor_values(model, one, to, from, {}, {}, {}, std::vector<int64_t>{0}, 0),
                         values = predictor_values(model, one.repeat({kDraws, 1, 1, 1}), to, from, {}, {},
                                                   {.dense_dims = 0, .probes = 4, .tolerance = 1e-5}, ids, 0);
        RunningMean few;
        for (int64_t i = 0; i < kDraws; ++i) few.add(values[i].item<double>());
        const double exact = dense.item<double>();
        std::printf("predictor cost of a network: dense %.6g, iterative %.6g +- %.2g\n", exact, few.mean,
                    few.standard_error());
        EXPECT_NEAR(few.mean, exact, 4.5 * few.standard_error() + 1e-4 * exact);
        EXPECT_LT(few.standard_error(), 0.2 * exact) << "too noisy to say anything";
    }
}

/// To first order in h, J^{-1} = 1 - h J' multiplies the cost of Gaussian data by (1 - t^2/c^2)^2
/// (notes, 2.4).
TEST(Costs, ThePredictorInverseIsNotLinearised) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const double t = 2, h = 0.02, c2 = 0.25, q = c2 + t * t, q1 = c2 + (t - h) * (t - h);
    const double exact =
        (t - h) * (t - h) * c2 * c2 * std::pow(h, 4) / (q1 * q1 * q * std::pow(c2 + t * (t - h), 2));
    const PathPoint to = path_point(PathForm::ve, target->process().locate(t - h)),
                    from = path_point(PathForm::ve, target->process().locate(t));
    const std::vector<int64_t> ids{0};
    const double ours =
        predictor_values(*target, at::full({1, 1}, std::sqrt(q), at::kDouble), to, from, {}, {}, {}, ids, 0)
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
            blocks.push_back(measure_cost_block(*target, *source, levels, options, b * 20,
                                                std::min<int64_t>(20, 90 - b * 20)));
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
        const Spec spec =
            complete_learner(Spec::parse("score-optimal:path=vp,probes=20,spacing=0.5,end=sigma-min,cost=" +
                                         std::string(cost)),
                             target->process());
        ScoreOptimalCosts costs;
        measure_score_optimal(costs, spec, *target, *exact_source(target, 20));
        EXPECT_EQ(costs.curve.means(), std::vector<double>(costs.curve.cost.size(), 0.0)) << cost;
        const LearnedSchedule learned = score_optimal_schedule(costs, spec, target->process());
        EXPECT_FALSE(learned.provenance.at("warning").get<std::string>().empty());
        // The schedule is left as it was: the grid's own spacing.
        const Schedule schedule = place(learned, spec, target->process(), {.steps = 4});
        for (int i = 0; i <= 4; ++i)
            EXPECT_NEAR(schedule.effective[static_cast<size_t>(i)] / (80 * std::pow(0.002 / 80, i / 4.0)), 1,
                        1e-9);
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
    const Broken nan([](const at::Tensor&x) { return x * std::nan(""); }),
        huge([](const at::Tensor&x) { return 1e30 * x.exp(); });
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
    const at::Tensor fine = predictor_values(
        *modes, middle, path_point(PathForm::ve, modes->process().locate(0.9)), far, {}, {}, {}, ids, 0);
    EXPECT_TRUE(std::isfinite(fine.item<double>()));
}

}  // namespace
}  // namespace schedbench
