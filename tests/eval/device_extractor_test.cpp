// Extractors on a device (a fake one, tests/include/fake_device.h), given images there or here: the features
// of the CPU, and BlockFinisher's path to them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <unistd.h>

#include <filesystem>

#include "eval/extractor.h"
#include "eval/resize.h"
#include "fake_device.h"
#include "inception_weights.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

class DeviceExtractor : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::path(SCHEDBENCH_BINARY_DIR) / ("device_extractor_" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
        at::manual_seed(4);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string file(const std::string& name) const { return (folder_ / name).string(); }

    /// The largest difference between the features of the CPU and the device's, of images here and there,
    /// relative to the largest feature.
    static double difference(const std::string& text, const at::Tensor& pixels) {
        const Spec spec = Spec::parse(text, "--extractor");
        const auto here = make_extractor(spec),
                   there = make_extractor(spec, "--extractor", fake_device::device());
        EXPECT_EQ(here->spec(), there->spec());
        const at::Tensor want = here->features(pixels);
        double worst = 0;
        for (const at::Tensor& images : {pixels, pixels.to(fake_device::device())}) {
            const at::Tensor got = there->features(images);
            EXPECT_TRUE(got.device().is_cpu());
            worst = std::max(worst, (got - want).abs().max().item<double>());
        }
        return worst / want.abs().max().item<double>();
    }

    std::filesystem::path folder_;
};

TEST_F(DeviceExtractor, ClassifierAndPixels) {
    const at::Tensor pixels = at::randint(256, {5, 1, 32, 32}, at::kByte);
    EXPECT_EQ(difference("pixels:size=32,channels=1", pixels), 0);
    EXPECT_LT(difference("classifier:file='" SCHEDBENCH_SOURCE_DIR "/weights/fashion32.safetensors'", pixels),
              1e-6);
}

TEST_F(DeviceExtractor, InceptionWithoutTheCpusFusedLayers) {
    write_safetensors(file("inception.safetensors"), inception_weights::all(), {});
    const at::Tensor pixels = at::randint(256, {2, 3, 32, 32}, at::kByte);
    for (const std::string pipeline : {"tf1", "clean"})
        EXPECT_LT(difference(
                      "inception:file='" + file("inception.safetensors") + "',layer=all,pipeline=" + pipeline,
                      pixels),
                  2e-5)
            << pipeline;
}

TEST_F(DeviceExtractor, TorchScript) {
    torch::jit::Module m("Net");
    m.register_parameter("weight", at::randn({7, 3, 3, 3}), false);
    m.define("def forward(self, x):\n    return torch.conv2d(x, self.weight).mean([2, 3])\n");
    m.save(file("net.pt"));
    EXPECT_LT(
        difference("torchscript:file='" + file("net.pt") + "'", at::randint(256, {3, 3, 16, 16}, at::kByte)),
        1e-6);
}

TEST_F(DeviceExtractor, Tf1ResizingHasEqualBits) {
    for (const auto& [height, width, channels] :
         {std::array<int64_t, 3>{32, 32, 3}, {17, 40, 1}, {300, 299, 3}, {1, 1, 3}}) {
        const at::Tensor pixels = at::randint(256, {2, channels, height, width}, at::kByte);
        const at::Tensor there = resize_for(Pipeline::tf1, pixels.to(fake_device::device()), 299);
        EXPECT_FALSE(there.device().is_cpu());
        EXPECT_TRUE(at::equal(there.to(at::kCPU), resize_for(Pipeline::tf1, pixels, 299)))
            << height << "x" << width;
    }
}

}  // namespace
}  // namespace schedbench
