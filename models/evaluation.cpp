#include "models/evaluation.h"

#include <ATen/ATen.h>
#include <ATen/TracerMode.h>
#include <c10/core/GradMode.h>

#include <initializer_list>

#include "models/winograd.h"

namespace schedbench {

namespace {

const std::string kWeight = ".weight", kTransformed = ".weight transformed";

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

const Parameters& EvaluationParameters::of(const Parameters& original) const {
    std::call_once(once_, [&] {
        constexpr int64_t kMost = int64_t{1} << 30;  // floats
        const at::NoGradGuard no_gradients;
        Parameters made = original;
        int64_t total = 0;
        for (const auto& [name, weight] : original)
            if (name.ends_with(kWeight) && winograd_applies(weight)) total += weight.numel() * 4;
        for (const auto& [name, weight] : original)
            if (total <= kMost && name.ends_with(kWeight) && winograd_applies(weight))
                made[name.substr(0, name.size() - kWeight.size()) + kTransformed] = winograd_weights(weight);
        parameters_ = std::move(made);
    });
    return parameters_;
}

const at::Tensor* transformed_weight(const Parameters& p, const std::string& prefix, const at::Tensor& x) {
    const auto it = p.find(prefix + kTransformed);
    return it == p.end() || wants_gradient({&x}) ? nullptr : &it->second;
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
