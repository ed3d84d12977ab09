// Objectives against closed forms: a network with its initial values predicts zero, which makes every loss
// known.
#include "train/objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tiny_network.h"

namespace schedbench {
namespace {

/// A batch in which every image has the same value, with exact noise draws.
TrainingBatch batch_of(int64_t size, double value, uint64_t seed) {
    TrainingBatch batch;
    batch.x0 = at::full({size, 1, 8, 8}, value, at::kFloat);
    batch.noise = at::empty_like(batch.x0);
    batch.uniform = at::empty({size}, at::kDouble);
    batch.normal = at::empty({size}, at::kDouble);
    for (int64_t i = 0; i < size; ++i) {
        const NoiseKey key{seed, NoisePurpose::training};
        fill_normals(key, static_cast<uint64_t>(i), 0, {batch.noise.mutable_data_ptr<float>() + i * 64, 64});
        float u = 0, z = 0;
        fill_uniforms(key, static_cast<uint64_t>(i), 1, {&u, 1});
        fill_normals(key, static_cast<uint64_t>(i), 2, {&z, 1});
        batch.uniform[i] = static_cast<double>(u);
        batch.normal[i] = static_cast<double>(z);
    }
    return batch;
}

double loss_of(Objective objective, const TrainingBatch& batch, LossSecondMoment& moments) {
    const c10::NoGradGuard no_grad;
    const auto net = trainable_unet(tiny::description(objective));
    const Parameters parameters =
        checked_parameters(net->parameter_shapes(), net->initial_parameters(1), "test");
    return objective_loss(objective, *net, NoiseProcess(net->process()), parameters, batch, moments, 0)
        .item<double>();
}

TEST(Objective, SimpleIsTheMeanSquareOfTheNoiseWhenNothingIsPredicted) {
    const TrainingBatch batch = batch_of(64, 0.3, 1);
    LossSecondMoment moments(40);
    const double expected = batch.noise.to(at::kDouble).square().mean().item<double>();
    // The loss goes through x = x0 + sigma n in float32: at sigma_1 = 0.07 that costs a few 1e-6.
    EXPECT_NEAR(loss_of(Objective::simple, batch, moments), expected, 1e-4);
}

TEST(Objective, EdmHasTheClosedFormOfThePreconditioning) {
    const TrainingBatch batch = batch_of(64, 0.3, 2);
    LossSecondMoment moments(1);
    const double sd = 0.5;
    double expected = 0;
    for (int64_t i = 0; i < 64; ++i) {
        const double sigma = std::exp(1.2 * batch.normal[i].item<double>() - 1.2),
                     skip = sd * sd / (sigma * sigma + sd * sd);
        const double weight = (sigma * sigma + sd * sd) / (sigma * sigma * sd * sd);
        const at::Tensor error = (skip - 1) * 0.3 + skip * sigma * batch.noise[i].to(at::kDouble);
        expected += weight * error.square().mean().item<double>() / 64;
    }
    EXPECT_NEAR(loss_of(Objective::edm, batch, moments) / expected, 1, 1e-5);
}

/// KL of the posterior of t against the model with x0hat = x (no noise predicted) and variance half way in
/// the logarithm.
double vlb_term(const NoiseProcess& process, int t, double x0, const at::Tensor& noise) {
    const double sigma = process.sigma(t);
    const double small = process.posterior_variance(std::max(t, 2) - 1, std::max(t, 2)),
                 large = process.beta(t - 1, t);
    const double model = std::exp(0.5 * (std::log(small) + std::log(large)));
    const double a = std::sqrt(process.abar(t - 1)) * process.beta(t - 1, t) / process.one_minus_abar(t);
    double total = 0;
    for (int64_t i = 0; i < 64; ++i) {
        const double difference =
            -a * sigma * noise.flatten()[i].item<double>();  // a (x0 - x0hat), x0hat = x0 + sigma n
        total += 0.5 * (std::log(model / small) + small / model - 1 + difference * difference / model) / 64;
    }
    return total / std::numbers::ln2 + 0 * x0;
}

TEST(Objective, HybridAddsTheBoundWithItsMeanFrozen) {
    const NoiseProcess process(Spec::parse("linear:T=40"));
    TrainingBatch batch = batch_of(16, 0.25, 3);
    for (int64_t i = 0; i < 16; ++i)
        batch.uniform[i] = (static_cast<double>(i) + 2.5) / 40;  // t = 3 .. 18: never the decoder
    LossSecondMoment moments(40);
    double expected = 0;
    for (int64_t i = 0; i < 16; ++i)
        expected += batch.noise[i].to(at::kDouble).square().mean().item<double>() / 16 +
                    0.001 * 40 * vlb_term(process, static_cast<int>(i) + 3, 0.25, batch.noise[i]) / 16;
    EXPECT_NEAR(loss_of(Objective::hybrid, batch, moments) / expected, 1, 1e-4);
}

TEST(Objective, TheImportanceSamplerIsUnbiased) {
    LossSecondMoment moments(5);
    EXPECT_FALSE(moments.warmed_up());
    for (double p : moments.probabilities()) EXPECT_DOUBLE_EQ(p, 0.2);
    for (int64_t k = 0; k < LossSecondMoment::kHistory; ++k)
        for (int64_t t = 1; t <= 5; ++t) moments.update(t, static_cast<double>(t));
    ASSERT_TRUE(moments.warmed_up());
    const auto p = moments.probabilities();
    double sum = 0, mean = 0;
    for (int t = 1; t <= 5; ++t) {
        const double q = p[static_cast<size_t>(t) - 1];
        sum += q;
        mean += q * (1 / (5 * q)) * t;  // importance weight 1/(T p): the plain mean of 1..5 comes back
        EXPECT_NEAR(q, 0.999 * t / 15 + 0.001 / 5, 1e-12);
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_NEAR(mean, 3, 1e-12);
    // The oldest of ten losses is replaced.
    for (int64_t k = 0; k < LossSecondMoment::kHistory; ++k) moments.update(1, 0);
    EXPECT_NEAR(moments.probabilities()[0], 0.0002, 1e-12);
}

TEST(Objective, VlbUpdatesTheSamplerWithEveryLoss) {
    const TrainingBatch batch = batch_of(32, 0.1, 4);
    LossSecondMoment moments(40);
    EXPECT_TRUE(std::isfinite(loss_of(Objective::vlb, batch, moments)));
    EXPECT_EQ(moments.counts.sum().item<int64_t>(), 32);
}

TEST(Objective, UnknownNamesAreListed) {
    EXPECT_THROW(parse_objective("smple", "--objective"), std::exception);
}

}  // namespace
}  // namespace schedbench
