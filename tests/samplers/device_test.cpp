// Sampling on a device (a fake one, tests/include/fake_device.h): every sampler on real networks gives the
// bits of the CPU, and no step copies anything between host and device, reads a value or waits.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <iostream>

#include "device_cases.h"
#include "fake_device.h"
#include "models/exact.h"
#include "plain_operations.h"
#include "sampler_specs.h"

namespace schedbench {
namespace {

using namespace device_cases;

/// Samples on the device and on the CPU; what the steps after the first cost the device.
fake_device::Traffic compare(const Sampler& sampler, const Denoiser& cpu, const Denoiser& device,
                             const Schedule& schedule, const std::string& what) {
    const std::vector<int64_t> ids{5, (int64_t{1} << 40) + 3};
    const PhiloxNoise here(11, ids, cpu.shape()), there(11, ids, cpu.shape(), device.device());
    at::Tensor want;
    {
        const PlainOperations plain;
        want = sampler.sample(cpu, schedule, here, here.labels(cpu.classes()));
    }
    fake_device::Traffic steps;
    std::string stalled;
    const int last = schedule.steps();
    const at::Tensor got = sampler.sample(
        device, schedule, there, there.labels(cpu.classes()), [&](int knot, const at::Tensor& x) {
            EXPECT_EQ(x.device(), device.device()) << what;
            if (knot == 1) fake_device::reset();
            if (knot == last) steps = fake_device::traffic(), stalled = fake_device::stalled_in();
        });
    EXPECT_TRUE(at::equal(got.to(at::kCPU), want)) << what << ": " << (got.to(at::kCPU) - want).abs().max();
    EXPECT_FALSE(steps.stalls()) << what << ": " << stalled;
    EXPECT_GT(steps.kernels, 0) << what;
    return steps;
}

// Small networks: a second thread only waits for the first.
const bool one_thread = (at::set_num_threads(1), true);

TEST(FakeDevice, RefusesAndCounts) {
    const at::Device device = fake_device::device();
    const at::Tensor host = at::arange(6, at::kFloat);
    fake_device::reset();
    const at::Tensor x = host.to(device);
    EXPECT_EQ(fake_device::traffic().to_device, 1);
    EXPECT_THROW(x + host, c10::Error);
    EXPECT_TRUE(at::equal((x + 1).to(at::kCPU), host + 1));
    EXPECT_EQ(fake_device::traffic().to_host, 1);
    EXPECT_EQ(x.sum().item<float>(), 15);
    EXPECT_EQ(fake_device::traffic().reads, 1);
    EXPECT_TRUE(fake_device::traffic().stalls());
    EXPECT_EQ(at::arange(4, at::device(device)).sum().item<int64_t>(), 6);
}

TEST(DeviceNoise, TensorOperationsGiveTheHostsBits) {
    const std::vector<int64_t> ids{
        0, 1, 77, (int64_t{1} << 32) - 1, int64_t{1} << 32, (int64_t{1} << 56) - 1};
    int64_t checked = 0;
    for (const uint64_t seed :
         {uint64_t{0}, uint64_t{1}, uint64_t{0xFFFFFFFFFFFFFFFF}, uint64_t{0x123456789ABCDEF0}})
        for (const at::Device device : {at::Device(at::kCPU), fake_device::device()})
            for (const int64_t elements : {1, 2, 3, 4, 5, 1023, 3072}) {
                const NormalDraws host(seed, ids, {elements}, at::kCPU, DrawPath::host);
                const NormalDraws tensor(seed, ids, {elements}, device, DrawPath::tensor);
                for (const uint32_t draw : {0u, 1u, 0xFFFFFFFFu}) {
                    const at::Tensor words = tensor.words(NoisePurpose::step, draw).to(at::kCPU).contiguous();
                    for (size_t i = 0; i < ids.size(); ++i)
                        for (const int64_t block : {int64_t{0}, (elements - 1) / 4}) {
                            const auto want =
                                noise_words({seed, NoisePurpose::step}, static_cast<uint64_t>(ids[i]), draw,
                                            static_cast<uint32_t>(block));
                            const auto got = words.select(0, static_cast<int64_t>(i)).select(0, block);
                            for (int64_t k = 0; k < 4; ++k)
                                ASSERT_EQ(got[k].item<int64_t>(),
                                          static_cast<int64_t>(want[static_cast<size_t>(k)]));
                        }
                    const at::Tensor want = host.draw(NoisePurpose::step, draw),
                                     got = tensor.draw(NoisePurpose::step, draw).to(at::kCPU);
                    ASSERT_TRUE(at::equal(got.view(at::kInt), want.view(at::kInt)))
                        << (got - want).abs().max() << " of " << elements;
                    checked += want.numel();
                }
            }
    std::cout << "normals by tensor operations: " << checked << " equal to the host's bits\n";
}

TEST(DeviceNoise, PublishedSeedsComeFromAGeneratorOfTheDevice) {
    const EdmNoise here(7, {0, 1}, {3, 8, 8}, 10), there(7, {0, 1}, {3, 8, 8}, 10, fake_device::device());
    EXPECT_EQ(there.latent().device(), fake_device::device());
    EXPECT_TRUE(at::equal(there.latent().to(at::kCPU), here.latent()));
    EXPECT_TRUE(at::equal(there.labels(10).to(at::kCPU), here.labels(10)));
    EXPECT_TRUE(at::equal(there.step(2).to(at::kCPU), here.step(2)));
}

TEST(DeviceSampling, EverySamplerOnANetwork) {
    int64_t runs = 0;
    const auto run = [&](const std::string& file, const std::vector<std::string>& specs,
                         const std::string& end) {
        const auto cpu = network(std::string(SCHEDBENCH_SOURCE_DIR) + file);
        const auto device = on_device(cpu, fake_device::device());
        const Schedule schedule = schedule_for(*cpu, 4, end);
        for (const std::string& spec : specs) {
            const auto sampler = make_sampler(Spec::parse(spec));
            if (!fits(*sampler, *cpu, schedule)) continue;
            compare(*sampler, *cpu, *device, schedule, file + " " + spec + " end " + end);
            ++runs;
        }
    };
    std::vector<std::string> families;
    for (const SamplerFamily& family : sampler_families()) families.push_back(family.entry.name);
    run("/weights/fashion-hybrid.safetensors", probe::all_variants(), "zero");
    run("/weights/fashion-edm.safetensors", families, "sigma-min");
    run("/tests/golden/nets/edm_ddpmpp_cond.safetensors", families, "zero");
    std::cout << "samplers on the device: " << runs << " runs equal to the CPU's bits, no stall in a step\n";
    EXPECT_GT(runs, 100);
}

TEST(DeviceSampling, EveryNetwork) {
    int64_t checked = 0;
    for (const Named& net : networks()) {
        const auto device = on_device(net.model, fake_device::device());
        const Schedule schedule = schedule_for(*net.model, 3);
        for (const char* spec : {"dpmpp-2m", "ddpm"}) {
            const auto sampler = make_sampler(Spec::parse(spec));
            if (!fits(*sampler, *net.model, schedule)) continue;
            compare(*sampler, *net.model, *device, schedule, net.name + " " + spec);
        }
        ++checked;
    }
    std::cout << "networks on the device: " << checked << "\n";
    EXPECT_GE(checked, 10);
}

TEST(DeviceSampling, ExactTargetsAndWrappers) {
    for (const char* spec :
         {"exact:gaussian,c=0.5,dim=3", "exact:mixture,means=[-1,0.5,1],widths=[0.1]", "exact:cantor"}) {
        const std::shared_ptr<const Denoiser> plain = make_exact(Spec::parse(spec));
        for (const auto& cpu : {plain, clip_denoiser(plain), threshold_denoiser(plain, 0.9, 1)}) {
            const auto device = on_device(cpu, fake_device::device());
            const Schedule schedule = schedule_for(*cpu, 3);
            for (const char* sampler : {"heun:s-churn=3", "pc", "afs:sampler={dpmpp-2m}"})
                compare(*make_sampler(Spec::parse(sampler)), *cpu, *device, schedule,
                        cpu->spec() + " " + sampler);
        }
    }
}

TEST(DeviceSampling, ASamplerMayBeAskedFromTheHost) {
    const auto cpu = network(std::string(SCHEDBENCH_SOURCE_DIR) + "/weights/fashion-edm.safetensors");
    const auto host = host_denoiser(on_device(cpu, fake_device::device()));
    EXPECT_TRUE(host->device().is_cpu());
    EXPECT_EQ(host_denoiser(cpu), cpu);
    const at::Tensor x = PhiloxNoise(1, {0, 1}, cpu->shape()).latent() * 3;
    const PlainOperations plain;
    EXPECT_TRUE(at::equal(denoise_at(*host, x, cpu->process().locate(3)).x0,
                          denoise_at(*cpu, x, cpu->process().locate(3)).x0));
}

}  // namespace
}  // namespace schedbench
