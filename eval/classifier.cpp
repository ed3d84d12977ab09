#include "eval/classifier.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <charconv>
#include <limits>
#include <utility>

#include "core/error.h"
#include "eval/quantise.h"
#include "models/safetensors.h"

namespace schedbench {

namespace {
constexpr const char* kFormat = "schedbench-classifier-1";
}

std::string ClassifierArchitecture::print_stages() const {
    std::string text;
    for (const auto& stage : stages) {
        if (!text.empty()) text += ',';
        text += std::to_string(stage.width);
        if (stage.stride != 1) text += '/' + std::to_string(stage.stride);
    }
    return text;
}

std::vector<ConvolutionStage> ClassifierArchitecture::parse_stages(std::string_view text,
                                                                   const std::string& where) {
    std::vector<ConvolutionStage> stages;
    const auto fail = [&] {
        return Error("spec", "cannot read the stages '" + std::string(text) + "'", where,
                     "expected widths with strides, such as 32/2,32,64/2,64");
    };
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](int64_t low, int64_t high) {
        int64_t value = 0;
        const auto [next, error] = std::from_chars(at, end, value);
        if (error != std::errc() || value < low || value > high) throw fail();
        at = next;
        return value;
    };
    while (true) {
        ConvolutionStage stage{number(1, 4096), 1};
        if (at != end && *at == '/') {
            ++at;
            stage.stride = number(1, 2);
        }
        stages.push_back(stage);
        if (at == end) return stages;
        if (*at++ != ',') throw fail();
    }
}

int64_t ClassifierArchitecture::multiply_adds() const {
    int64_t total = 0, in = channels, side = size;
    for (const auto& stage : stages) {
        side = (side - 1) / stage.stride + 1;
        total += 9 * in * stage.width * side * side;
        in = stage.width;
    }
    return total + in * features + features * classes;
}

std::vector<std::pair<std::string, std::vector<int64_t>>> classifier_tensor_shapes(
    const ClassifierArchitecture& a) {
    std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
    int64_t in = a.channels;
    for (size_t i = 0; i < a.stages.size(); ++i) {
        const std::string name = "conv" + std::to_string(i);
        shapes.push_back({name + ".weight", {a.stages[i].width, in, 3, 3}});
        shapes.push_back({name + ".bias", {a.stages[i].width}});
        in = a.stages[i].width;
    }
    shapes.push_back({"features.weight", {a.features, in}});
    shapes.push_back({"features.bias", {a.features}});
    shapes.push_back({"logits.weight", {a.classes, a.features}});
    shapes.push_back({"logits.bias", {a.classes}});
    return shapes;
}

Classifier::Classifier(ClassifierArchitecture architecture, std::map<std::string, at::Tensor> tensors,
                       std::map<std::string, std::string> metadata, const std::string& where)
    : architecture_(std::move(architecture)), metadata_(std::move(metadata)) {
    for (const auto& [name, shape] : classifier_tensor_shapes(architecture_)) {
        const auto found = tensors.find(name);
        if (found == tensors.end()) {
            throw Error("shape", "tensor '" + name + "' is missing", where,
                        "is it a file of train-features?");
        }
        if (found->second.sizes() != at::IntArrayRef(shape)) {
            throw Error("shape",
                        "tensor '" + name + "' has another shape than the architecture in the metadata says",
                        where, "the file is damaged: make it again with train-features");
        }
        at::Tensor value = found->second.detach().to(at::kCPU, at::kFloat);
        value = value.dim() == 4 ? value.contiguous(at::MemoryFormat::ChannelsLast) : value.contiguous();
        if (!at::isfinite(value).all().item<bool>()) {
            throw Error("number", "tensor '" + name + "' holds NaN or infinity", where);
        }
        tensors_[name] = value;
    }
    if (tensors.size() != tensors_.size()) {
        throw Error("shape", "there are tensors that the architecture does not have", where);
    }
}

Classifier Classifier::rounded_to_half() const {
    std::map<std::string, at::Tensor> rounded;
    for (const auto& [name, tensor] : tensors_) rounded[name] = tensor.to(at::kHalf);
    return Classifier(architecture_, std::move(rounded), metadata_, "classifier");
}

void Classifier::save(const std::string& path) const {
    std::map<std::string, at::Tensor> halves;
    for (const auto& [name, tensor] : tensors_) halves[name] = tensor.to(at::kHalf).contiguous();
    auto metadata = metadata_;
    metadata["format"] = kFormat;
    metadata["architecture"] = architecture_.print_stages();
    metadata["channels"] = std::to_string(architecture_.channels);
    metadata["size"] = std::to_string(architecture_.size);
    metadata["features"] = std::to_string(architecture_.features);
    metadata["classes"] = std::to_string(architecture_.classes);
    write_safetensors(path, halves, metadata);
}

Classifier Classifier::load(const std::string& path) {
    SafetensorsFile file = read_safetensors(path);
    const auto format = file.metadata.find("format");
    if (format == file.metadata.end() || format->second != kFormat) {
        throw Error("file", std::string("is not a classifier: its metadata lack format = ") + kFormat, path,
                    "make one with train-features");
    }
    const auto number = [&](const std::string& key) {
        const std::string& text = file.meta(key);
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value < 1 ||
            value > std::numeric_limits<int32_t>::max()) {
            throw Error("file", "metadata '" + key + "' is '" + text + "', expected a positive integer",
                        path);
        }
        return value;
    };
    ClassifierArchitecture architecture;
    architecture.channels = number("channels");
    architecture.size = number("size");
    architecture.features = number("features");
    architecture.classes = number("classes");
    architecture.stages = ClassifierArchitecture::parse_stages(file.meta("architecture"), path);
    return Classifier(std::move(architecture), std::move(file.tensors), std::move(file.metadata), path);
}

void Classifier::move_to(at::Device device) {
    for (auto& [name, tensor] : tensors_) tensor = tensor.to(device);
}

Classifier::Output Classifier::operator()(const at::Tensor& pixels) const {
    const auto& a = architecture_;
    if (pixels.scalar_type() != at::kByte || pixels.dim() != 4 || pixels.size(1) != a.channels ||
        pixels.size(2) != a.size || pixels.size(3) != a.size) {
        throw Error("shape",
                    "the classifier needs uint8 images [B, " + std::to_string(a.channels) + ", " +
                        std::to_string(a.size) + ", " + std::to_string(a.size) + "]",
                    "extractor", "use the classifier that was trained on this kind of data");
    }
    const at::NoGradGuard no_gradients;
    at::Tensor x =
        dequantise(pixels.to(tensors_.at("logits.bias").device())).contiguous(at::MemoryFormat::ChannelsLast);
    for (size_t i = 0; i < a.stages.size(); ++i) {
        const std::string name = "conv" + std::to_string(i);
        x = at::conv2d(x, tensors_.at(name + ".weight"), tensors_.at(name + ".bias"), a.stages[i].stride, 1)
                .relu_();
    }
    Output out;
    out.features = at::linear(x.mean({2, 3}), tensors_.at("features.weight"), tensors_.at("features.bias"));
    out.logits = at::linear(out.features.relu(), tensors_.at("logits.weight"), tensors_.at("logits.bias"));
    return out;
}

}  // namespace schedbench
