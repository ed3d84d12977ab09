// Training of EDM's networks: the loss is the inference path's, its gradient that of finite differences, the
// initial values follow the original's laws, and a patch is the same network on rearranged pixels.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/edm_denoiser.h"
#include "models/safetensors.h"
#include "training_fixture.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

nlohmann::json config_of(const std::string& model_type, int64_t patch = 2) {
    return {
        {"class", "EDMPrecond"},   {"model_type", model_type}, {"img_resolution", 8},    {"img_channels", 1},
        {"label_dim", 2},          {"model_channels", 16},     {"channel_mult", {1, 2}}, {"num_blocks", 1},
        {"attn_resolutions", {2}}, {"dropout", 0.1},           {"patch", patch}};
}

/// Parameters without the near-zeros at which training starts, so that every path counts.
Parameters random_parameters(const TrainableNetwork& net, uint64_t seed) {
    Parameters out = checked_parameters(net.parameter_shapes(), net.initial_parameters(seed), "test");
    at::manual_seed(seed);
    for (auto& [name, value] : out)
        if (net.is_trained(name)) value.add_(at::randn_like(value), 0.1);
    return out;
}

TrainingBatch batch_of(int64_t size) {
    at::manual_seed(5);
    TrainingBatch batch;
    batch.x0 = at::rand({size, 1, 8, 8}) * 2 - 1;
    batch.noise = at::randn_like(batch.x0);
    batch.normal = at::randn({size}, at::kDouble);
    batch.uniform = at::rand({size}, at::kDouble);
    batch.labels = at::arange(size) % 2;
    return batch;
}

at::Tensor loss_of(const TrainableNetwork& net, const Parameters& parameters, const TrainingBatch& batch) {
    LossSecondMoment moments(1);
    return objective_loss(Objective::edm, net, NoiseProcess(net.process()), parameters, batch, moments, 0);
}

class EdmTraining : public tiny::TrainingFolder, public ::testing::WithParamInterface<const char*> {
  protected:
    std::shared_ptr<const TrainableNetwork> net_ = trainable_edm(config_of(GetParam()), "test");
};

TEST_P(EdmTraining, TheLossIsThatOfTheFileThatIsWritten) {
    const Parameters parameters = random_parameters(*net_, 3);
    const std::string path = (folder_ / "net.safetensors").string();
    write_safetensors(path, {parameters.begin(), parameters.end()}, net_->metadata());
    const auto model =
        load_native(complete(Spec::parse("native:file='" + path + "'"), native_entries().front(), ""), "");

    const TrainingBatch batch = batch_of(6);
    const at::Tensor sigma = at::exp(1.2 * batch.normal - 1.2);
    const at::Tensor x = batch.x0 + sigma.to(at::kFloat).reshape({-1, 1, 1, 1}) * batch.noise;
    const at::Tensor x0 = (*model)(x, sigma, at::log(sigma) / 4, batch.labels).x0;
    const at::Tensor weight = (sigma.square() + 0.25) / (sigma * 0.5).square();
    const double expected =
        (weight * (x0 - batch.x0).to(at::kDouble).square().flatten(1).mean(1)).mean().item<double>();
    EXPECT_NEAR(loss_of(*net_, parameters, batch).item<double>() / expected, 1, 1e-6);
}

TEST_P(EdmTraining, TheGradientIsThatOfFiniteDifferences) {
    Parameters parameters = random_parameters(*net_, 4);
    for (auto& [name, value] : parameters)
        value = value.to(at::kDouble).requires_grad_(net_->is_trained(name));
    const TrainingBatch batch = batch_of(3);
    loss_of(*net_, parameters, batch).backward();
    // Along a random direction in each parameter by itself, so that no path can hide behind a larger one.
    for (const auto& [name, value] : parameters) {
        if (!net_->is_trained(name)) continue;
        const at::Tensor direction = at::randn_like(value);
        const auto at_step = [&](double step) {
            const c10::NoGradGuard no_grad;
            Parameters moved = parameters;
            moved[name] = value + step * direction;
            return loss_of(*net_, moved, batch).item<double>();
        };
        constexpr double kStep = 1e-5;
        const double slope = (at_step(kStep) - at_step(-kStep)) / (2 * kStep);
        const double expected = (value.grad() * direction).sum().item<double>();
        EXPECT_NEAR(slope, expected, 1e-5 * std::abs(expected) + 1e-7) << name;
    }
}

