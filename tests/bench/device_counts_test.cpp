// What a step of a sampler costs on a device (a fake one, tests/include/fake_device.h), the network's
// evaluation included: kernels and tensors made, and no copy, read or wait at all.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "baseline.h"
#include "core/error.h"
#include "fake_device.h"
#include "models/native.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

std::shared_ptr<const Denoiser> network(const std::string& file) {
    const Spec spec = Spec::parse("native:file=" SCHEDBENCH_SOURCE_DIR "/weights/" + file);
    return on_device(load_native(complete(spec, native_entries().at(0), "test"), "test"),
                     fake_device::device());
}

nlohmann::json work_since(const fake_device::Traffic& before) {
    const fake_device::Traffic& now = fake_device::traffic();
    return {{"kernels", now.kernels - before.kernels}, {"tensors", now.allocations - before.allocations}};
}

int64_t stalls(const fake_device::Traffic& t) {
    return t.to_device + t.to_host + t.reads + t.waits;
}

// What a graph of one evaluation would hold.
TEST(Counts, EvaluationOfANetworkOnADevice) {
    const auto model = network("fashion-edm.safetensors");
    const auto options = at::TensorOptions().device(fake_device::device()).dtype(at::kDouble);
    const at::Tensor x = at::ones({1, 1, 32, 32}, options), level = at::ones({1}, options);
    const fake_device::Traffic before = fake_device::traffic();
    (*model)(x, level, level, {});
    EXPECT_EQ(stalls(fake_device::traffic()), stalls(before)) << fake_device::stalled_in();
    baseline::compare("at_most", "device_evaluation", work_since(before));
}

TEST(Counts, StepOfEverySamplerOnADevice) {
    // A network of a few kernels, so that those of the step show.
    const auto model = network("toy/ring-rho7.safetensors");
    const Schedule schedule =
        build_schedule(Spec::parse("edm:sigma-max=20,sigma-min=0.02"), model->process(), {6});
    const PhiloxNoise noise(1, {0, 1}, model->shape(), fake_device::device());
    nlohmann::json counted;
    for (const SpecEntry& entry : sampler_entries()) {
        const auto sampler =
            make_sampler(Spec::parse(entry.name == "afs" ? "afs:sampler={dpmpp-2m}" : entry.name));
        try {
            check_fit(*sampler, *model, "philox", "test");
            sampler->check_schedule(schedule, "test");
        } catch (const Error&) {
            continue;  // asks for a table or a learned variance
        }
        fake_device::Traffic before;
        sampler->sample(*model, schedule, noise, {}, [&](int knot, const at::Tensor&) {
            if (knot == 4) before = fake_device::traffic();
            if (knot != 5) return;
            counted[entry.name] = work_since(before);
            EXPECT_EQ(stalls(fake_device::traffic()), stalls(before))
                << entry.name << ": " << fake_device::stalled_in();
        });
    }
    EXPECT_GE(counted.size(), 10u);
    baseline::compare("at_most", "device_step", counted);
}

}  // namespace
}  // namespace schedbench
