// The kernels that evaluations run through: beside the same operations in float64, without dependence on
// batch or threads, and out of the way where a gradient is wanted.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/evaluation.h"
#include "models/song_unet.h"
#include "models/winograd.h"

namespace schedbench {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

double largest(const at::Tensor& t) {
    return t.to(at::kDouble).abs().max().item<double>();
}

double root_mean_square(const at::Tensor& t) {
    return std::sqrt(t.to(at::kDouble).square().mean().item<double>());
}

/// Restores the number of threads.
struct Threads {
    explicit Threads(int count) { at::set_num_threads(count); }
    ~Threads() { at::set_num_threads(before); }
    int before = at::get_num_threads();
};

TEST(Winograd, EqualsTheConvolutionInFloat64) {
    const Threads single(1);
    const c10::NoGradGuard no_gradients;
    at::manual_seed(1);
    struct Case {
        int64_t batch, in, out, height, width;
    };
    for (const Case c : {Case{2, 64, 96, 7, 9},
                         {1, 32, 32, 1, 1},
                         {3, 96, 32, 2, 13},
                         {2, 160, 64, 32, 32},
                         {9, 32, 64, 4, 4}}) {
        SCOPED_TRACE(std::to_string(c.in) + " to " + std::to_string(c.out));
        const at::Tensor x = at::randn({c.batch, c.in, c.height, c.width});
        const at::Tensor w = at::randn({c.out, c.in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(c.in));
        const at::Tensor b = at::randn({c.out}), r = at::randn({c.batch, c.out, c.height, c.width});
        ASSERT_TRUE(winograd_applies(w));
        const auto exact = [&](const at::Tensor& image, const at::Tensor& weight) {
            return at::conv2d(image.to(at::kDouble), weight.to(at::kDouble), b.to(at::kDouble), {1, 1},
                              {1, 1});
        };
        for (const int64_t side : {4, 8}) {
            SCOPED_TRACE("tiles of side " + std::to_string(side));
            const at::Tensor u = winograd_weights(w, side);
            ASSERT_EQ(u.size(0), (side + 2) * (side + 2));
            // Either memory layout of input, weight and residual; float32 to a few units in the last place of
            // the terms, larger tiles to some hundred.
            const double near = side == 4 ? 2e-5 : 2e-3, near_rms = side == 4 ? 3e-6 : 1e-4;
            for (const bool last : {false, true}) {
                const auto laid_out = [&](const at::Tensor& t) { return last ? t.contiguous(kLast) : t; };
                const at::Tensor y = winograd_conv(laid_out(x), winograd_weights(laid_out(w), side), b);
                EXPECT_LT(largest(y - exact(x, w)), near);
                EXPECT_LT(root_mean_square(y - exact(x, w)), near_rms);
                const at::Tensor sum = winograd_conv(laid_out(x), u, b, laid_out(r), 0.5);
                EXPECT_LT(largest(sum - (exact(x, w) + r) * 0.5), near);
            }
            // bfloat16 goes in and comes out rounded; the sums between do not, and their errors vanish beside
            // it.
            const at::Tensor xb = x.to(at::kBFloat16), wb = w.to(at::kBFloat16);
            const at::Tensor yb = winograd_conv(xb, winograd_weights(wb, side), b.to(at::kFloat));
            ASSERT_EQ(yb.scalar_type(), at::kBFloat16);
            const at::Tensor wanted = exact(xb, wb), rounded = wanted.to(at::kFloat).to(at::kBFloat16);
            EXPECT_LT(largest((yb.to(at::kDouble) - wanted) / (wanted.abs() + (side == 4 ? 0.01 : 1))),
                      1.0 / 250);
            EXPECT_LT(root_mean_square(yb.to(at::kDouble) - wanted),
                      1.01 * root_mean_square(rounded.to(at::kDouble) - wanted));
        }
    }
    for (const at::Tensor& other : {at::zeros({64, 48, 3, 3}), at::zeros({64, 64, 1, 1}),
                                    at::zeros({64, 64, 3, 3}, at::kDouble), at::zeros({64, 64, 3})})
        EXPECT_FALSE(winograd_applies(other));
}

TEST(Winograd, DependsOnNeitherBatchNorThreads) {
    const c10::NoGradGuard no_gradients;
    at::manual_seed(2);
    for (const int64_t side : {4, 8}) {
        const at::Tensor x = at::randn({7, 64, 10, 6}), u = winograd_weights(at::randn({64, 64, 3, 3}), side),
                         b = at::randn({64});
        const auto run = [&](const at::Tensor& image, int threads) {
            const Threads set(threads);
            return winograd_conv(image, u, b);
        };
        const at::Tensor y = run(x, 1);
        EXPECT_TRUE(at::equal(y, run(x, 3)));
        for (int64_t i = 0; i < x.size(0); ++i)
            EXPECT_TRUE(at::equal(y.narrow(0, i, 1), run(x.narrow(0, i, 1), 2)));
    }
}

TEST(Winograd, LargeTilesAreForLargeImagesInBfloat16Alone) {
    EXPECT_EQ(winograd_side(at::kBFloat16, 32, 32), 8);
    EXPECT_EQ(winograd_side(at::kBFloat16, 16, 24), 8);
    EXPECT_EQ(winograd_side(at::kFloat, 32, 32), 4);
    EXPECT_EQ(winograd_side(at::kBFloat16, 8, 32), 4);
    EXPECT_EQ(winograd_side(at::kBFloat16, 28, 28), 4);
}

TEST(TransformedWeights, AreMadeOnceForEverySideOfATile) {
    const c10::NoGradGuard no_gradients;
    at::manual_seed(4);
    Parameters p;
    p["a.weight"] = at::randn({32, 64, 3, 3}).to(at::kBFloat16);
    p["narrow.weight"] = at::randn({32, 3, 3, 3});
    const TransformedWeights transformed(p);
    const at::Tensor large = at::zeros({1, 64, 16, 16}, at::kBFloat16), small = large.narrow(2, 0, 8);
    const at::Tensor& w = p["a.weight"];
    const at::Tensor* const u = transformed.of("a", w, large);
    ASSERT_NE(u, nullptr);
    EXPECT_TRUE(at::equal(*u, winograd_weights(w, 8)));
    EXPECT_TRUE(at::equal(*transformed.of("a", w, small), winograd_weights(w, 4)));
    EXPECT_EQ(transformed.of("a", w, large), u);
    EXPECT_EQ(transformed.of("narrow", p["narrow.weight"], at::zeros({1, 3, 16, 16})), nullptr);
}

TEST(FusedNorm, EqualsTheOperationsInFloat64) {
    const Threads one(1);
    const c10::NoGradGuard no_gradients;
    at::manual_seed(3);
    for (const auto& [channels, groups, side] :
         {std::tuple<int64_t, int64_t, int64_t>{128, 32, 16}, {24, 8, 9}, {36, 9, 3}, {64, 8, 1}})
        for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
            SCOPED_TRACE(std::to_string(channels) + " channels");
            // A mean that is large beside the deviation is where sums of squares lose their digits.
            const at::Tensor x = (at::randn({5, channels, side, side}) * 2 + 30).to(dtype).contiguous(kLast);
            const at::Tensor w = at::randn({channels}), b = at::randn({channels});
            const at::Tensor before = at::randn({5, channels}), scale = at::randn({1, channels}),
                             shift = at::randn({1, channels});
            ASSERT_TRUE(fused_norm_applies(x));
            for (const NormSurroundings& around :
                 {NormSurroundings{}, NormSurroundings{before, {}, {}, true},
                  NormSurroundings{{}, scale, shift, true}, NormSurroundings{before, scale, shift, false}}) {
                const auto column = [](const at::Tensor& t) {
                    return t.to(at::kDouble).unsqueeze(2).unsqueeze(3);
                };
                at::Tensor h = x.to(at::kDouble);
                if (around.before.defined()) h = h + column(before);
                h = at::group_norm(h, groups, w.to(at::kDouble), b.to(at::kDouble), 1e-5);
                if (around.scale.defined()) h = h * (column(scale) + 1) + column(shift);
                if (around.silu) h = at::silu(h);
                const at::Tensor y = fused_norm(x, w, b, groups, 1e-5, around);
                ASSERT_EQ(y.scalar_type(), dtype);
                ASSERT_TRUE(y.is_contiguous(kLast));
                const double unit = dtype == at::kFloat ? 3e-5 : 1.0 / 250;  // beside a mean of 15 deviations
                EXPECT_LT(largest((y.to(at::kDouble) - h) / (h.abs() + 1)), unit);
                const Threads set(8);  // more than images: stretches of an image in parallel
                EXPECT_TRUE(at::equal(y, fused_norm(x, w, b, groups, 1e-5, around)));
                if (!around.before.defined()) {
                    EXPECT_TRUE(at::equal(y.narrow(0, 2, 1),
                                          fused_norm(x.narrow(0, 2, 1), w, b, groups, 1e-5, around)));
                }
            }
        }
    EXPECT_FALSE(fused_norm_applies(at::zeros({2, 8, 4, 4})));  // channels first
    EXPECT_FALSE(fused_norm_applies(at::zeros({2, 6, 4, 4}).contiguous(kLast)));
    EXPECT_FALSE(fused_norm_applies(at::zeros({2, 8, 4, 4}, at::kDouble).contiguous(kLast)));
}

TEST(FusedNorm, SpecialValues) {
    const c10::NoGradGuard no_gradients;
    const at::Tensor one = at::ones({8}), none = at::zeros({8});
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        // A constant has no deviation: the norm is the bias. SiLU of what is far out is 0 or the value
        // itself.
        const at::Tensor x = at::full({2, 8, 3, 3}, 7.0).to(dtype).contiguous(kLast);
        EXPECT_EQ(largest(fused_norm(x, one, none, 2, 1e-5, {})), 0);
        const at::Tensor far = at::tensor({-1e4f, -200.f, -90.f, 0.f, 90.f, 200.f, 1e4f, 1e30f});
        const at::Tensor y = fused_norm(x, none, far, 2, 1e-5, {{}, {}, {}, true}).to(at::kFloat);
        const at::Tensor wanted = at::clamp_min(far, 0).to(dtype).to(at::kFloat);
        EXPECT_TRUE(at::allclose(y[0].select(1, 0).select(1, 0), wanted, 0, 1e-30));
        const at::Tensor bad = x.clone();
        bad[0][0][0][0] = NAN;
        EXPECT_TRUE(
            at::isnan(fused_norm(bad, one, none, 2, 1e-5, {{}, {}, {}, true})[0][0][1][1]).item<bool>());
    }
}

