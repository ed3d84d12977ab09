#include "eval/quantise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace schedbench {
namespace {

TEST(Quantise, EveryLevelComesBack) {
    const at::Tensor levels = at::arange(256, at::kInt).to(at::kByte);
    EXPECT_TRUE(quantise(dequantise(levels)).equal(levels));
    EXPECT_EQ(dequantise(levels)[0].item<float>(), -1.0f);
    EXPECT_EQ(dequantise(levels)[255].item<float>(), 1.0f);
}

TEST(Quantise, RoundsHalfUpAndClamps) {
    // 127.5 (x + 1) = k + 0.5 exactly for x = (2k + 1) / 255 - 1, which float64 holds well enough around k =
    // 127.
    const at::Tensor x = at::tensor({-5.0, -1.0, 0.0, 0.5, 1.0, 7.0, std::nextafter(0.0, -1.0)}, at::kDouble);
    const at::Tensor half_up = quantise(x), truncated = quantise(x, QuantiseRule::truncate);
    const int64_t expected_half_up[] = {0, 0, 128, 191, 255, 255, 128},
                  expected_truncated[] = {0, 0, 127, 191, 255, 255, 127};
    for (int64_t i = 0; i < x.numel(); ++i) {
        EXPECT_EQ(half_up[i].item<int64_t>(), expected_half_up[i]) << i;
        EXPECT_EQ(truncated[i].item<int64_t>(), expected_truncated[i]) << i;
    }
    // Brute force over a fine grid, in float64.
    const at::Tensor grid = at::linspace(-1.2, 1.2, 9973, at::kDouble);
    const at::Tensor a = quantise(grid), b = quantise(grid, QuantiseRule::truncate);
    for (int64_t i = 0; i < grid.numel(); ++i) {
        const double level = 127.5 * (grid[i].item<double>() + 1);
        if (std::abs(level + 0.5 - std::round(level + 0.5)) < 1e-9) continue;
        ASSERT_EQ(a[i].item<int64_t>(), std::clamp<int64_t>(std::llround(std::floor(level + 0.5)), 0, 255));
        if (std::abs(level - std::round(level)) < 1e-9) continue;
        ASSERT_EQ(b[i].item<int64_t>(), std::clamp<int64_t>(std::llround(std::floor(level)), 0, 255));
    }
}

TEST(Quantise, NamesAndErrors) {
    for (const auto& name : quantise_rule_names())
        EXPECT_EQ(quantise_rule_name(parse_quantise_rule(name)), name);
    try {
        parse_quantise_rule("truncated", "--quantise");
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("truncate"), std::string::npos);
        EXPECT_EQ(error.where(), "--quantise");
    }
    at::Tensor x = at::zeros({4, 1, 2, 2});
    x[2][0][1][1] = std::nan("");
    try {
        quantise(x);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), "number");
        EXPECT_NE(error.message().find("image 2"), std::string::npos);
    }
}

}  // namespace
}  // namespace schedbench
