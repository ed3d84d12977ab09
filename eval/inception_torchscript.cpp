#include "eval/inception_torchscript.h"

#include <ATen/ATen.h>

#include <set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "eval/inception_layers.h"

namespace schedbench {

namespace {

using Renaming = std::pair<const char*, const char*>;  ///< pytorch-fid's, TensorFlow's

constexpr Renaming kStem[] = {{"Conv2d_1a_3x3", "conv"},
                              {"Conv2d_2a_3x3", "conv_1"},
                              {"Conv2d_2b_3x3", "conv_2"},
                              {"Conv2d_3b_1x1", "conv_3"},
                              {"Conv2d_4a_3x3", "conv_4"}};
constexpr const char* kBlocks[] = {"5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"};
constexpr Renaming kBlockE[] = {{"1x1", "conv"},
                                {"3x3_1", "tower_conv"},
                                {"3x3_2a", "tower_mixed_conv"},
                                {"3x3_2b", "tower_mixed_conv_1"},
                                {"3x3dbl_1", "tower_1_conv"},
                                {"3x3dbl_2", "tower_1_conv_1"},
                                {"3x3dbl_3a", "tower_1_mixed_conv"},
                                {"3x3dbl_3b", "tower_1_mixed_conv_1"},
                                {"pool", "tower_2_conv"}};

/// TensorFlow's way to count: conv, conv_1, conv_2.
std::string numbered(const std::string& name, size_t index) {
    return index == 0 ? name : name + "_" + std::to_string(index);
}

/// Of a branch in the blocks before the last two.
std::string branch_name(const std::string& block, const std::string& branch) {
    if (branch == "1x1" || branch == "3x3") return "conv";
    if (branch == "pool") return "tower_2.conv";
    const size_t cut = branch.rfind('_');
    const std::string kind = branch.substr(0, cut);
    const size_t index = std::stoul(branch.substr(cut + 1)) - 1;
    const bool second = block != "6a" && (kind == "3x3dbl" || kind == "7x7dbl" || kind == "7x7x3");
    return std::string(second ? "tower_1." : "tower.") + numbered("conv", index);
}

}  // namespace

std::string nvidia_layer_name(const std::string& layer) {
    for (const auto& [ours, theirs] : kStem)
        if (layer == ours) return std::string("layers.") + theirs;
    constexpr std::string_view kPrefix = "Mixed_", kBranch = ".branch";
    const size_t dot = layer.find(kBranch);
    SCHEDBENCH_ASSERT(layer.starts_with(kPrefix) && dot != std::string::npos);
    const std::string block = layer.substr(kPrefix.size(), dot - kPrefix.size());
    std::string branch = layer.substr(dot + kBranch.size());
    if (branch.starts_with('_')) branch.erase(0, 1);  // "_pool"
    size_t index = 0;
    while (index < std::size(kBlocks) && block != kBlocks[index]) ++index;
    SCHEDBENCH_ASSERT(index < std::size(kBlocks));
    const std::string scope = "layers." + numbered("mixed", index) + ".";
    if (!block.starts_with("7") || block == "7a") return scope + branch_name(block, branch);
    for (const auto& [ours, theirs] : kBlockE)
        if (branch == ours) return scope + theirs;
    SCHEDBENCH_ASSERT(false && "a branch without a name");
    return {};
}

std::map<std::string, at::Tensor> inception_tensors(const TorchScript& file) {
    std::map<std::string, at::Tensor> theirs = file.tensors(), out;
    std::vector<std::string> missing;
    const auto take = [&](const std::string& from, const std::string& to) {
        const auto it = theirs.find(from);
        if (it == theirs.end()) {
            missing.push_back(from);
            return;
        }
        out.emplace(to, it->second);
        theirs.erase(it);
    };
    for (const auto& [name, layer] : inception_layers()) {
        const std::string scope = nvidia_layer_name(name);
        take(scope + ".weight", name + ".conv.weight");
        take(scope + ".beta", name + ".bn.bias");
        take(scope + ".mean", name + ".bn.running_mean");
        take(scope + ".var", name + ".bn.running_var");
        out.emplace(name + ".bn.weight", at::ones({layer.out}));
    }
    take("output.weight", "fc.weight");
    take("output.bias", "fc.bias");
    if (missing.empty() && theirs.empty()) return out;

    const auto some = [](const auto& names) {
        constexpr size_t kShown = 6;
        std::string text;
        size_t shown = 0;
        for (const std::string& name : names) {
            if (shown++ == kShown) return text + ", ... (" + std::to_string(names.size()) + ")";
            text += (text.empty() ? "" : ", ") + name;
        }
        return text;
    };
    std::set<std::string> extra;
    for (const auto& [name, tensor] : theirs) extra.insert(name);
    std::string message = "not the TorchScript form of the 2015 Inception network:";
    if (!missing.empty()) message += " lacks " + some(missing);
    if (!extra.empty()) message += std::string(missing.empty() ? "" : ";") + " does not know " + some(extra);
    throw Error("file", message, file.path(),
                "any other feature network: torchscript:file=... in place of inception:file=...");
}

}  // namespace schedbench
