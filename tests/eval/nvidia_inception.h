// A TorchScript file laid out as NVIDIA's inception-2015-12-05.pt: modules, names, and a forward() that
// resizes, scales and runs the whole network by TorchScript's own code. With it the reader of weights is
// tested against a program that computes the features without any of ours.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace schedbench::nvidia_inception {

using Tensors = std::map<std::string, at::Tensor>;  ///< pytorch-fid's names
using torch::jit::Module;

class Builder {
  public:
    explicit Builder(const Tensors& tensors)
        : tensors_(tensors), unit_(std::make_shared<torch::jit::CompilationUnit>()) {}

    Module network() {
        Module layers = module();
        std::string calls;
        const auto stage = [&](const std::string& name, const Module& m) {
            layers.register_module(name, m);
            calls += "    x = self." + name + ".forward(x)\n";
        };
        const auto halve = [&] { calls += "    x = torch.max_pool2d(x, [3, 3], [2, 2])\n"; };
        stage("conv", layer("Conv2d_1a_3x3", 2, 0, 0));
        stage("conv_1", layer("Conv2d_2a_3x3", 1, 0, 0));
        stage("conv_2", layer("Conv2d_2b_3x3", 1, 1, 1));
        halve();
        stage("conv_3", layer("Conv2d_3b_1x1", 1, 0, 0));
        stage("conv_4", layer("Conv2d_4a_3x3", 1, 0, 0));
        halve();
        stage("mixed", block_a("Mixed_5b.branch"));
        stage("mixed_1", block_a("Mixed_5c.branch"));
        stage("mixed_2", block_a("Mixed_5d.branch"));
        stage("mixed_3", block_b("Mixed_6a.branch"));
        stage("mixed_4", block_c("Mixed_6b.branch"));
        stage("mixed_5", block_c("Mixed_6c.branch"));
        stage("mixed_6", block_c("Mixed_6d.branch"));
        stage("mixed_7", block_c("Mixed_6e.branch"));
        stage("mixed_8", block_d("Mixed_7a.branch"));
        stage("mixed_9", block_e("Mixed_7b.branch", true));
        stage("mixed_10", block_e("Mixed_7c.branch", false));
        layers.define("def forward(self, x):\n" + calls + "    return torch.avg_pool2d(x, [8, 8])\n");

        Module output = module(), top = module();
        output.register_parameter("weight", tensors_.at("fc.weight"), false);
        output.register_parameter("bias", tensors_.at("fc.bias"), false);
        top.register_module("layers", layers);
        top.register_module("output", output);
        top.define(R"JIT(
def forward(self, img, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False):
    x = img.half() if use_fp16 else img.float()
    theta = torch.eye(2, 3)
    theta[0, 2] += theta[0, 0] / img.shape[3] - theta[0, 0] / 299
    theta[1, 2] += theta[1, 1] / img.shape[2] - theta[1, 1] / 299
    theta = theta.type_as(x).unsqueeze(0).repeat([img.shape[0], 1, 1])
    grid = torch.affine_grid_generator(theta, [img.shape[0], 3, 299, 299], False)
    x = (torch.grid_sampler(x, grid, 0, 1, False) - 128) / 128
    features = self.layers.forward(x).reshape([-1, 2048]).float()
    if return_features:
        return features
    logits = torch.matmul(features, self.output.weight.t())
    if not no_output_bias:
        logits = logits + self.output.bias
    return torch.softmax(logits, 1)
)JIT");
        return top;
    }

  private:
    Module module() { return Module("__torch__.InceptionPart", unit_, /*shouldMangle=*/true); }

