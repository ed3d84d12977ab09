#include "eval/inception.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "core/torchscript.h"
#include "eval/inception_layers.h"
#include "eval/inception_torchscript.h"
#include "models/safetensors.h"

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-3;  // of batch norm
constexpr const char* kHint =
    "convert pytorch-fid's pt_inception-2015-12-05-6726825d.pth: scripts/convert_checkpoint.py inception "
    "IN.pth OUT.safetensors; or name NVIDIA's inception-2015-12-05.pt";

struct KnownFile {
    const char* sha256;
    const char* origin;
};
/// Files by their SHA-256. pytorch-fid's weights are not among them, because the bytes of a safetensors file
/// depend on its metadata: they are known by the hash of the original in the metadata.
constexpr KnownFile kKnownFiles[] = {
    {"632f5b38b767b5543d62f191940116fdc90dba0360c5f7be60669b1ff24f2a86", "synthetic test weights"},
    {"f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
     "the published network (NVIDIA's inception-2015-12-05.pt)"},
};
/// pytorch-fid's file name ends in the first eight digits of its SHA-256.
constexpr const char* kPublishedPrefix = "6726825d";

std::string origin_of(const std::string& hash, const std::map<std::string, std::string>& metadata) {
    for (const KnownFile& known : kKnownFiles)
        if (hash == known.sha256) return known.origin;
    const auto original = metadata.find("original_sha256");
    if (original != metadata.end() && original->second.rfind(kPublishedPrefix, 0) == 0)
        return "the published network (pytorch-fid, " + std::string(kPublishedPrefix) + ")";
    return "unknown weights";
}

// oneDNN's convolution with weights in its own blocked layout and the ReLU inside: saves a reordering of the
// weights and a pass over the output a layer. LibTorch builds without oneDNN do not have it.
using FusedConvolution = at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                                    const std::optional<at::Tensor>& bias, at::IntArrayRef padding,
                                    at::IntArrayRef stride, at::IntArrayRef dilation, int64_t groups,
                                    std::string_view after, c10::List<std::optional<at::Scalar>> scalars,
                                    std::optional<std::string_view> algorithm);
using WeightReordering = at::Tensor(const at::Tensor& weight, at::IntArrayRef padding, at::IntArrayRef stride,
                                    at::IntArrayRef dilation, int64_t groups,
                                    at::OptionalIntArrayRef input_size);

template <class Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find_operator(const char* name) {
    if (!at::globalContext().userEnabledMkldnn() || !at::hasMKLDNN()) return std::nullopt;
    const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
    if (!found) return std::nullopt;
    return found->typed<Signature>();
}

const auto& fused_convolution() {
    static const auto found = find_operator<FusedConvolution>("mkldnn::_convolution_pointwise");
    return found;
}

const auto& weight_reordering() {
    static const auto found = find_operator<WeightReordering>("mkldnn::_reorder_convolution_weight");
    return found;
}

bool has_fused() {
    return fused_convolution() && weight_reordering();
}

at::Tensor mean_3x3(const at::Tensor& x) {
    return at::avg_pool2d(x, {3, 3}, {1, 1}, {1, 1}, false, /*count_include_pad=*/false);
}

at::Tensor max_halving(const at::Tensor& x) {
    return at::max_pool2d(x, {3, 3}, {2, 2});
}

}  // namespace

ParameterShapes inception_shapes() {
    ParameterShapes shapes = {{"fc.weight", {Inception::kLogits, Inception::kPool3}},
                              {"fc.bias", {Inception::kLogits}}};
    for (const auto& [name, layer] : inception_layers()) {
        shapes[name + ".conv.weight"] = {layer.out, layer.in, layer.height, layer.width};
        for (const char* leaf : {"weight", "bias", "running_mean", "running_var"})
            shapes[name + ".bn." + leaf] = {layer.out};
    }
    return shapes;
}

