#include "models/evaluation.h"

#include <ATen/ATen.h>
#include <ATen/TracerMode.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <initializer_list>

#include "models/winograd.h"

namespace schedbench {

namespace {

/// Or is being traced, which sees LibTorch's operations alone.
bool wants_gradient(std::initializer_list<const at::Tensor*> tensors) {
    if (at::tracer::impl::is_dispatch_enabled()) return true;
    if (!at::GradMode::is_enabled()) return false;
    for (const at::Tensor* tensor : tensors)
        if (tensor->defined() && tensor->requires_grad()) return true;
    return false;
}

at::Tensor as_column(const at::Tensor& rows, at::ScalarType dtype) {
    return rows.to(dtype).unsqueeze(2).unsqueeze(3);
}

}  // namespace

TransformedWeights::TransformedWeights(const Parameters& parameters) {
    constexpr int64_t kMost = int64_t{1} << 30;  // floats
    int64_t pairs = 0;                           // of channels
    for (const auto& [name, weight] : parameters)
        if (winograd_applies(weight)) pairs += weight.numel() / 9;
    for (const int64_t side : {4, 8})
        if (pairs * (side + 2) * (side + 2) <= kMost) largest_side_ = side;
}

const at::Tensor* TransformedWeights::of(const std::string& prefix, const at::Tensor& weight,
                                         const at::Tensor& x) const {
    if (largest_side_ == 0 || !winograd_applies(weight)) return nullptr;
    const int64_t side = std::min(winograd_side(x.scalar_type(), x.size(2), x.size(3)), largest_side_);
    const std::lock_guard lock(mutex_);
    at::Tensor& made = made_[{prefix, side}];
    if (!made.defined()) made = winograd_weights(weight, side);
    return &made;
}

const Parameters& EvaluationParameters::of(const Parameters& original) const {
    std::call_once(once_, [&] {
        parameters_ = original;
        parameters_.transformed = std::make_shared<const TransformedWeights>(original);
    });
    return parameters_;
}

const at::Tensor* transformed_weight(const Parameters& p, const std::string& prefix, const at::Tensor& x) {
    if (!p.transformed || wants_gradient({&x})) return nullptr;
    return p.transformed->of(prefix, parameter(p, prefix + ".weight"), x);
}

at::Tensor conv_add(const Parameters& p, const std::string& prefix, const at::Tensor& x,
                    const at::Tensor& residual, double scale) {
    const at::Tensor* const transformed = transformed_weight(p, prefix, x);
    if (transformed && !wants_gradient({&residual}))
        return winograd_conv(x, *transformed, parameter(p, prefix + ".bias"), residual, scale);
    const at::Tensor sum = conv(p, prefix, x) + residual;
    return scale == 1 ? sum : sum * scale;
}

at::Tensor norm_around(const Parameters& p, const std::string& prefix, const at::Tensor& x, int64_t groups,
                       double epsilon, const NormSurroundings& around) {
    const at::Tensor &weight = parameter(p, prefix + ".weight"), &bias = parameter(p, prefix + ".bias");
    if (fused_norm_applies(x) &&
        !wants_gradient({&x, &weight, &bias, &around.before, &around.scale, &around.shift}))
        return fused_norm(x, weight, bias, groups, epsilon, around);
    const auto dtype = x.scalar_type();
    at::Tensor h = group_norm(p, prefix, around.before.defined() ? x + as_column(around.before, dtype) : x,
                              groups, epsilon);
    if (around.scale.defined())
        h = at::addcmul(as_column(around.shift, dtype), h, as_column(around.scale, dtype) + 1);
    return around.silu ? at::silu(h) : h;
}

}  // namespace schedbench
