#include "eval/dinov2.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "models/safetensors.h"

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-6;  // of layer norm
constexpr double kOffset = 0.1;    // of positions()
constexpr const char* kHint =
    "convert the official dinov2_vitl14_pretrain.pth: scripts/convert_checkpoint.py dinov2 IN.pth "
    "OUT.safetensors";

[[noreturn]] void not_this(const std::string& message, const std::string& where) {
    throw Error("file", "not the weights of DINOv2: " + message, where, kHint);
}

/// What the shapes say; tensors that decide it must be there.
DinoV2Size size_of(const std::map<std::string, at::Tensor>& tensors, const std::string& where) {
    const auto shape = [&](const char* name, int64_t dims) {
        const auto it = tensors.find(name);
        if (it == tensors.end()) not_this(std::string("it lacks ") + name, where);
        if (it->second.dim() != dims)
            not_this(std::string(name) + " has another number of dimensions", where);
        return it->second.sizes();
    };
    for (const auto& [name, tensor] : tensors) {
        if (name == "register_tokens")
            not_this("with register tokens it is another network, whose distances are not FD-DINOv2", where);
        if (name.find(".mlp.w12.") != std::string::npos)
            not_this("the giant with gated layers (SwiGLU) is not supported", where);
    }
    DinoV2Size size;
    size.width = shape("cls_token", 3)[2];
    size.patch = shape("patch_embed.proj.weight", 4)[2];
    size.mlp = shape("blocks.0.mlp.fc1.weight", 2)[0];
    const int64_t places = shape("pos_embed", 3)[1] - 1;
    size.grid = std::llround(std::sqrt(static_cast<double>(std::max<int64_t>(places, 0))));
    if (size.grid < 1 || size.grid * size.grid != places)
        not_this("pos_embed is no square of patches", where);
    if (size.width < 1 || size.width % DinoV2::kHead != 0) not_this("its width is no multiple of 64", where);
    size.depth = 0;
    while (tensors.contains("blocks." + std::to_string(size.depth) + ".norm1.weight")) ++size.depth;
    return size;
}

}  // namespace

ParameterShapes dinov2_shapes(const DinoV2Size& size) {
    const int64_t w = size.width;
    ParameterShapes shapes = {{"cls_token", {1, 1, w}},
                              {"mask_token", {1, w}},  // of training; every file has it
                              {"pos_embed", {1, 1 + size.grid * size.grid, w}},
                              {"patch_embed.proj.weight", {w, 3, size.patch, size.patch}},
                              {"patch_embed.proj.bias", {w}},
                              {"norm.weight", {w}},
                              {"norm.bias", {w}}};
    for (int64_t i = 0; i < size.depth; ++i) {
        const std::string block = "blocks." + std::to_string(i) + ".";
        const auto layer = [&](const char* name, int64_t out, int64_t in) {
            shapes[block + name + ".weight"] = {out, in};
            shapes[block + name + ".bias"] = {out};
        };
        for (const char* norm : {"norm1", "norm2"})
            for (const char* leaf : {".weight", ".bias"}) shapes[block + norm + leaf] = {w};
        for (const char* scale : {"ls1.gamma", "ls2.gamma"}) shapes[block + scale] = {w};
        layer("attn.qkv", 3 * w, w);
        layer("attn.proj", w, w);
        layer("mlp.fc1", size.mlp, w);
        layer("mlp.fc2", w, size.mlp);
    }
    return shapes;
}

DinoV2::DinoV2(const std::map<std::string, at::Tensor>& tensors, const std::string& where)
    : size_(size_of(tensors, where)) {
    try {
        parameters_ = checked_parameters(dinov2_shapes(size_), tensors, where);
    } catch (const Error& e) {
        throw Error(e.kind(), "not the weights of DINOv2: " + e.message(), where, kHint);
    }
}

DinoV2 DinoV2::load(const std::string& path) {
    if (path.empty() || !std::filesystem::exists(path))
        throw Error("file", "the weights of DINOv2 are not here (they cannot be shipped)",
                    path.empty() ? "dinov2:file=" : path, kHint);
    if (path.ends_with(".pth") || path.ends_with(".pt"))
        throw Error("file", "is no safetensors file", path, kHint);
    DinoV2 network(read_safetensors(path).tensors, path);
    network.hash_ = sha256_file(path);
    return network;
}

void DinoV2::move_to(at::Device device) {
    for (auto& [name, tensor] : parameters_) tensor = tensor.to(device);
}

