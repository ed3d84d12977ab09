// The integrator against solutions in closed form.
#include "likelihood/dormand_prince.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "flow_targets.h"

namespace schedbench {
namespace {

using namespace flow;

TEST(DormandPrince, OrderFiveAndIndependentRows) {
    // y' = y cos t, and a rotation: y = exp(sin t), (cos w t, sin w t) with another w a row.
    const at::Tensor speed = at::tensor({1.0, 3.0, 0.2}, at::kDouble),
                     at_start = at::tensor({1.0, 1.0, 0.0}, at::kDouble).expand({3, 3}).clone();
    const auto slope = [&](const at::Tensor& which) {
        return [which](const at::Tensor& rows, const at::Tensor& t, const at::Tensor& y) {
            const at::Tensor w = which.index_select(0, rows);
            return at::stack({y.select(1, 0) * at::cos(t), -w * y.select(1, 2), w * y.select(1, 1)}, 1);
        };
    };
    const double end = 5;
    const at::Tensor exact = at::stack(
        {at::full({3}, std::exp(std::sin(end)), at::kDouble), at::cos(speed * end), at::sin(speed * end)}, 1);
    double previous = INFINITY;
    for (double tolerance : {1e-4, 1e-7, 1e-10}) {
        const StepControl control{.rtol = tolerance, .atol = tolerance};
        const at::Tensor out = integrate_rows(slope(speed), at_start, 1, 0, end, control);
        const double error = (out - exact).abs().max().item<double>();
        EXPECT_LT(error, 30 * tolerance);
        EXPECT_LT(error, previous / 100);
        previous = error;
        for (int64_t row = 0; row < 3; ++row)
            EXPECT_TRUE(at::equal(
                integrate_rows(slope(speed.narrow(0, row, 1)), at_start.narrow(0, 0, 1), 1, 0, end, control),
                out.narrow(0, row, 1)));
    }
    // One step of a polynomial of degree 4 in t: order 5 is exact, and so is order 4 up to degree 3.
    int64_t calls = 0;
    const auto power = [&](const at::Tensor&, const at::Tensor& t, const at::Tensor&) {
        ++calls;
        return (5 * t.pow(4)).unsqueeze(1);
    };
    const at::Tensor y =
        integrate_rows(power, at::zeros({1, 1}, at::kDouble), 0, 0, 2, {.rtol = 0.9, .atol = 1e6});
    EXPECT_NEAR(value(y), 32, 1e-12);
    EXPECT_EQ(calls % 6, 1);  // the last stage is the first of the next step
}

TEST(DormandPrince, SaysWhereItStops) {
    const auto bad = [](const at::Tensor&, const at::Tensor& t, const at::Tensor& y) {
        return at::where(t.unsqueeze(1) > 0.5, at::full_like(y, NAN), y);
    };
    EXPECT_THROW(integrate_rows(bad, at::ones({1, 1}, at::kDouble), 0, 0, 1, {}), Error);
    const auto good = [](const at::Tensor&, const at::Tensor&, const at::Tensor& y) { return y; };
    EXPECT_THROW(integrate_rows(good, at::ones({1, 1}, at::kDouble), 0, 0, 1, {.max_steps = 3}), Error);
}

}  // namespace
}  // namespace schedbench
