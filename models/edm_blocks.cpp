#include "models/edm_blocks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "models/evaluation.h"
#include "models/residual_block.h"

namespace schedbench {

int64_t edm_groups(int64_t channels) {
    return std::min<int64_t>(32, channels / 4);
}

at::Tensor edm_norm_silu(const Parameters& p, const std::string& prefix, const at::Tensor& x,
                         double epsilon) {
    return norm_around(p, prefix, x, edm_groups(x.size(1)), epsilon, {{}, {}, {}, true});
}

void EdmConv::add_shapes(ParameterShapes& shapes) const {
    if (kernel > 0) add_conv_shapes(shapes, prefix, in, out, kernel);
    const auto size = static_cast<int64_t>(taps.size());
    if (resample != Resample::none) shapes[prefix + ".resample_filter"] = {1, 1, size, size};
}

at::Tensor EdmConv::operator()(const Parameters& p, const at::Tensor& x) const {
    if (resample == Resample::none) return conv(p, prefix, x);
    const at::Tensor filter = parameter(p, prefix + ".resample_filter").to(x.scalar_type());
    const int64_t filter_pad = (filter.size(3) - 1) / 2;
    // Two equal taps are a mean of 2x2 pixels, and copies of one: the same values without a convolution.
    const bool box = taps.size() == 2 && taps[0] == taps[1];
    const auto down = [&](const at::Tensor& image, int64_t pad) {
        if (box && pad == 0) return resample_plainly(image, Resample::down);
        const int64_t channels = image.size(1);
        return at::conv2d(image, filter.repeat({channels, 1, 1, 1}), {}, {2, 2}, {pad, pad}, {1, 1},
                          channels);
    };
    const auto up = [&](const at::Tensor& image, int64_t pad) {
        if (box && pad == 0) return resample_plainly(image, Resample::up);
        const int64_t channels = image.size(1);
        return at::conv_transpose2d(image, (filter * 4).repeat({channels, 1, 1, 1}), {}, {2, 2}, {pad, pad},
                                    {0, 0}, channels);
    };
    if (!fused || kernel == 0) {
        const at::Tensor resized = resample == Resample::down ? down(x, filter_pad) : up(x, filter_pad);
        return kernel > 0 ? conv(p, prefix, resized) : resized;
    }
    const int64_t kernel_pad = kernel / 2;
    const at::Tensor &weight = parameter(p, prefix + ".weight"), &bias = parameter(p, prefix + ".bias");
    if (resample == Resample::up) {
        const int64_t pad = std::max<int64_t>(kernel_pad - filter_pad, 0);
        return at::conv2d(up(x, std::max<int64_t>(filter_pad - kernel_pad, 0)), weight, bias, {1, 1},
                          {pad, pad});
    }
    const int64_t pad = kernel_pad + filter_pad;
    return down(at::conv2d(x, weight, {}, {1, 1}, {pad, pad}), 0) + bias.reshape({1, out, 1, 1});
}

EdmConv EdmBlock::conv0() const {
    return {prefix + ".conv0", in, out, 3, resample, taps};
}

EdmConv EdmBlock::skip() const {
    return {prefix + ".skip", in, out, resample_proj || in != out ? 1 : 0, resample, taps};
}

void EdmBlock::add_shapes(ParameterShapes& shapes) const {
    add_norm_shapes(shapes, prefix + ".norm0", in);
    conv0().add_shapes(shapes);
    add_linear_shapes(shapes, prefix + ".affine", embedding, adaptive_scale ? 2 * out : out);
    add_norm_shapes(shapes, prefix + ".norm1", out);
    EdmConv{prefix + ".conv1", out, out}.add_shapes(shapes);
    if (has_skip()) skip().add_shapes(shapes);
    if (heads > 0) attention().add_shapes(shapes);
}

SelfAttention EdmBlock::attention() const {
    return {prefix + ".norm2",
            prefix + ".qkv",
            prefix + ".proj",
            out,
            heads,
            edm_groups(out),
            epsilon,
            SelfAttention::Order::head_channel_qkv,
            SelfAttention::Scale::keys,
            2};
}

int64_t EdmBlock::macs(int64_t pixels) const {
    return conv0().macs(pixels) + 9 * out * out * pixels + (has_skip() ? skip().macs(pixels) : 0) +
           embedding * out * (adaptive_scale ? 2 : 1) + (heads > 0 ? attention().macs(pixels) : 0);
}

at::Tensor EdmBlock::operator()(const Parameters& p, const at::Tensor& x, const at::Tensor& emb,
                                double dropout) const {
    at::Tensor h = conv0()(p, edm_norm_silu(p, prefix + ".norm0", x, epsilon));
    h = norm_around(p, prefix + ".norm1", h, edm_groups(out), epsilon,
                    embedding_around(linear(p, prefix + ".affine", emb), adaptive_scale));
    if (dropout > 0) h = at::dropout(h, dropout, true);
    h = conv_add(p, prefix + ".conv1", h, has_skip() ? skip()(p, x) : x, skip_scale);
    if (heads == 0) return h;
    h = attention()(p, h) + h;
    return skip_scale == 1 ? h : h.mul_(skip_scale);
}

at::Tensor positional_embedding(const at::Tensor& time, int64_t dim, bool endpoint) {
    const int64_t half = dim / 2;
    const auto options = time.options().requires_grad(false);
    const at::Tensor exponents = at::arange(half, options) / static_cast<double>(endpoint ? half - 1 : half);
    const at::Tensor phases = time.unsqueeze(1) * at::pow(at::Scalar(1.0 / 10000), exponents).unsqueeze(0);
    return at::cat({phases.cos(), phases.sin()}, 1);
}

at::Tensor fourier_embedding(const at::Tensor& time, const at::Tensor& frequencies) {
    const at::Tensor scaled = frequencies.to(time.scalar_type()) * (2 * std::numbers::pi);
    const at::Tensor phases = time.unsqueeze(1) * scaled.unsqueeze(0);
    return at::cat({phases.cos(), phases.sin()}, 1);
}

}  // namespace schedbench
