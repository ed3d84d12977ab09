// Training on a device (a fake one, tests/include/fake_device.h): the weights of the CPU, continued bit for
// bit, and one wait a step.
#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fake_device.h"
#include "plain_operations.h"
#include "training_fixture.h"

namespace schedbench {
namespace {

/// Largest difference, as a share of the way that Adam may go in the training.
double difference(const Parameters& got, const Parameters& want, const TrainOptions& o) {
    EXPECT_EQ(got.size(), want.size());
    double largest = 0;
    for (const auto& [name, value] : want) {
        EXPECT_EQ(got.at(name).device(), at::Device(at::kCPU)) << name;
        largest = std::max(largest, (got.at(name) - value).abs().max().item<double>());
    }
    return largest / (o.learning_rate * static_cast<double>(o.steps));
}

/// LibTorch does not sum gradients in the same order for every device.
constexpr double kTolerance = 1e-3;

class DeviceTraining : public tiny::TinyTraining {
  protected:
    TrainOptions options(const std::string& name, const std::string& device) const {
        TrainOptions o = TinyTraining::options(name);
        o.device = device;
        return o;
    }
    static std::string fake() { return fake_device::device().str(); }
    const PlainOperations plain_;
};

TEST_P(DeviceTraining, GivesTheWeightsOfTheCpuAndContinues) {
    const TrainResult want = train(options("cpu", "cpu")), got = train(options("device", fake()));
    EXPECT_LE(difference(got.ema, want.ema, options("", "cpu")), kTolerance);
    ASSERT_EQ(got.curve.size(), want.curve.size());
    for (size_t i = 0; i < want.curve.size(); ++i) {
        EXPECT_EQ(got.curve[i].first, want.curve[i].first);
        EXPECT_NEAR(got.curve[i].second, want.curve[i].second, kTolerance * want.curve[i].second);
    }
    EXPECT_THROW(train(options("stopped", fake()), 5), std::runtime_error);
    EXPECT_EQ(difference(train(options("stopped", fake())).ema, got.ema, options("", "cpu")), 0);
}

TEST_P(DeviceTraining, WaitsOnceAStep) {
    const auto traffic_of = [&](int64_t steps) {
        TrainOptions o = options("traffic" + std::to_string(steps), fake());
        o.steps = steps;
        o.checkpoint_every = 1000;
        fake_device::reset();
        train(o);
        return fake_device::traffic();
    };
    const fake_device::Traffic short_one = traffic_of(12), long_one = traffic_of(20);
    EXPECT_EQ(long_one.reads, short_one.reads);
    EXPECT_EQ(long_one.waits, short_one.waits);
    // vlb also keeps the losses of the levels.
    EXPECT_EQ(long_one.to_host - short_one.to_host, GetParam() == Objective::vlb ? 16 : 8);
}

INSTANTIATE_TEST_SUITE_P(Objectives, DeviceTraining,
                         ::testing::Values(Objective::simple, Objective::hybrid, Objective::vlb,
                                           Objective::edm),
                         [](const auto& instance) { return objective_name(instance.param); });

class OtherDeviceTraining : public tiny::TrainingFolder {
  protected:
    void compare(const TrainableNetwork& net, TrainOptions o) const {
        const PlainOperations plain;
        o.steps = 8;
        o.batch = 8;
        o.warmup = 2;
        o.checkpoint = (folder_ / "cpu").string();
        const TrainResult want = train(net, o);
        o.checkpoint = (folder_ / "device").string();
        o.device = fake_device::device().str();
        const TrainResult got = train(net, o);
        EXPECT_LE(difference(got.ema, want.ema, o), kTolerance);
        for (const char* name : {"cpu", "device"}) std::filesystem::remove(folder_ / name);
        ASSERT_EQ(got.schedule.has_value(), want.schedule.has_value());
        if (got.schedule) {
            EXPECT_FALSE(got.schedule->log().empty());
            const std::vector<double>&levels = got.schedule->installed().sigma,
                  &wanted = want.schedule->installed().sigma;
            ASSERT_EQ(levels.size(), wanted.size());
            for (size_t i = 0; i < wanted.size(); ++i)
                EXPECT_NEAR(levels[i], wanted[i], kTolerance * wanted[i]);
        }
    }
};

TEST_F(OtherDeviceTraining, LearnedLevels) {
    const auto net = trainable_unet(tiny::description(Objective::edm));
    TrainOptions o;
    o.schedule = complete_training_schedule(
                     Spec::parse("adaptive:levels=4,least=2,burn-in=1,gamma=0.5,start={log-linear}"),
                     NoiseProcess(net->process()), "test")
                     .print();
    compare(*net, o);
}

TEST_F(OtherDeviceTraining, ClassesAndNetworksOfTheEdmProject) {
    NetworkDescription description = tiny::description(Objective::edm);
    description.config.num_classes = 2;
    compare(*trainable_unet(description), {});
    for (const char* type : {"SongUNet", "DhariwalUNet"})
        compare(*trainable_edm({{"class", "EDMPrecond"},
                                {"img_resolution", 8},
                                {"img_channels", 1},
                                {"label_dim", 2},
                                {"model_type", type},
                                {"model_channels", 32},
                                {"channel_mult", {1, 2}},
                                {"num_blocks", 1},
                                {"attn_resolutions", {4}},
                                {"dropout", 0}},
                               "test"),
                {});
}

}  // namespace
}  // namespace schedbench