Inception::Inception(const std::map<std::string, at::Tensor>& tensors, const std::string& where,
                     InceptionPrecision precision, at::Device device)
    : precision_(precision),
      device_(device),
      fused_(device.is_cpu() && has_fused()),
      origin_("unknown weights") {
    const auto type = precision == InceptionPrecision::bf16 ? at::kBFloat16 : at::kFloat;
    std::map<std::string, at::Tensor> kept;
    for (const auto& [name, tensor] : tensors)
        if (!name.ends_with(".num_batches_tracked")) kept.emplace(name, tensor);
    Parameters p;
    try {
        p = checked_parameters(inception_shapes(), kept, where);
    } catch (const Error& e) {
        throw Error(e.kind(), "not the weights of the 2015 Inception network: " + e.message(), where, kHint);
    }
    for (const auto& [name, size] : inception_layers()) {
        const auto value = [&](const std::string& leaf) { return parameter(p, name + leaf).to(at::kDouble); };
        const at::Tensor variance = value(".bn.running_var");
        if (variance.min().item<double>() < 0)
            throw Error("number", "tensor \"" + name + ".bn.running_var\" holds a negative variance", where,
                        kHint);
        const at::Tensor factor = value(".bn.weight") / (variance + kEpsilon).sqrt();
        Layer layer;
        layer.weight = (value(".conv.weight") * factor.reshape({-1, 1, 1, 1}))
                           .to(type)
                           .contiguous(at::MemoryFormat::ChannelsLast);
        layer.bias = (value(".bn.bias") - value(".bn.running_mean") * factor).to(type);
        layer.stride = size.stride;
        layer.pad_y = size.padded ? size.height / 2 : 0;
        layer.pad_x = size.padded ? size.width / 2 : 0;
        layer.weight = layer.weight.to(device), layer.bias = layer.bias.to(device);
        if (fused_) {
            // The layout that is best depends on the input's size; with another one, some layers take four
            // times as long.
            const std::vector<int64_t> input = {kBlock, size.in, size.side, size.side};
            layer.weight = weight_reordering()->call(layer.weight, {layer.pad_y, layer.pad_x},
                                                     {layer.stride, layer.stride}, {1, 1}, 1,
                                                     at::OptionalIntArrayRef(input));
        }
        layers_.emplace(name, std::move(layer));
    }
    classes_ = parameter(p, "fc.weight").to(device, at::kFloat);
}

Inception Inception::load(const std::string& path, InceptionPrecision precision, at::Device device) {
    if (path.empty() || !std::filesystem::exists(path))
        throw Error("file", "the weights of the 2015 Inception network are not here (they cannot be shipped)",
                    path.empty() ? "inception:file=" : path, kHint);
    if (path.ends_with(".pth") || path.ends_with(".pkl"))
        throw Error("file", "is neither a safetensors nor a TorchScript file", path, kHint);
    if (path.ends_with(".pt")) {
        const TorchScript file = TorchScript::load(path);
        Inception network(inception_tensors(file), path, precision, device);
        network.hash_ = file.hash();
        network.origin_ = origin_of(network.hash_, {});
        return network;
    }
    const SafetensorsFile file = read_safetensors(path);
    Inception network(file.tensors, path, precision, device);
    network.hash_ = sha256_file(path);
    network.origin_ = origin_of(network.hash_, file.metadata);
    return network;
}

at::Tensor Inception::convolve(const std::string& name, const at::Tensor& x, bool relu) const {
    const auto it = layers_.find(name);
    SCHEDBENCH_ASSERT(it != layers_.end());
    const Layer& layer = it->second;
    if (fused_)
        return fused_convolution()->call(x, layer.weight, layer.bias, {layer.pad_y, layer.pad_x},
                                         {layer.stride, layer.stride}, {1, 1}, 1, relu ? "relu" : "none",
                                         c10::List<std::optional<at::Scalar>>(), "");
    at::Tensor y =
        at::conv2d(x, layer.weight, layer.bias, {layer.stride, layer.stride}, {layer.pad_y, layer.pad_x});
    return relu ? y.relu_() : y;
}

/// Average pool, then a 1x1 layer. The two are linear and the pool's weights sum to one, so that they (and
/// the bias) may change places; pooling the layer's few channels is cheaper than pooling its input.
at::Tensor Inception::pooled(const std::string& name, const at::Tensor& x) const {
    return mean_3x3(convolve(name, x, false)).relu_();
}

