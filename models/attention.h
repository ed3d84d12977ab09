// Self-attention over the pixels of an image, as every U-Net here uses it: norm, projection to queries, keys
// and values, softmax, projection back (Ho et al. 2020, arXiv 2006.11239; Wang et al. 2018, arXiv
// 1711.07971). The families differ in names, in the order of the fused projection's channels, and in where
// 1/sqrt(d) is applied.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "models/parameters.h"

namespace schedbench {

struct SelfAttention {
    /// Order of the 3C channels of the fused projection, slowest first; `separate`: three projections q, k,
    /// v.
    enum class Order { head_qkv_channel, qkv_head_channel, head_channel_qkv, separate };
    /// Where d^(-1/2) goes: half of it to the queries and half to the keys, or all of it to the keys.
    enum class Scale { both, keys };

    std::string norm, qkv, projection;  ///< full names; with Order::separate, qkv is the prefix of q, k and v
    int64_t channels = 0, heads = 1;
    int64_t groups = 32;
    double epsilon = 1e-5;
    Order order = Order::head_qkv_channel;
    Scale scale = Scale::both;
    int64_t kernel_dims = 1;  ///< axes of the projections' kernels: weights [out, in, 1] or [out, in, 1, 1]

    void add_shapes(ParameterShapes& shapes) const;
    /// x [B, C, H, W] -> what attention adds to x, [B, C, H, W].
    at::Tensor operator()(const Parameters& parameters, const at::Tensor& x) const;
    /// Multiply-accumulates for an image of so many pixels.
    int64_t macs(int64_t pixels) const;
};

}  // namespace schedbench
