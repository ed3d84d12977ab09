#include "train/trainer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "training_fixture.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

using TrainerTest = tiny::TinyTraining;

TEST_P(TrainerTest, AContinuedRunEndsWithTheSameBits) {
    const TrainResult whole = train(options("whole"));
    for (int64_t stop : {5, 10}) {
        fs::remove(folder_ / "part");
        EXPECT_THROW(train(options("part"), stop), std::runtime_error);
        const TrainResult part = train(options("part"));
        ASSERT_EQ(part.ema.size(), whole.ema.size());
        for (const auto& [name, value] : whole.ema)
            EXPECT_TRUE(at::equal(value, part.ema.at(name))) << name << " after a stop at " << stop;
        EXPECT_EQ(part.curve, whole.curve);
    }
}

TEST_P(TrainerTest, OtherSettingsAreRefused) {
    train(options("state"));
    TrainOptions other = options("state");
    other.learning_rate *= 2;
    EXPECT_THROW(train(other), Error);
}

TEST_P(TrainerTest, TheLossFalls) {
    if (GetParam() == Objective::vlb) GTEST_SKIP() << "its sampler needs many more steps to warm up";
    TrainOptions o = options("long");
    o.steps = 200;
    o.batch = 16;
    o.learning_rate = 3e-3;
    o.checkpoint_every = 200;
    const TrainResult result = train(o);
    double first = 0, last = 0;
    for (size_t i = 0; i < 20; ++i)
        first += result.curve[i].second, last += result.curve[result.curve.size() - 1 - i].second;
    EXPECT_LT(last, 0.9 * first);
}

INSTANTIATE_TEST_SUITE_P(Objectives, TrainerTest,
                         ::testing::Values(Objective::simple, Objective::hybrid, Objective::vlb,
                                           Objective::edm),
                         [](const auto& instance) { return objective_name(instance.param); });

TEST(Trainer, ImagesThatDoNotFitAreRefused) {
    NetworkDescription d = tiny::description(Objective::edm);
    d.image_size = 16;
    const Dataset data = tiny::images(4);
    EXPECT_THROW(train_network(*trainable_unet(d), *dataset_source(data), TrainOptions{}, nullptr, nullptr),
                 Error);
}

}  // namespace
}  // namespace schedbench
