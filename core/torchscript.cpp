#include "core/torchscript.h"

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/program_file.h"

namespace schedbench {

struct TorchScript::Program {
    // Method calls are not const in LibTorch, though nothing of the module changes.
    mutable torch::jit::Module module;
    mutable std::mutex lock;  // the interpreter's plans are made at the first call
};

namespace {

constexpr const char* kHint = "write it with torch.jit.script(net.eval()).save(FILE) or torch.jit.trace";

/// The interpreter reports a traceback over many lines; what happened is in the last one that says something.
std::string last_line(const std::string& text) {
    std::string last;
    for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find('\n', start), text.size());
        std::string line = text.substr(start, end - start);
        start = end + 1;
        const size_t first = line.find_first_not_of(" \t~^<");
        if (first == std::string::npos || line[first] == '.') continue;
        line.erase(0, first);
        if (line.rfind("HERE", 0) == 0 || line.rfind("Exception raised from", 0) == 0) continue;
        last = line;
    }
    constexpr std::string_view kPrefix = "RuntimeError: ";
    if (last.rfind(kPrefix, 0) == 0) last.erase(0, kPrefix.size());
    return last.empty() ? "no reason given" : last;
}

std::string call_failure(const std::string& method) {
    return "the TorchScript program failed in " + method + "()";
}

}  // namespace

TorchScript TorchScript::load(const std::string& path, at::Device device) {
    check_program_file(path, "TorchScript file", kHint);
    auto program = std::make_shared<Program>();
    guarded("file", "cannot be read as TorchScript", path, kHint, first_line, [&] {
        program->module = torch::jit::load(path, device);
        program->module.eval();
    });
    TorchScript out;
    out.program_ = std::move(program);
    out.device_ = device;
    out.path_ = path;
    out.hash_ = sha256_file(path);
    return out;
}

at::Tensor TorchScript::call(const std::vector<at::Tensor>& inputs, const std::map<std::string, bool>& flags,
                             const std::string& method) const {
    const std::vector<TorchScriptInput> declared = this->inputs(method);
    for (const auto& [name, value] : flags) {
        const auto it = std::find_if(declared.begin(), declared.end(),
                                     [&](const TorchScriptInput& input) { return input.name == name; });
        if (it == declared.end() || it->type != "bool") {
            std::string known;
            for (const TorchScriptInput& input : declared)
                if (input.type == "bool") known += (known.empty() ? "" : ", ") + input.name;
            throw Error("model", method + "() has no boolean input \"" + name + "\"", path_,
                        known.empty() ? "it has none" : "known: " + known);
        }
    }
    const bool differentiated =
        c10::GradMode::is_enabled() &&
        std::any_of(inputs.begin(), inputs.end(), [](const at::Tensor& x) { return x.requires_grad(); });
    const c10::IValue result =
        guarded("model", call_failure(method), path_, "", last_line, [&]() -> c10::IValue {
            const std::lock_guard<std::mutex> guard(program_->lock);
            const c10::InferenceMode inference(!differentiated);
            const torch::jit::GraphOptimizerEnabledGuard no_optimisation(false);
            std::vector<c10::IValue> stack(inputs.begin(), inputs.end());
            std::unordered_map<std::string, c10::IValue> keywords;
            for (const auto& [name, value] : flags) keywords.emplace(name, value);
            return program_->module.get_method(method)(std::move(stack), keywords);
        });
    const c10::IValue* first = &result;
    c10::IValue element;
    if (result.isTuple() && !result.toTupleRef().elements().empty()) {
        element = result.toTupleRef().elements()[0];
        first = &element;
    } else if (result.isList() && !result.toListRef().empty()) {
        element = result.toListRef()[0];
        first = &element;
    }
    if (!first->isTensor())
        throw Error("model", method + "() returns " + result.tagKind() + " where a tensor is needed", path_);
    // A tensor of inference mode may not be changed in place outside it.
    return differentiated ? first->toTensor() : first->toTensor().clone();
}

std::vector<TorchScriptInput> TorchScript::inputs(const std::string& method) const {
    std::vector<TorchScriptInput> out;
    const auto found = program_->module.find_method(method);
    if (!found) return out;
    const auto& arguments = found->function().getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i)
        out.push_back({arguments[i].name(), arguments[i].type()->annotation_str(),
                       arguments[i].default_value().has_value()});
    return out;
}

std::map<std::string, at::Tensor> TorchScript::tensors() const {
    std::map<std::string, at::Tensor> out;
    for (const auto& attribute : program_->module.named_attributes(true))
        if (attribute.value.isTensor()) out.emplace(attribute.name, attribute.value.toTensor().detach());
    return out;
}

}  // namespace schedbench
