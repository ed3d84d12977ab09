// A folder for checkpoints, and a training of the tiny network that can be stopped.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "tiny_network.h"

namespace schedbench::tiny {

class TrainingFolder : public ::testing::Test {
  protected:
    void SetUp() override {
        at::set_num_threads(1);
        std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
        for (char& letter : name)
            if (letter == '/') letter = '-';
        folder_ = std::filesystem::temp_directory_path() / ("schedbench-" + name);
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// Throws std::runtime_error at the checkpoint of step `stop_at`.
    static TrainResult train(const TrainableNetwork& net, const TrainOptions& o, int64_t stop_at = -1) {
        const Dataset data = images(40);
        return train_network(net, *dataset_source(data), o, nullptr, [&](int64_t step, const Parameters&) {
            if (step == stop_at) throw std::runtime_error("stopped");
        });
    }
    std::filesystem::path folder_;
};

/// With improved-diffusion's U-Net and the objective that is the parameter.
class TinyTraining : public TrainingFolder, public ::testing::WithParamInterface<Objective> {
  protected:
    TrainOptions options(const std::string& name) const {
        TrainOptions o;
        o.objective = GetParam();
        o.steps = 12;
        o.batch = 8;
        o.warmup = 2;
        o.checkpoint_every = 5;
        o.checkpoint = (folder_ / name).string();
        return o;
    }
    static TrainResult train(const TrainOptions& o, int64_t stop_at = -1) {
        return TrainingFolder::train(*trainable_unet(description(GetParam())), o, stop_at);
    }
};

}  // namespace schedbench::tiny