std::string DinoV2::name() const {
    struct Published {
        int64_t width, depth;
        const char* name;
    };
    for (const Published& p : {Published{384, 12, "vits"}, {768, 12, "vitb"}, {1024, 24, "vitl"}})
        if (size_.width == p.width && size_.depth == p.depth)
            return std::string("dinov2-") + p.name + std::to_string(size_.patch);
    return "dinov2-" + std::to_string(size_.width) + "x" + std::to_string(size_.depth);
}

at::Tensor DinoV2::positions(int64_t rows, int64_t columns) const {
    const at::Tensor learned = parameter(parameters_, "pos_embed").to(at::kFloat)[0];
    const int64_t grid = size_.grid;
    if (rows == grid && columns == grid) return learned;
    const auto scale = [&](int64_t count) {
        return (static_cast<double>(count) + kOffset) / static_cast<double>(grid);
    };
    const at::Tensor plane =
        learned.narrow(0, 1, grid * grid).reshape({1, grid, grid, size_.width}).permute({0, 3, 1, 2});
    const at::Tensor resized =
        at::upsample_bicubic2d(plane, {rows, columns}, /*align_corners=*/false, scale(rows), scale(columns));
    return at::cat(
        {learned.narrow(0, 0, 1), resized.permute({0, 2, 3, 1}).reshape({rows * columns, size_.width})});
}

at::Tensor DinoV2::normalised(const std::string& name, const at::Tensor& x) const {
    return at::layer_norm(x, {size_.width}, parameter(parameters_, name + ".weight").to(x.scalar_type()),
                          parameter(parameters_, name + ".bias").to(x.scalar_type()), kEpsilon);
}

at::Tensor DinoV2::block(const std::string& name, const at::Tensor& x) const {
    const int64_t batch = x.size(0), tokens = x.size(1), heads = size_.width / kHead;
    const auto apply = [&](const char* layer, const at::Tensor& input) {
        const std::string prefix = name + "." + layer;
        return at::linear(input, parameter(parameters_, prefix + ".weight").to(x.scalar_type()),
                          parameter(parameters_, prefix + ".bias").to(x.scalar_type()));
    };
    const auto scaled = [&](const char* scale, const at::Tensor& y) {
        return y * parameter(parameters_, name + "." + scale + ".gamma").to(x.scalar_type());
    };
    // Columns of the fused layer: (q or k or v, head, channel).
    const at::Tensor qkv = apply("attn.qkv", normalised(name + ".norm1", x))
                               .reshape({batch, tokens, 3, heads, kHead})
                               .permute({2, 0, 3, 1, 4});
    const at::Tensor mixed =
        at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).transpose(1, 2).reshape({batch, tokens, -1});
    const at::Tensor attended = x + scaled("ls1", apply("attn.proj", mixed));
    const at::Tensor hidden = at::gelu(apply("mlp.fc1", normalised(name + ".norm2", attended)));
    return attended + scaled("ls2", apply("mlp.fc2", hidden));
}

at::Tensor DinoV2::operator()(const at::Tensor& input) const {
    if (input.dim() != 4 || input.size(1) != 3 || input.size(2) < size_.patch ||
        input.size(3) < size_.patch || input.size(2) % size_.patch != 0 || input.size(3) % size_.patch != 0 ||
        (input.scalar_type() != at::kFloat && input.scalar_type() != at::kDouble))
        throw Error(
            "shape",
            "DINOv2 needs floats [B, 3, H, W] with H and W multiples of " + std::to_string(size_.patch),
            "dinov2");
    const c10::NoGradGuard no_gradients;
    const auto type = input.scalar_type();
    const auto value = [&](const char* name) { return parameter(parameters_, name).to(type); };
    const at::Tensor patches =
        at::conv2d(input.to(parameter(parameters_, "cls_token").device()), value("patch_embed.proj.weight"),
                   value("patch_embed.proj.bias"), {size_.patch, size_.patch});
    const at::Tensor first = value("cls_token").expand({input.size(0), 1, size_.width});
    at::Tensor x = at::cat({first, patches.flatten(2).transpose(1, 2)}, 1) +
                   positions(patches.size(2), patches.size(3)).to(type);
    for (int64_t i = 0; i < size_.depth; ++i) x = block("blocks." + std::to_string(i), x);
    return normalised("norm", x.select(1, 0));
}

at::Tensor dinov2_input(const at::Tensor& pixels) {
    const auto row = [](double r, double g, double b) {
        return at::tensor({r, g, b}, at::kDouble).to(at::kFloat).reshape({1, 3, 1, 1});
    };
    return (pixels / 255.0 - row(0.485, 0.456, 0.406)) / row(0.229, 0.224, 0.225);
}

}  // namespace schedbench
