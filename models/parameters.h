// The parameters of a network as a map from original names to tensors, and the few layers that every network
// here is made of. A network is code over such a map, so that the same code serves inference, training and
// float64 checks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace schedbench {

class TransformedWeights;

struct Parameters : std::map<std::string, at::Tensor> {
    using map::map;
    explicit Parameters(map tensors) : map(std::move(tensors)) {}

    /// What evaluation makes of weights; EvaluationParameters sets it, for those of its own.
    std::shared_ptr<const TransformedWeights> transformed;
};
/// Every parameter's name and shape: what a weight file must hold, no more and no less.
using ParameterShapes = std::map<std::string, std::vector<int64_t>>;
/// Receives named intermediate activations ("act.emb", ...): for comparison with golden files.
using ActivationTap = std::function<void(const std::string& name, const at::Tensor& value)>;

/// Widens to float32 (float64 stays), puts convolution weights in channels-last memory, and checks names,
/// shapes and finiteness: every missing, extra and misshapen tensor is named in one Error("file").
Parameters checked_parameters(const ParameterShapes& shapes, const std::map<std::string, at::Tensor>& tensors,
                              const std::string& where);

enum class Resample { none, up, down };

/// Shapes of PREFIX.weight and, if `bias`, PREFIX.bias: of a linear layer, a norm, a KERNEL x KERNEL
/// convolution.
void add_linear_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t in, int64_t out,
                       bool bias = true);
void add_norm_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t channels);
void add_conv_shapes(ParameterShapes& shapes, const std::string& prefix, int64_t in, int64_t out,
                     int64_t kernel = 3);

/// The convolutions and attention projections (layers whose weights have three or more axes) in bfloat16, all
/// else as it is: embeddings, norms, linear layers and buffers stay float32. Networks run each part in its
/// weights' dtype.
Parameters with_bf16_trunk(Parameters parameters);
/// Whether there is any of those.
bool has_bf16_trunk(const Parameters& parameters);

/// Where they lie; the CPU where there are none. And a copy of them elsewhere.
at::Device device_of(const Parameters& parameters);
Parameters on_device(Parameters parameters, at::Device device);

/// Number of scalars in all of them.
int64_t count_of(const ParameterShapes& shapes);

const at::Tensor& parameter(const Parameters& parameters, const std::string& name);

/// PREFIX.weight and PREFIX.bias on x [B, C, H, W], padded to the same size.
at::Tensor conv(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                int64_t stride = 1);

/// PREFIX.weight and PREFIX.bias on x [..., in].
at::Tensor linear(const Parameters& parameters, const std::string& prefix, const at::Tensor& x);

/// PREFIX.weight and PREFIX.bias; the statistics are float32 or better whatever the trunk's dtype.
at::Tensor group_norm(const Parameters& parameters, const std::string& prefix, const at::Tensor& x,
                      int64_t groups, double epsilon);

}  // namespace schedbench
