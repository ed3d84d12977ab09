#include "models/attention.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "models/evaluation.h"

namespace schedbench {

namespace {

using Order = SelfAttention::Order;

/// PREFIX.weight [out, in, 1 ...] as a linear layer on [B, tokens, in].
at::Tensor pointwise(const Parameters& p, const std::string& prefix, const at::Tensor& x) {
    return at::linear(x, parameter(p, prefix + ".weight").flatten(1), parameter(p, prefix + ".bias"));
}

/// Queries, keys and values, each [B, heads, tokens, channels of a head].
std::array<at::Tensor, 3> project(const SelfAttention& a, const Parameters& p, const at::Tensor& h) {
    const int64_t batch = h.size(0), tokens = h.size(1), head = a.channels / a.heads;
    if (a.order == Order::separate) {
        const auto one = [&](const char* name) {
            return pointwise(p, a.qkv + name, h).reshape({batch, tokens, a.heads, head}).transpose(1, 2);
        };
        return {one("q"), one("k"), one("v")};
    }
    const at::Tensor fused = pointwise(p, a.qkv, h);
    at::Tensor split;
    switch (a.order) {
        case Order::head_qkv_channel:
            split = fused.reshape({batch, tokens, a.heads, 3, head}).permute({3, 0, 2, 1, 4});
            break;
        case Order::qkv_head_channel:
            split = fused.reshape({batch, tokens, 3, a.heads, head}).permute({2, 0, 3, 1, 4});
            break;
        case Order::head_channel_qkv:
            split = fused.reshape({batch, tokens, a.heads, head, 3}).permute({4, 0, 2, 1, 3});
            break;
        case Order::separate:
            SCHEDBENCH_ASSERT(false);
    }
    return {split[0], split[1], split[2]};
}

}  // namespace

void SelfAttention::add_shapes(ParameterShapes& shapes) const {
    add_norm_shapes(shapes, norm, channels);
    const auto add = [&](const std::string& prefix, int64_t out) {
        std::vector<int64_t> weight = {out, channels};
        weight.insert(weight.end(), static_cast<size_t>(kernel_dims), 1);
        shapes[prefix + ".weight"] = std::move(weight);
        shapes[prefix + ".bias"] = {out};
    };
    if (order == Order::separate)
        for (const char* name : {"q", "k", "v"}) add(qkv + name, channels);
    else
        add(qkv, 3 * channels);
    add(projection, channels);
}

at::Tensor SelfAttention::operator()(const Parameters& p, const at::Tensor& x) const {
    const int64_t batch = x.size(0), height = x.size(2), width = x.size(3), tokens = height * width;
    // Channels-last memory makes [B, HW, C] a view; the 1x1 convolutions are then plain linear layers.
    const at::Tensor h =
        norm_around(p, norm, x, groups, epsilon, {}).permute({0, 2, 3, 1}).reshape({batch, tokens, channels});
    const auto [q, k, v] = project(*this, p, h);
    const auto project_back = [&](const at::Tensor& mixed) {
        return pointwise(p, projection, mixed.permute({0, 2, 1, 3}).reshape({batch, tokens, channels}))
            .reshape({batch, height, width, channels})
            .permute({0, 3, 1, 2});
    };
    // A trunk in half precision is the fast one: products, softmax (in float32) and sum in one fused kernel,
    // which wants the channels of a head side by side.
    if (v.scalar_type() == at::kBFloat16 || v.scalar_type() == at::kHalf)
        return project_back(at::scaled_dot_product_attention(q.contiguous(), k.contiguous(), v.contiguous()));
    const double head = static_cast<double>(channels / heads);
    const auto soft_dtype = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    at::Tensor products;
    if (scale == Scale::both) {
        // Better conditioned in low precision than scaling the product (improved-diffusion's own choice).
        const double part = std::pow(head, -0.25);
        products = at::matmul(q * part, (k * part).transpose(2, 3));
    } else {
        products = at::matmul(q.to(soft_dtype), (k / std::sqrt(head)).to(soft_dtype).transpose(2, 3));
    }
    return project_back(at::matmul(at::softmax(products, -1, soft_dtype).to(v.scalar_type()), v));
}

int64_t SelfAttention::macs(int64_t pixels) const {
    return 4 * channels * channels * pixels + 2 * channels * pixels * pixels;
}

}  // namespace schedbench
