// BlockFinisher: what reaches the store is what sampling, quantising and extracting one after the other give.
#include "harness/block_finisher.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/error.h"
#include "core/spec.h"
#include "core/stopwatch.h"
#include "fake_device.h"
#include "models/denoiser.h"
#include "models/native.h"

namespace schedbench {
namespace {

struct Stored {
    std::vector<int64_t> ids, labels;
    std::vector<uint8_t> images;
    std::vector<float> features;
    int64_t calls = 0;
};

SampledBlock sampled(int64_t first, int64_t rows, std::vector<int64_t> keep) {
    SampledBlock block;
    block.first = first;
    block.keep = std::move(keep);
    block.x = at::randn({rows, 1, 8, 8}, at::kDouble);
    block.labels = at::randint(10, {rows}, at::kLong);
    block.network_calls = first + 1;
    return block;
}

void add_to(Stored& stored, const SampleBlock& block) {
    stored.ids.insert(stored.ids.end(), block.ids.begin(), block.ids.end());
    stored.labels.insert(stored.labels.end(), block.labels.begin(), block.labels.end());
    stored.images.insert(stored.images.end(), block.images.begin(), block.images.end());
    stored.features.insert(stored.features.end(), block.features.begin(), block.features.end());
    stored.calls += block.network_calls;
}

TEST(BlockFinisher, TheSinkGetsWhatOneAfterTheOtherGives) {
    at::manual_seed(1);
    const auto extractor = make_extractor(Spec::parse("pixels:size=8,channels=1"));
    Stored stored, expected;
    BlockFinisher finisher(QuantiseRule::round_half_up, extractor.get(), true,
                           [&](const SampleBlock& block, const at::Tensor& pixels) {
                               EXPECT_EQ(pixels.size(0), static_cast<int64_t>(block.ids.size()));
                               std::this_thread::sleep_for(std::chrono::milliseconds(3));
                               add_to(stored, block);
                           });
    for (int64_t n = 0; n < 12; ++n) {
        // Whole blocks, and one that keeps its tail only.
        const SampledBlock block = n % 3 == 2 ? sampled(8 * n, 8, {8 * n + 5, 8 * n + 6, 8 * n + 7})
                                              : sampled(8 * n, 8,
                                                        {8 * n, 8 * n + 1, 8 * n + 2, 8 * n + 3, 8 * n + 4,
                                                         8 * n + 5, 8 * n + 6, 8 * n + 7});
        const at::Tensor pixels = quantise(block.x), features = extractor->features(pixels);
        for (const int64_t id : block.keep) {
            const at::Tensor image = pixels[id - block.first].flatten().contiguous(),
                             feature = features[id - block.first].contiguous();
            expected.ids.push_back(id);
            expected.labels.push_back(block.labels[id - block.first].item<int64_t>());
            expected.images.insert(expected.images.end(), image.const_data_ptr<uint8_t>(),
                                   image.const_data_ptr<uint8_t>() + 64);
            expected.features.insert(expected.features.end(), feature.const_data_ptr<float>(),
                                     feature.const_data_ptr<float>() + feature.numel());
        }
        expected.calls += block.network_calls;
        finisher.add(block);
    }
    finisher.finish();
    EXPECT_EQ(stored.ids, expected.ids);
    EXPECT_EQ(stored.labels, expected.labels);
    EXPECT_EQ(stored.images, expected.images);
    EXPECT_EQ(stored.features, expected.features);
    EXPECT_EQ(stored.calls, expected.calls);
}

// On a device everything after the last step happens on the worker's thread and stream.
TEST(BlockFinisher, ADevicesBlocksAreTheHosts) {
    at::manual_seed(2);
    const auto here = make_extractor(
                   Spec::parse("classifier:file=" SCHEDBENCH_SOURCE_DIR "/weights/fashion32.safetensors")),
               there = make_extractor(
                   Spec::parse("classifier:file=" SCHEDBENCH_SOURCE_DIR "/weights/fashion32.safetensors"),
                   "--extractor", fake_device::device());
    std::vector<SampledBlock> blocks;
    for (int64_t n = 0; n < 4; ++n) {
        blocks.push_back(sampled(4 * n, 4,
                                 n == 2 ? std::vector<int64_t>{10, 11}
                                        : std::vector<int64_t>{4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3}));
        blocks.back().x = at::randn({4, 1, 32, 32}, at::kDouble);
    }
    Stored host, device;
    BlockFinisher on_host(QuantiseRule::round_half_up, here.get(), true,
                          [&](const SampleBlock& block, const at::Tensor&) { add_to(host, block); });
    for (const SampledBlock& block : blocks) on_host.add(block);
    on_host.finish();
    for (SampledBlock& block : blocks) {
        block.x = block.x.to(fake_device::device());
        block.labels = block.labels.to(fake_device::device());
    }
    const std::thread::id sampling = std::this_thread::get_id();
    BlockFinisher on_device(QuantiseRule::round_half_up, there.get(), true,
                            [&](const SampleBlock& block, const at::Tensor& pixels) {
                                EXPECT_NE(std::this_thread::get_id(), sampling);
                                EXPECT_TRUE(pixels.device().is_cpu());
                                add_to(device, block);
                            });
    for (const SampledBlock& block : blocks) on_device.add(block);
    on_device.finish();
    EXPECT_EQ(device.ids, host.ids);
    EXPECT_EQ(device.labels, host.labels);
    EXPECT_EQ(device.images, host.images);
    ASSERT_EQ(device.features.size(), host.features.size());
    for (size_t i = 0; i < host.features.size(); ++i) EXPECT_NEAR(device.features[i], host.features[i], 1e-5);
}

// Its time in the network is the device's own.
TEST(BlockFinisher, TimeOfADeviceComesFromItsEvents) {
    const Spec spec = Spec::parse("native:file=" SCHEDBENCH_SOURCE_DIR "/weights/fashion-edm.safetensors");
    CountingDenoiser counted(on_device(load_native(complete(spec, native_entries().at(0), "test"), "test"),
                                       fake_device::device()));
    const auto options = at::TensorOptions().device(fake_device::device()).dtype(at::kDouble);
    const Stopwatch watch;
    for (int i = 0; i < 3; ++i)
        counted(at::ones({2, 1, 32, 32}, options), at::ones({2}, options), at::zeros({2}, options), {});
    EXPECT_EQ(counted.calls(), 3);
    EXPECT_GT(counted.seconds(), 0);
    EXPECT_LE(counted.seconds(), watch.seconds());
    counted.reset();
    EXPECT_EQ(counted.seconds(), 0);
}

TEST(BlockFinisher, WritesBesideSampling) {
    // Ten blocks whose writing takes 20 ms, given every 20 ms: beside each other half the time of one after
    // the other. 300 of 400 ms leave room for a busy machine.
    double best = 1;
    for (int attempt = 0; attempt < 5 && best > 0.3; ++attempt) {
        const auto start = std::chrono::steady_clock::now();
        BlockFinisher finisher(QuantiseRule::round_half_up, nullptr, true,
                               [&](const SampleBlock&, const at::Tensor&) {
                                   std::this_thread::sleep_for(std::chrono::milliseconds(20));
                               });
        for (int n = 0; n < 10; ++n) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            finisher.add(sampled(4 * n, 4, {4 * n}));
        }
        finisher.finish();
        best =
            std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    EXPECT_LT(best, 0.3);
}

TEST(BlockFinisher, ErrorsOfImageAndStoreReachTheSweep) {
    BlockFinisher finisher(QuantiseRule::round_half_up, nullptr, false,
                           [](const SampleBlock& block, const at::Tensor&) {
                               EXPECT_TRUE(block.images.empty());
                               throw Error("store", "no space left", "work.h5");
                           });
    SampledBlock bad = sampled(0, 2, {0, 1});
    bad.x[1].fill_(NAN);
    EXPECT_THROW(finisher.add(bad), Error);
    finisher.add(sampled(0, 2, {0, 1}));
    try {
        finisher.finish();
        FAIL();
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("no space left"), std::string::npos);
    }
}

}  // namespace
}  // namespace schedbench
