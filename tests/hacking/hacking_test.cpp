// The worked examples of HACKING.md do what the text says.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/exact.h"
#include "sampler_probe.h"
#include "samplers/sampler_family.h"
#include "schedules/schedule_family.h"

namespace schedbench {

namespace family_list {
ScheduleFamily asinh();
}
namespace sampler_list {
SamplerFamily leapfrog();
}

namespace {

TEST(Hacking, TheScheduleOfTheExample) {
    const NoiseProcess process(Spec::parse("continuous"));
    const Schedule s = build_schedule(family_list::asinh(), Spec::parse("asinh:c=2,end=sigma-min"), process, {10});
    ASSERT_EQ(s.steps(), 10);
    EXPECT_EQ(s.effective.front(), 80);
    EXPECT_EQ(s.effective.back(), 0.002);
    for (size_t i = 1; i + 1 < s.effective.size(); ++i) {
        const double mean = (std::asinh(s.effective[i - 1] / 2) + std::asinh(s.effective[i + 1] / 2)) / 2;
        EXPECT_NEAR(std::asinh(s.effective[i] / 2), mean, 1e-12);
    }
    EXPECT_EQ(build_schedule(family_list::asinh(), Spec::parse("asinh"), process, {10}).effective.back(), 0);
}

TEST(Hacking, TheSamplerOfTheExample) {
    const SamplerFamily family = sampler_list::leapfrog();
    const auto sampler = family.make(Spec::parse("leapfrog"), "test");
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    const probe::GivenNoise noise(at::ones({1, 1}, at::kDouble));
    double error[2];
    for (int k = 0; k < 2; ++k) {
        const auto levels = probe::karras(3, 100 << k, 0.1, 2);
        const double exact = 2 * std::sqrt((0.25 + 0.01) / (0.25 + 4));
        error[k] = std::abs(
            sampler->sample(*target, probe::schedule_of(levels, target->process()), noise).item<double>() - exact);
    }
    EXPECT_GT(std::log2(error[0] / error[1]), family.order(sampler->spec()) - 0.15);
}

}  // namespace
}  // namespace schedbench
