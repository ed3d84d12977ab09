// TorchScript files: written here by LibTorch itself, then loaded, called, taken apart and damaged.
#include "core/torchscript.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/hash.h"
#include "failure.h"

namespace schedbench {
namespace {

class TorchScriptFile : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::path(SCHEDBENCH_BINARY_DIR) / ("torchscript_test_" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string file(const std::string& name) const { return (folder_ / name).string(); }

    /// y = x weight^T, twice that with `doubled`; `fails` raises, `pair` and `number` return other things.
    std::string network(const std::string& name = "net.pt") const {
        const auto unit = std::make_shared<torch::jit::CompilationUnit>();
        torch::jit::Module inner("Inner", unit), outer("Outer", unit);
        inner.register_parameter("weight", at::arange(6, at::kFloat).reshape({2, 3}), false);
        inner.define("def forward(self, x):\n    return torch.matmul(x, self.weight.t())\n");
        outer.register_buffer("scale", at::full({}, 2.0, at::kFloat));
        outer.register_attribute("training", c10::BoolType::get(), true);
        outer.register_module("layers", inner);
        outer.define(R"JIT(
def forward(self, x, doubled: bool = False):
    if doubled:
        return self.layers.forward(x) * self.scale
    return self.layers.forward(x)
def fails(self, x):
    assert bool(x.sum() < 1), "the input is too bright"
    return x
def pair(self, x):
    return (x + 1, x)
def number(self, x):
    return 3
def is_training(self, x):
    return x + int(self.training)
)JIT");
        outer.save(file(name));
        return file(name);
    }

    std::filesystem::path folder_;
};

TEST_F(TorchScriptFile, CallsAndTakesApart) {
    const std::string path = network();
    const TorchScript script = TorchScript::load(path);
    const at::Tensor x = at::ones({1, 3});
    const at::Tensor expected = at::tensor({3.0F, 12.0F}).reshape({1, 2});
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(script.call({x}).equal(expected));
    EXPECT_TRUE(script.call({x}, {{"doubled", true}}).equal(expected * 2));
    EXPECT_TRUE(script.call({x}, {}, "pair").equal(x + 1));
    EXPECT_TRUE(script.call({x}, {}, "is_training").equal(x));
    at::Tensor changeable = script.call({x});
    changeable.add_(1);

    const auto inputs = script.inputs();
    ASSERT_EQ(inputs.size(), 2U);
    EXPECT_EQ(inputs[0].name, "x");
    EXPECT_EQ(inputs[0].type, "Tensor");
    EXPECT_FALSE(inputs[0].has_default);
    EXPECT_EQ(inputs[1].name, "doubled");
    EXPECT_EQ(inputs[1].type, "bool");
    EXPECT_TRUE(inputs[1].has_default);
    EXPECT_TRUE(script.inputs("no_such_method").empty());

    const auto tensors = script.tensors();
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_TRUE(tensors.at("layers.weight").equal(at::arange(6, at::kFloat).reshape({2, 3})));
    EXPECT_EQ(tensors.at("scale").item<float>(), 2.0F);
    EXPECT_EQ(script.hash(), sha256_file(path));
}

TEST_F(TorchScriptFile, GradientsFlowToInputsThatWantThem) {
    const TorchScript script = TorchScript::load(network());
    const at::Tensor x = at::ones({1, 3}).requires_grad_(true);
    script.call({x}).sum().backward();
    EXPECT_TRUE(x.grad().equal(at::tensor({3.0F, 5.0F, 7.0F}).reshape({1, 3})));
}

TEST_F(TorchScriptFile, FailuresOfTheProgram) {
    const TorchScript script = TorchScript::load(network());
    const at::Tensor x = at::ones({1, 3});
    Error e = failure([&] { script.call({x}, {}, "fails"); });
    EXPECT_EQ(e.kind(), "model");
    EXPECT_EQ(e.where(), script.path());
    EXPECT_NE(e.message().find("the input is too bright"), std::string::npos) << e.message();
    e = failure([&] { script.call({at::ones({1, 4})}); });
    EXPECT_NE(e.message().find("shapes"), std::string::npos) << e.message();
    e = failure([&] { script.call({x}, {{"tripled", true}}); });
    EXPECT_NE(e.hint().find("known: doubled"), std::string::npos) << e.hint();
    EXPECT_EQ(failure([&] { script.call({x}, {}, "number"); }).kind(), "model");
    EXPECT_EQ(failure([&] { script.call({x}, {}, "no_such_method"); }).kind(), "model");
    EXPECT_EQ(failure([&] { script.call({}); }).kind(), "model");
}

TEST_F(TorchScriptFile, DamagedAndForeignFiles) {
    const std::string path = network();
    EXPECT_EQ(failure([&] { TorchScript::load(file("none.pt")); }).kind(), "file");
    EXPECT_EQ(failure([&] { TorchScript::load(""); }).kind(), "file");
    EXPECT_EQ(failure([&] { TorchScript::load(folder_.string()); }).kind(), "file");
    std::ifstream in(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto refused = [&](const std::string& content) {
        std::ofstream(file("bad.pt"), std::ios::binary) << content;
        const Error e = failure([&] { TorchScript::load(file("bad.pt")); });
        EXPECT_EQ(e.kind(), "file");
        EXPECT_EQ(e.where(), file("bad.pt"));
    };
    refused("");
    refused("not a zip file");
    refused(bytes.substr(0, bytes.size() / 2));
    refused(bytes.substr(0, bytes.size() - 10));
    refused("PK\x03\x04" + std::string(200, 'x'));
}

}  // namespace
}  // namespace schedbench