TEST_P(EdmTraining, AContinuedRunEndsWithTheSameBitsAndBuffersStay) {
    TrainOptions o;
    o.steps = 7;
    o.batch = 4;
    o.warmup = 2;
    o.checkpoint_every = 3;
    o.bf16 = true;
    const auto train = [&](const std::string& name, int64_t stop_at) {
        o.checkpoint = (folder_ / name).string();
        return TrainingFolder::train(*net_, o, stop_at);
    };
    const TrainResult whole = train("whole", -1);
    EXPECT_THROW(train("part", 3), std::runtime_error);
    const TrainResult part = train("part", -1);
    const Parameters start = net_->initial_parameters(o.seed);
    for (const auto& [name, value] : whole.ema) {
        EXPECT_TRUE(at::equal(value, part.ema.at(name))) << name;
        EXPECT_EQ(at::equal(value, start.at(name)), !net_->is_trained(name)) << name;
    }
    EXPECT_EQ(part.curve, whole.curve);
}

TEST_P(EdmTraining, APatchIsTheSameNetworkOnRearrangedPixels) {
    const Parameters parameters = random_parameters(*net_, 6);
    nlohmann::json plain = config_of(GetParam(), 1);
    plain["img_resolution"] = 4, plain["img_channels"] = 4;
    const auto inner = trainable_edm(plain, "test");
    ASSERT_EQ(inner->parameter_shapes(), net_->parameter_shapes());
    EXPECT_EQ(inner->macs(), net_->macs());
    const TrainingBatch batch = batch_of(3);
    const at::Tensor sigma = at::exp(batch.normal);
    const at::Tensor whole = net_->denoise(parameters, batch.x0, sigma, sigma, batch.labels).x0;
    const at::Tensor parts =
        inner->denoise(parameters, at::pixel_unshuffle(batch.x0, 2), sigma, sigma, batch.labels).x0;
    EXPECT_LT((at::pixel_shuffle(parts, 2) - whole).abs().max().item<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Families, EdmTraining, ::testing::Values("SongUNet", "DhariwalUNet"),
                         [](const auto& instance) { return std::string(instance.param); });

double variance(const at::Tensor& value) {
    return value.to(at::kDouble).square().mean().item<double>();
}

TEST(EdmInitialValues, FollowTheLawsOfTheOriginal) {
    nlohmann::json config = config_of("SongUNet", 1);
    config["model_channels"] = 32, config["embedding_type"] = "fourier";
    const Parameters song = trainable_edm(config, "test")->initial_parameters(1);
    const std::string block = "model.dec.4x4_in0.";
    // Xavier: 2/(fan in + fan out) with 9 taps on each side, times the layer's factor squared.
    EXPECT_NEAR(variance(song.at(block + "conv0.weight")) / (2.0 / (9 * 128)), 1, 0.03);
    EXPECT_NEAR(variance(song.at(block + "conv1.weight")) / (1e-10 * 2.0 / (9 * 128)), 1, 0.03);
    EXPECT_NEAR(variance(song.at(block + "qkv.weight")) / (0.2 * 2.0 / (64 + 192)), 1, 0.06);
    EXPECT_EQ(variance(song.at(block + "conv0.bias")), 0);
    EXPECT_EQ(variance(song.at(block + "norm0.weight")), 1);
    EXPECT_NEAR(variance(song.at("model.map_noise.freqs")) / 256, 1, 0.8);
    EXPECT_EQ(variance(song.at("model.enc.4x4_down.conv0.resample_filter")), 0.0625);

    config = config_of("DhariwalUNet", 1);
    config["model_channels"] = 32;
    const Parameters adm = trainable_edm(config, "test")->initial_parameters(1);
    EXPECT_NEAR(variance(adm.at(block + "conv0.weight")) / (1.0 / 3 / (9 * 64)), 1, 0.03);
    EXPECT_NEAR(variance(adm.at(block + "conv0.bias")) / (1.0 / 3 / (9 * 64)), 1, 0.5);
    EXPECT_EQ(variance(adm.at(block + "proj.weight")), 0);
    EXPECT_NEAR(variance(adm.at("model.map_label.weight")), 1, 0.4);
}

TEST(EdmInitialValues, OtherWrappersAreRefused) {
    nlohmann::json config = config_of("SongUNet");
    config["class"] = "VPPrecond";
    EXPECT_THROW(trainable_edm(config, "test"), Error);
}

}  // namespace
}  // namespace schedbench
