// On a CUDA device, label gpu; without one every test is skipped with the reason. What these tests show has
// not been seen until they have run on a device (README, "On a GPU").
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "core/cuda_library.h"
#include "core/cuda_plugin.h"
#include "core/device.h"
#include "core/device_traffic.h"
#include "core/error.h"
#include "core/normal_draws.h"
#include "models/graphed_denoiser.h"
#include "models/native.h"
#include "samplers/sampler.h"

namespace schedbench {
namespace {

class OnDevice : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        setenv("SCHEDBENCH_CUDA_PLUGIN", SCHEDBENCH_PLUGIN, 0);
        try {
            runtime_ = apply_runtime({"cuda", 0, "reproducible"});
        } catch (const Error& e) {
            reason_ = e.message();
        }
    }
    void SetUp() override {
        if (!runtime_) GTEST_SKIP() << "no CUDA device: " << reason_;
    }
    void need_plugin() const {
        if (!cuda_plugin()) GTEST_SKIP() << provenance(*runtime_).at("cuda_plugin");
    }
    at::Device device() const { return at::Device(runtime_->device); }

    static std::shared_ptr<const Denoiser> network(const char* file) {
        const Spec spec = Spec::parse("native:file='" + std::string(SCHEDBENCH_SOURCE_DIR) + file + "'");
        return load_native(complete(spec, native_entries()[0], "test"), "test");
    }
    static Schedule schedule_of(const Denoiser& model, int steps) {
        return build_schedule(Spec::parse("edm"), model.process(), {steps, TimeRule::nearest, true}, "test");
    }
    static at::Tensor sampled(const char* sampler, const Denoiser& model, int steps, int64_t images,
                              const StepObserver& observer = {}) {
        std::vector<int64_t> ids;
        for (int64_t i = 0; i < images; ++i) ids.push_back(i);
        const PhiloxNoise noise(0, ids, model.shape(), model.device());
        return make_sampler(Spec::parse(sampler))
            ->sample(model, schedule_of(model, steps), noise, noise.labels(model.classes()), observer);
    }

    static std::optional<RuntimeSettings> runtime_;
    static std::string reason_;
};
std::optional<RuntimeSettings> OnDevice::runtime_;
std::string OnDevice::reason_;

constexpr const char* kNetworks[] = {"/weights/fashion-edm.safetensors",
                                     "/weights/fashion-hybrid.safetensors"};

TEST_F(OnDevice, IsNamedInTheIdentity) {
    EXPECT_NE(stack_identity(*runtime_).find("device=cuda:" + runtime_->device_name), std::string::npos);
    EXPECT_EQ(stack_identity(*runtime_).find("threads="), std::string::npos);
    for (const char* key : {"device_name", "cuda_driver", "cuda", "cudnn", "cuda_plugin"})
        EXPECT_TRUE(provenance(*runtime_).contains(key)) << key;
}

TEST_F(OnDevice, NoiseHasTheHostsBits) {
    const std::vector<int64_t> ids{0, 3, (int64_t{1} << 40) + 1};
    for (const int64_t elements : {1, 5, 3072}) {
        const NormalDraws host(7, ids, {elements}, at::kCPU);
        for (const DrawPath path : {DrawPath::tensor, DrawPath::kernel}) {
            if (path == DrawPath::kernel && !cuda_plugin()) continue;
            const NormalDraws there(7, ids, {elements}, device(), path);
            const at::Tensor want = host.draw(NoisePurpose::step, 2),
                             got = there.draw(NoisePurpose::step, 2).to(at::kCPU);
            EXPECT_TRUE(at::equal(got.view(at::kInt), want.view(at::kInt)))
                << (path == DrawPath::kernel ? "kernel" : "tensor operations") << ", off by "
                << (got - want).abs().max().item<float>();
        }
    }
}

// IEEE float32 on both, but sums in another order: a trajectory of 18 steps keeps them together.
TEST_F(OnDevice, QuickstartAgreesWithTheCpu) {
    for (const char* file : kNetworks) {
        const auto cpu = network(file);
        const auto there = on_device(cpu, device());
        const at::Tensor want = sampled("heun", *cpu, 18, 64),
                         got = sampled("heun", *there, 18, 64).to(at::kCPU);
        const double rms = (got - want).square().mean().sqrt().item<double>(),
                     most = (got - want).abs().max().item<double>();
        std::cout << file << ": CPU against " << runtime_->device_name << ", rms " << rms << ", largest "
                  << most << "\n";
        EXPECT_LT(rms, 1e-4) << file;
        EXPECT_LT(most, 1e-2) << file;
    }
}

TEST_F(OnDevice, GraphsGiveTheSameBits) {
    need_plugin();
    for (const char* file : kNetworks) {
        const auto plain = on_device(network(file), device());
        std::string reason;
        const auto recorded = graphed(plain, cuda_graphs(), reason);
        ASSERT_EQ(reason, "");
        for (const char* sampler : {"heun", "dpmpp-3m", "ddpm"})
            EXPECT_TRUE(at::equal(sampled(sampler, *recorded, 8, 64), sampled(sampler, *plain, 8, 64)))
                << file << " " << sampler;
    }
}

TEST_F(OnDevice, NoStepWaitsOrAllocates) {
    const auto plain = on_device(network(kNetworks[0]), device());
    std::vector<std::shared_ptr<const Denoiser>> models{plain};
    if (cuda_plugin()) models.push_back(std::make_shared<GraphedDenoiser>(plain, cuda_graphs()));
    for (const auto& model : models)
        for (const char* sampler : {"heun", "ddpm"}) {
            sampled(sampler, *model, 6, 64);  // warm
            const TrafficCounter counter(device());
            DeviceTraffic before;
            sampled(sampler, *model, 6, 64, [&](int knot, const at::Tensor&) {
                const DeviceTraffic now = counter.now(), step = now - before;
                before = now;
                if (knot == 0) return;
                EXPECT_FALSE(step.stalled()) << sampler << ", step " << knot << ": " << traffic_text(step);
                EXPECT_EQ(step.segments, 0) << sampler << ", step " << knot;
            });
        }
}

}  // namespace
}  // namespace schedbench