TEST(EvaluationParameters, AreUsedOnlyWhereNoGradientIsWanted) {
    const Threads one(1);
    EdmNetworkConfig config = SongUNet::defaults();
    config.img_resolution = 8;
    config.model_channels = 32;
    config.channel_mult = {1, 2};
    config.num_blocks = 1;
    config.attn_resolutions = {4};
    const SongUNet net(config, "test");
    Parameters parameters = net.initial_parameters(1);
    at::manual_seed(4);
    for (auto& [name, value] : parameters)  // no branch is left near zero
        if (value.dim() == 4 && value.size(2) == 3) value = at::randn_like(value) * 0.05;
    parameters = checked_parameters(net.parameter_shapes(), parameters, "test");
    const EvaluationParameters holder;
    const Parameters& prepared = holder.of(parameters);
    EXPECT_EQ(&prepared, &holder.of(parameters));
    EXPECT_TRUE(prepared.transformed);
    EXPECT_FALSE(parameters.transformed);
    const EvaluationParameters copy = holder;
    EXPECT_NE(&prepared, &copy.of(parameters));

    const at::Tensor x = at::randn({2, 3, 8, 8}), noise = at::tensor({0.3f, -0.5f});
    const auto run = [&](const Parameters& p, const at::Tensor& image) {
        return net.forward(p, image, noise.to(image.scalar_type()), {}, {}, nullptr, 0);
    };
    Parameters doubles;
    for (const auto& [name, value] : parameters) doubles[name] = value.to(at::kDouble);
    const at::Tensor exact = run(doubles, x.to(at::kDouble));
    at::Tensor fast;
    {
        const c10::NoGradGuard no_gradients;
        fast = run(prepared, x);
    }
    EXPECT_LT(largest(fast - exact), 2e-5);
    // The gradient is there, and is the one without prepared parameters.
    at::Tensor slopes[2];
    for (int i = 0; i < 2; ++i) {
        at::Tensor leaf = x.clone().requires_grad_(true);
        const at::Tensor y = run(i == 0 ? prepared : parameters, leaf);
        ASSERT_TRUE(y.requires_grad());
        y.square().sum().backward();
        slopes[i] = leaf.grad();
    }
    EXPECT_TRUE(at::equal(slopes[0], slopes[1]));
    EXPECT_GT(largest(slopes[0]), 0);
}

}  // namespace
}  // namespace schedbench
