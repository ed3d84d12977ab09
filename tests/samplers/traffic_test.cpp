// The counter that users have, against the fake device's own counts.
#include "core/device_traffic.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "device_cases.h"
#include "fake_device.h"
#include "models/exact.h"

namespace schedbench {
namespace {

TEST(Traffic, CountsWhatTheFakeDeviceCounts) {
    const at::Device device = fake_device::device();
    fake_device::reset();
    const TrafficCounter counter(device);
    at::Tensor x = at::arange(6, at::kFloat).to(device);
    x = x * 2 + 1;
    DeviceTraffic so_far = counter.now();
    EXPECT_EQ(so_far.to_device, 1);
    EXPECT_EQ(so_far.to_host + so_far.reads, 0);
    x.sum().item<float>();
    const at::Tensor host = x.to(at::kCPU);
    const at::Tensor where = x.gt(3).nonzero();
    const DeviceTraffic all = counter.now(), later = all - so_far;
    EXPECT_EQ(later.to_device, fake_device::traffic().to_device - 1);
    EXPECT_EQ(later.to_host, fake_device::traffic().to_host);
    EXPECT_EQ(later.reads, fake_device::traffic().reads);
    EXPECT_EQ(later.reads, 2);
    EXPECT_TRUE(later.stalled());
    EXPECT_EQ(later.stalls.size(), 3u);
    EXPECT_EQ(all.segments, 0);
    EXPECT_NE(traffic_text(later).find("1 to the host, 2 values read"), std::string::npos)
        << traffic_text(later);
}

TEST(Traffic, NoStepStalls) {
    const std::shared_ptr<const Denoiser> cpu =
        make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.1]"));
    for (const auto& model : {cpu, on_device(cpu, fake_device::device())}) {
        const Schedule schedule = device_cases::schedule_for(*model, 4);
        const PhiloxNoise noise(1, {0, 1, 2}, model->shape(), model->device());
        const TrafficCounter counter(model->device());
        DeviceTraffic before;
        std::vector<DeviceTraffic> steps;
        make_sampler(Spec::parse("heun:s-churn=5"))
            ->sample(*model, schedule, noise, {}, [&](int knot, const at::Tensor&) {
                const DeviceTraffic now = counter.now();
                if (knot > 0) steps.push_back(now - before);
                before = now;
            });
        ASSERT_EQ(steps.size(), 4u);
        for (const DeviceTraffic& step : steps) {
            EXPECT_FALSE(step.stalled()) << traffic_text(step);
            EXPECT_GT(step.operators, 10);
            EXPECT_GT(step.allocations, 0);
        }
        EXPECT_EQ(steps[1].operators, steps[2].operators);  // each step does the same
    }
}

}  // namespace
}  // namespace schedbench