at::Tensor Inception::block_a(const std::string& name, const at::Tensor& x) const {
    const std::string b = name + ".branch";
    return at::cat({convolve(b + "1x1", x), convolve(b + "5x5_2", convolve(b + "5x5_1", x)),
                    convolve(b + "3x3dbl_3", convolve(b + "3x3dbl_2", convolve(b + "3x3dbl_1", x))),
                    pooled(b + "_pool", x)},
                   1);
}

at::Tensor Inception::block_b(const std::string& name, const at::Tensor& x) const {
    const std::string b = name + ".branch";
    return at::cat(
        {convolve(b + "3x3", x),
         convolve(b + "3x3dbl_3", convolve(b + "3x3dbl_2", convolve(b + "3x3dbl_1", x))), max_halving(x)},
        1);
}

at::Tensor Inception::block_c(const std::string& name, const at::Tensor& x, at::Tensor* first) const {
    const std::string b = name + ".branch";
    const auto chain = [&](const std::string& prefix, int count) {
        at::Tensor y = x;
        for (int i = 1; i <= count; ++i) y = convolve(b + prefix + std::to_string(i), y);
        return y;
    };
    const at::Tensor head = convolve(b + "1x1", x);
    if (first != nullptr) *first = head;
    return at::cat({head, chain("7x7_", 3), chain("7x7dbl_", 5), pooled(b + "_pool", x)}, 1);
}

at::Tensor Inception::block_d(const std::string& name, const at::Tensor& x) const {
    const std::string b = name + ".branch";
    at::Tensor y = x;
    for (int i = 1; i <= 4; ++i) y = convolve(b + "7x7x3_" + std::to_string(i), y);
    return at::cat({convolve(b + "3x3_2", convolve(b + "3x3_1", x)), y, max_halving(x)}, 1);
}

at::Tensor Inception::block_e(const std::string& name, const at::Tensor& x, bool max_pool) const {
    const std::string b = name + ".branch";
    const at::Tensor single = convolve(b + "3x3_1", x);
    const at::Tensor twice = convolve(b + "3x3dbl_2", convolve(b + "3x3dbl_1", x));
    const at::Tensor pool =
        max_pool ? convolve(b + "_pool", at::max_pool2d(x, {3, 3}, {1, 1}, {1, 1})) : pooled(b + "_pool", x);
    return at::cat({convolve(b + "1x1", x), convolve(b + "3x3_2a", single), convolve(b + "3x3_2b", single),
                    convolve(b + "3x3dbl_3a", twice), convolve(b + "3x3dbl_3b", twice), pool},
                   1);
}

Inception::Output Inception::operator()(const at::Tensor& input) const {
    if (input.dim() != 4 || input.size(1) != 3 || input.size(2) != kSize || input.size(3) != kSize ||
        input.scalar_type() != at::kFloat)
        throw Error("shape", "the Inception network needs float32 [B, 3, 299, 299]", "inception");
    at::Tensor x = input.to(device_).contiguous(at::MemoryFormat::ChannelsLast);
    if (precision_ == InceptionPrecision::bf16) x = x.to(at::kBFloat16);
    x = convolve("Conv2d_2b_3x3", convolve("Conv2d_2a_3x3", convolve("Conv2d_1a_3x3", x)));
    x = convolve("Conv2d_4a_3x3", convolve("Conv2d_3b_1x1", max_halving(x)));
    x = max_halving(x);
    for (const char* name : {"Mixed_5b", "Mixed_5c", "Mixed_5d"}) x = block_a(name, x);
    x = block_b("Mixed_6a", x);
    for (const char* name : {"Mixed_6b", "Mixed_6c"}) x = block_c(name, x);
    at::Tensor head;
    x = block_c("Mixed_6d", x, &head);
    x = block_c("Mixed_6e", x);
    x = block_d("Mixed_7a", x);
    x = block_e("Mixed_7b", x, false);
    x = block_e("Mixed_7c", x, true);
    Output out;
    out.pool3 = x.to(at::kFloat).mean(at::IntArrayRef{2, 3});
    out.logits = at::mm(out.pool3, classes_.t());
    out.spatial = head.narrow(1, 0, 7).permute({0, 2, 3, 1}).to(at::kFloat).reshape({-1, kSpatial});
    return out;
}

}  // namespace schedbench