    /// Convolution, batch norm without gamma, ReLU.
    Module layer(const std::string& name, int stride, int pad_y, int pad_x) {
        Module m = module();
        m.register_parameter("weight", tensors_.at(name + ".conv.weight"), false);
        m.register_buffer("beta", tensors_.at(name + ".bn.bias"));
        m.register_buffer("mean", tensors_.at(name + ".bn.running_mean"));
        m.register_buffer("var", tensors_.at(name + ".bn.running_var"));
        const std::string s = std::to_string(stride);
        m.define("def forward(self, x):\n    x = torch.conv2d(x, self.weight.to(x.dtype), None, [" + s +
                 ", " + s + "], [" + std::to_string(pad_y) + ", " + std::to_string(pad_x) +
                 "])\n    x = torch.batch_norm(x, None, self.beta, self.mean, self.var, False, 0.0, 0.001, "
                 "False)\n"
                 "    return torch.relu(x)\n");
        return m;
    }
    /// A layer whose kernel tells its padding.
    Module same(const std::string& name) {
        const at::Tensor& w = tensors_.at(name + ".conv.weight");
        return layer(name, 1, static_cast<int>(w.size(2) / 2), static_cast<int>(w.size(3) / 2));
    }
    /// conv, conv_1, ... one after the other.
    Module tower(const std::vector<Module>& convs, const std::string& before = "") {
        Module m = module();
        std::string code = "def forward(self, x):\n" + before;
        for (size_t i = 0; i < convs.size(); ++i) {
            const std::string name = i == 0 ? "conv" : "conv_" + std::to_string(i);
            m.register_module(name, convs[i]);
            code += "    x = self." + name + ".forward(x)\n";
        }
        m.define(code + "    return x\n");
        return m;
    }
    Module pool_tower(const std::string& name) {
        return tower({same(name)}, "    x = torch.avg_pool2d(x, [3, 3], [1, 1], [1, 1], False, False)\n");
    }
    std::vector<Module> chain(const std::string& prefix, int count) {
        std::vector<Module> out;
        for (int i = 1; i <= count; ++i) out.push_back(same(prefix + std::to_string(i)));
        return out;
    }
    Module joined(const std::vector<std::pair<std::string, Module>>& branches, const std::string& last = "") {
        Module m = module();
        std::string list;
        for (const auto& [name, branch] : branches) {
            m.register_module(name, branch);
            list += (list.empty() ? "" : ", ") + std::string("self.") + name + ".forward(x)";
        }
        m.define("def forward(self, x):\n    return torch.cat([" + list + (last.empty() ? "" : ", " + last) +
                 "], 1)\n");
        return m;
    }
    Module block_a(const std::string& b) {
        return joined({{"conv", same(b + "1x1")},
                       {"tower", tower(chain(b + "5x5_", 2))},
                       {"tower_1", tower(chain(b + "3x3dbl_", 3))},
                       {"tower_2", pool_tower(b + "_pool")}});
    }
    Module block_b(const std::string& b) {
        auto second = chain(b + "3x3dbl_", 2);
        second.push_back(layer(b + "3x3dbl_3", 2, 0, 0));
        return joined({{"conv", layer(b + "3x3", 2, 0, 0)}, {"tower", tower(second)}},
                      "torch.max_pool2d(x, [3, 3], [2, 2])");
    }
    Module block_c(const std::string& b) {
        return joined({{"conv", same(b + "1x1")},
                       {"tower", tower(chain(b + "7x7_", 3))},
                       {"tower_1", tower(chain(b + "7x7dbl_", 5))},
                       {"tower_2", pool_tower(b + "_pool")}});
    }
    Module block_d(const std::string& b) {
        auto first = chain(b + "3x3_", 1), second = chain(b + "7x7x3_", 3);
        first.push_back(layer(b + "3x3_2", 2, 0, 0));
        second.push_back(layer(b + "7x7x3_4", 2, 0, 0));
        return joined({{"tower", tower(first)}, {"tower_1", tower(second)}},
                      "torch.max_pool2d(x, [3, 3], [2, 2])");
    }
    Module block_e(const std::string& b, bool average) {
        Module m = module();
        for (const auto& [name, ours] : {std::pair<const char*, const char*>{"conv", "1x1"},
                                         {"tower_conv", "3x3_1"},
                                         {"tower_mixed_conv", "3x3_2a"},
                                         {"tower_mixed_conv_1", "3x3_2b"},
                                         {"tower_1_conv", "3x3dbl_1"},
                                         {"tower_1_conv_1", "3x3dbl_2"},
                                         {"tower_1_mixed_conv", "3x3dbl_3a"},
                                         {"tower_1_mixed_conv_1", "3x3dbl_3b"},
                                         {"tower_2_conv", "_pool"}})
            m.register_module(name, same(b + ours));
        m.define(std::string("def forward(self, x):\n"
                             "    a = self.tower_conv.forward(x)\n"
                             "    b = self.tower_1_conv_1.forward(self.tower_1_conv.forward(x))\n") +
                 (average ? "    p = torch.avg_pool2d(x, [3, 3], [1, 1], [1, 1], False, False)\n"
                          : "    p = torch.max_pool2d(x, [3, 3], [1, 1], [1, 1])\n") +
                 "    return torch.cat([self.conv.forward(x), self.tower_mixed_conv.forward(a), "
                 "self.tower_mixed_conv_1.forward(a), self.tower_1_mixed_conv.forward(b), "
                 "self.tower_1_mixed_conv_1.forward(b), self.tower_2_conv.forward(p)], 1)\n");
        return m;
    }

    const Tensors& tensors_;
    std::shared_ptr<torch::jit::CompilationUnit> unit_;
};

/// Writes the file; bn.weight of `tensors` must be 1, as it has no place in it.
inline void write(const Tensors& tensors, const std::string& path) {
    Builder(tensors).network().save(path);
}

}  // namespace schedbench::nvidia_inception
