// TorchScript feature networks: as extractors of their own, and NVIDIA's form of the 2015 Inception network,
// out of which the weights are taken.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "eval/extractor.h"
#include "eval/inception.h"
#include "eval/inception_layers.h"
#include "eval/inception_torchscript.h"
#include "eval/resize.h"
#include "failure.h"
#include "inception_cases.h"
#include "inception_weights.h"
#include "nvidia_inception.h"

namespace schedbench {
namespace {

std::unique_ptr<Extractor> make(const std::string& text) {
    return make_extractor(Spec::parse(text, "--extractor"));
}

class Folder : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::path(SCHEDBENCH_BINARY_DIR) / ("script_test_" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string file(const std::string& name) const { return (folder_ / name).string(); }
    std::filesystem::path folder_;
};

// ------------------------------------------------------------------------------------ any feature network

class AnyNetwork : public Folder {
  protected:
    /// Per channel the mean, and with `squares` the mean of squares; [B, 3, 1, 1] as many networks give it.
    std::string means() const {
        torch::jit::Module m("Means");
        m.define(R"JIT(
def forward(self, x, squares: bool = False):
    if squares:
        x = x * x
    return x.mean([2, 3], True)
)JIT");
        m.save(file("my means.pt"));
        return "torchscript:file='" + file("my means.pt") + "'";
    }
};

TEST_F(AnyNetwork, InputIsWhatTheSpecSays) {
    const auto plain = make(means());
    EXPECT_EQ(plain->id(), "torchscript-my-means");
    EXPECT_EQ(plain->frechet_name(), "fd-torchscript-my-means");
    EXPECT_EQ(plain->dim(), 3);
    EXPECT_EQ(plain->weights_hash(), sha256_file(file("my means.pt")));
    const at::Tensor image = inception_cases::formula_image(8, 6);
    const at::Tensor mean = image.to(at::kDouble).mean({2, 3});
    const auto worst = [](const at::Tensor& a, const at::Tensor& b) {
        return (a.to(at::kDouble) - b).abs().max().item<double>();
    };
    EXPECT_LT(worst(plain->features(image), mean), 1e-4);
    // Bytes 0 and 255 become the ends of the range; then each channel is shifted and scaled.
    const auto scaled = make(means() + ",range=[-1,1],mean=[0.5,0,-0.5],std=[2,1,0.5],name=m1");
    EXPECT_EQ(scaled->id(), "torchscript-m1");
    const at::Tensor shift = at::tensor({0.5, 0.0, -0.5}), scale = at::tensor({2.0, 1.0, 0.5});
    EXPECT_LT(worst(scaled->features(image), (mean / 127.5 - 1 - shift) / scale), 1e-5);
    const auto squares = make(means() + ",range=[0,1],flags=[squares]");
    EXPECT_LT(worst(squares->features(image), (image.to(at::kDouble) / 255).square().mean({2, 3})), 1e-6);
    EXPECT_NE(squares->pipeline(), plain->pipeline());
    // Gray is repeated; a size is reached by the named resizer, on the scale of bytes for every one of them.
    EXPECT_TRUE(plain->features(image.narrow(1, 0, 1))[0][2].equal(plain->features(image)[0][0]));
    for (const std::string& resize : pipeline_names()) {
        const auto sized = make(means() + ",size=16,resize=" + resize);
        const Pipeline pipeline = parse_pipeline(resize, "test");
        const at::Tensor resized = resize_for(pipeline, image, 16).to(at::kDouble).mean({2, 3});
        EXPECT_LT(worst(sized->features(image), resized * (pipeline == Pipeline::pytorch_fid ? 255 : 1)),
                  1e-4);
        EXPECT_NE(sized->pipeline().find(resize + "-16"), std::string::npos) << sized->pipeline();
    }
    // Neither the number of images nor the block decides.
    const at::Tensor many = image.repeat({37, 1, 1, 1});
    const at::Tensor rows = extract_features(*plain, many);
    EXPECT_TRUE(rows.equal(rows.narrow(0, 0, 1).expand({37, 3})));
}

TEST_F(AnyNetwork, Refusals) {
    const std::string good = means();
    EXPECT_EQ(failure([&] { make("torchscript:file=none.pt"); }).kind(), "file");
    EXPECT_EQ(failure([&] { make(good + ",flags=[cubes]"); }).hint(), "known: squares");
    for (const char* bad :
         {",size=-1", ",range=[1,0]", ",range=[1]", ",std=[1,0,1]", ",mean=[1]", ",name='a b'"})
        EXPECT_EQ(failure([&] { make(good + bad); }).kind(), "spec") << bad;
    torch::jit::Module scalar("Scalar");
    scalar.define("def forward(self, x):\n    return x.mean()\n");
    scalar.save(file("scalar.pt"));
    EXPECT_EQ(failure([&] { make("torchscript:file='" + file("scalar.pt") + "'"); }).kind(), "model");
    torch::jit::Module flat("Flat");
    flat.define("def forward(self, x):\n    return x.flatten(1)\n");
    flat.save(file("flat.pt"));
    const auto extractor = make("torchscript:file='" + file("flat.pt") + "'");
    EXPECT_EQ(failure([&] { extractor->features(inception_cases::formula_image(8, 6)); }).kind(), "shape");
    EXPECT_EQ(failure([&] { extractor->features(at::zeros({1, 2, 8, 8}, at::kByte)); }).kind(), "shape");
}

// ------------------------------------------------------------------------------------------------ NVIDIA's

const std::map<std::string, at::Tensor>& weights_without_gamma() {
    static const auto weights = [] {
        auto tensors = inception_weights::all();
        for (auto& [name, tensor] : tensors)
            if (name.ends_with(".bn.weight")) tensor.fill_(1);
        return tensors;
    }();
    return weights;
}

TEST_F(Folder, NamesAreTensorFlowsScopes) {
    EXPECT_EQ(nvidia_layer_name("Conv2d_4a_3x3"), "layers.conv_4");
    EXPECT_EQ(nvidia_layer_name("Mixed_5b.branch5x5_2"), "layers.mixed.tower.conv_1");
    EXPECT_EQ(nvidia_layer_name("Mixed_5d.branch_pool"), "layers.mixed_2.tower_2.conv");
    EXPECT_EQ(nvidia_layer_name("Mixed_6a.branch3x3dbl_3"), "layers.mixed_3.tower.conv_2");
    EXPECT_EQ(nvidia_layer_name("Mixed_6d.branch1x1"), "layers.mixed_6.conv");
    EXPECT_EQ(nvidia_layer_name("Mixed_6e.branch7x7dbl_5"), "layers.mixed_7.tower_1.conv_4");
    EXPECT_EQ(nvidia_layer_name("Mixed_7a.branch7x7x3_4"), "layers.mixed_8.tower_1.conv_3");
    EXPECT_EQ(nvidia_layer_name("Mixed_7b.branch3x3dbl_3b"), "layers.mixed_9.tower_1_mixed_conv_1");
    EXPECT_EQ(nvidia_layer_name("Mixed_7c.branch_pool"), "layers.mixed_10.tower_2_conv");
    std::set<std::string> all;
    for (const auto& [name, layer] : inception_layers()) all.insert(nvidia_layer_name(name));
    EXPECT_EQ(all.size(), 94U);
}

TEST_F(Folder, NvidiasFileGivesItsWeightsAndItsFeatures) {
    const auto& tensors = weights_without_gamma();
    const std::string path = file("inception.pt");
    nvidia_inception::write(tensors, path);
    const TorchScript script = TorchScript::load(path);
    const auto taken = inception_tensors(script);
    ASSERT_EQ(taken.size(), inception_shapes().size());
    for (const auto& [name, tensor] : tensors) ASSERT_TRUE(taken.at(name).equal(tensor)) << name;

    const Inception native = Inception::load(path);
    EXPECT_EQ(native.weights_hash(), sha256_file(path));
    EXPECT_EQ(native.origin(), "unknown weights");
    const auto run = [&](const at::Tensor& image) {
        return native(scale_for(Pipeline::tf1, resize_for(Pipeline::tf1, image, Inception::kSize)));
    };
    const auto worst = [](const at::Tensor& a, const at::Tensor& b) {
        return (a - b).abs().max().item<double>();
    };
    // The file's own program: the same layers, its own resizer (within 7e-4 of 255 levels at 32 pixels).
    const at::Tensor small = inception_cases::formula_image(32, 32);
    const Inception::Output ours = run(small);
    const at::Tensor theirs = script.call({small}, {{"return_features", true}});
    EXPECT_LT(worst(ours.pool3, theirs), 2e-4);
    EXPECT_GT(theirs.std().item<double>(), 0.1);
    // Its other output: softmax over the logits without bias.
    EXPECT_LT(worst(ours.logits.softmax(1), script.call({small}, {{"no_output_bias", true}})), 1e-5);
    // At 299 pixels neither resizes.
    const at::Tensor large = inception_cases::formula_image(299, 299);
    EXPECT_LT(worst(run(large).pool3, script.call({large}, {{"return_features", true}})), 4e-5);
}

TEST_F(Folder, OtherProgramsAreNotTakenForIt) {
    torch::jit::Module m("Means");
    m.register_parameter("weight", at::ones({3}), false);
    m.define("def forward(self, x):\n    return x.mean([2, 3])\n");
    m.save(file("means.pt"));
    const Error e = failure([&] { make("inception:pipeline=tf1,file='" + file("means.pt") + "'"); });
    EXPECT_EQ(e.kind(), "file");
    EXPECT_NE(e.message().find("layers.conv"), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("does not know weight"), std::string::npos) << e.message();
    EXPECT_NE(e.hint().find("torchscript:"), std::string::npos);
    auto wrong = weights_without_gamma();
    wrong["fc.weight"] = at::zeros({1000, 2048});
    nvidia_inception::write(wrong, file("wrong.pt"));
    const Error shape = failure([&] { Inception::load(file("wrong.pt")); });
    EXPECT_NE(shape.message().find("fc.weight [1000,2048] instead of [1008,2048]"), std::string::npos)
        << shape.message();
}

}  // namespace
}  // namespace schedbench
