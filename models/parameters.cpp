#include "models/parameters.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "models/evaluation.h"
#include "models/winograd.h"

namespace schedbench {

Parameters checked_parameters(const ParameterShapes& shapes, const std::map<std::string, at::Tensor>& tensors,
                              const std::string& where) {
    std::string missing, extra, misshapen;
    const auto append = [](std::string& list, const std::string& item) {
        list += (list.empty() ? "" : ", ") + item;
    };
    const auto shape_text = [](at::IntArrayRef shape) {
        std::string text = "[";
        for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
        return text + "]";
    };
    for (const auto& [name, shape] : shapes) {
        const auto it = tensors.find(name);
        if (it == tensors.end())
            append(missing, name);
        else if (it->second.sizes() != at::IntArrayRef(shape) || !it->second.is_floating_point())
            append(misshapen,
                   name + " " + shape_text(it->second.sizes()) + " instead of " + shape_text(shape));
    }
    for (const auto& [name, tensor] : tensors)
        if (!shapes.contains(name)) append(extra, name);
    std::string message;
    if (!missing.empty()) message += "missing tensors: " + missing + "; ";
    if (!extra.empty()) message += "tensors that do not belong: " + extra + "; ";
    if (!misshapen.empty()) message += "wrong shapes: " + misshapen + "; ";
    if (!message.empty())
        throw Error("file", message.substr(0, message.size() - 2), where,
                    "the weights and the config in the metadata disagree");
    Parameters out;
    for (const auto& [name, tensor] : tensors) {
        at::Tensor value = tensor.to(tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
        // One pass: the extremes of what holds a NaN are NaN.
        if (value.numel() > 0) {
            const auto [low, high] = at::aminmax(value);
            if (!at::isfinite(low).item<bool>() || !at::isfinite(high).item<bool>())
                throw Error("number", "tensor \"" + name + "\" holds a value that is not finite", where);
        }
        out[name] = value.dim() == 4 ? value.contiguous(at::MemoryFormat::ChannelsLast) : value.contiguous();
    }
    return out;
}

void add_linear_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t in, int64_t out,
                       bool bias) {
    shapes[prefix + ".weight"] = {out, in};
    if (bias) shapes[prefix + ".bias"] = {out};
}

void add_norm_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t channels) {
    shapes[prefix + ".weight"] = shapes[prefix + ".bias"] = {channels};
}

void add_conv_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t in, int64_t out,
                     int64_t kernel) {
    shapes[prefix + ".weight"] = {out, in, kernel, kernel};
    shapes[prefix + ".bias"] = {out};
}

namespace {

const std::string kWeight = ".weight";

bool is_trunk_weight(const std::string& name, const at::Tensor& weight) {
    return name.ends_with(kWeight) && weight.dim() >= 3;
}

}  // namespace

bool has_bf16_trunk(const Parameters& parameters) {
    return std::any_of(parameters.begin(), parameters.end(),
                       [](const auto& item) { return is_trunk_weight(item.first, item.second); });
}

Parameters with_bf16_trunk(Parameters parameters) {
    for (auto& [name, weight] : parameters) {
        if (!is_trunk_weight(name, weight)) continue;
        weight = weight.to(at::kBFloat16);
        const auto bias = parameters.find(name.substr(0, name.size() - kWeight.size()) + ".bias");
        if (bias != parameters.end()) bias->second = bias->second.to(at::kBFloat16);
    }
    return parameters;
}

at::Device device_of(const Parameters& parameters) {
    return parameters.empty() ? at::Device(at::kCPU) : parameters.begin()->second.device();
}

Parameters on_device(Parameters parameters, at::Device device) {
    for (auto& [name, value] : parameters) value = value.to(device);
    return parameters;
}

int64_t count_of(const ParameterShapes& shapes) {
    int64_t count = 0;
    for (const auto& [name, shape] : shapes) {
        int64_t size = 1;
        for (int64_t s : shape) size *= s;
        count += size;
    }
    return count;
}

const at::Tensor& parameter(const Parameters& parameters, const std::string& name) {
    const auto it = parameters.find(name);
    SCHEDBENCH_ASSERT(it != parameters.end());
    return it->second;
}

at::Tensor conv(const Parameters& p, const std::string& prefix, const at::Tensor& x, int64_t stride) {
    const at::Tensor& weight = parameter(p, prefix + ".weight");
    const int64_t pad = weight.size(2) / 2;
    if (const at::Tensor* transformed = stride == 1 ? transformed_weight(p, prefix, x) : nullptr)
        return winograd_conv(x, *transformed, parameter(p, prefix + ".bias"));
    return at::conv2d(x, weight, parameter(p, prefix + ".bias"), {stride, stride}, {pad, pad});
}

at::Tensor linear(const Parameters& p, const std::string& prefix, const at::Tensor& x) {
    return at::linear(x, parameter(p, prefix + ".weight"), parameter(p, prefix + ".bias"));
}

at::Tensor group_norm(const Parameters& p, const std::string& prefix, const at::Tensor& x, int64_t groups,
                      double epsilon) {
    return at::group_norm(x, groups, parameter(p, prefix + ".weight"), parameter(p, prefix + ".bias"),
                          epsilon);
}

}  // namespace schedbench
