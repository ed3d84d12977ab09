// The extractor "inception": names, refusals, and that neither the number of images nor the block decides a
// feature.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/hash.h"
#include "eval/extractor.h"
#include "failure.h"
#include "inception_cases.h"
#include "inception_weights.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

/// The synthetic weights in a file of the build folder, removed at the end.
class InceptionFile : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        weights_ = inception_weights::all();
        path_ = std::string(SCHEDBENCH_BINARY_DIR) + "/inception_test_" + std::to_string(getpid()) +
                ".safetensors";
        auto stored = weights_;  // files from a live network carry these counters
        stored["Mixed_5b.branch1x1.bn.num_batches_tracked"] = at::zeros({}, at::kLong);
        write_safetensors(path_, stored, {{"original_sha256", "6726825d" + std::string(56, '0')}});
    }
    static void TearDownTestSuite() {
        std::filesystem::remove(path_);
        weights_.clear();
    }
    static std::string spec(const std::string& rest) { return "inception:file='" + path_ + "'" + rest; }
    static std::unique_ptr<Extractor> make(const std::string& text) {
        return make_extractor(Spec::parse(text, "--extractor"));
    }

    static std::map<std::string, at::Tensor> weights_;
    static std::string path_;
};
std::map<std::string, at::Tensor> InceptionFile::weights_;
std::string InceptionFile::path_;

TEST_F(InceptionFile, NamesItsDistanceByPipeline) {
    const auto extractor = make(spec(",pipeline=pytorch-fid"));
    EXPECT_EQ(extractor->frechet_name(), "fid[pytorch-fid]");
    EXPECT_EQ(extractor->pipeline(), "pytorch-fid");
    EXPECT_EQ(extractor->id(), "inception");
    EXPECT_EQ(extractor->dim(), 2048);
    EXPECT_EQ(extractor->weights_hash(), sha256_file(path_));
    const auto logits = make(spec(",pipeline=clean,layer=logits"));
    EXPECT_EQ(logits->frechet_name(), "fd-inception-logits[clean]");
    EXPECT_EQ(logits->id(), "inception-logits");
    EXPECT_EQ(logits->dim(), 1008);
    EXPECT_EQ(Inception::load(path_).origin(), "the published network (pytorch-fid, 6726825d)");
    EXPECT_EQ(failure([&] { make(spec("")); }).kind(), "spec");
    EXPECT_EQ(failure([&] { make(spec(",pipeline=tf2")); }).kind(), "spec");
}

TEST_F(InceptionFile, FeaturesDependOnTheImageAlone) {
    const auto extractor = make(spec(",pipeline=tf1"));
    const at::Tensor image = inception_cases::formula_image(24, 31);
    std::vector<at::Tensor> all;
    for (int64_t i = 0; i < 17; ++i) all.push_back(image.roll(i, 3));
    const at::Tensor pixels = at::cat(all);
    const at::Tensor features = extract_features(*extractor, pixels);
    EXPECT_EQ(features.sizes(), (at::IntArrayRef{17, 2048}));
    EXPECT_TRUE(features.narrow(0, 16, 1).equal(extractor->features(pixels.narrow(0, 16, 1))));
    const Inception network(weights_, "synthetic");
    const auto direct = network(scale_for(Pipeline::tf1, resize_for(Pipeline::tf1, image, Inception::kSize)));
    EXPECT_LT((features[0] - direct.pool3[0]).abs().max().item<double>(), 2e-6);

    const auto spatial = make(spec(",pipeline=tf1,layer=spatial"));
    EXPECT_EQ(spatial->frechet_name(), "sfid[tf1]");
    EXPECT_LT((spatial->features(image) - direct.spatial).abs().max().item<double>(), 4e-6);
    EXPECT_EQ(failure([&] { extractor->features(pixels.to(at::kFloat)); }).kind(), "shape");
}

TEST_F(InceptionFile, HalfPrecisionHasAnotherName) {
    try {
        require_bf16("test");
    } catch (const Error& e) {
        EXPECT_EQ(e.kind(), "device");
        EXPECT_EQ(failure([&] { make(spec(",pipeline=tf1,precision=bf16")); }).kind(), "device");
        GTEST_SKIP() << "no bf16 instructions";
    }
    const auto fast = make(spec(",pipeline=tf1,precision=bf16"));
    EXPECT_EQ(fast->id(), "inception-bf16");
    EXPECT_EQ(fast->precision(), "bf16");
    EXPECT_EQ(fast->frechet_name(), "fid-bf16[tf1]");
    EXPECT_EQ(make(spec(",pipeline=tf1,precision=bf16,layer=spatial"))->frechet_name(), "sfid-bf16[tf1]");
    // What it says of itself holds for another image too.
    const at::Tensor image = inception_cases::formula_image(24, 31);
    const at::Tensor half = fast->features(image), full = make(spec(",pipeline=tf1"))->features(image);
    const double here = ((half - full).norm() / full.norm()).item<double>();
    std::printf("bf16: deviation %.4f, of this image %.4f\n", fast->deviation(), here);
    EXPECT_GT(here, 1e-4);
    EXPECT_LT(here, 0.05);
    EXPECT_LT(fast->deviation(), 0.05);
    EXPECT_GT(fast->deviation(), here / 5);
    EXPECT_EQ(make(spec(",pipeline=tf1"))->deviation(), 0);
}

TEST_F(InceptionFile, MissingOrForeignWeights) {
    for (const std::string& file : {std::string("no/such/file.safetensors"), std::string("weights.pth")}) {
        const Error e = failure([&] { make("inception:pipeline=tf1,file='" + file + "'"); });
        EXPECT_EQ(e.kind(), "file");
        EXPECT_EQ(e.where(), file);
        EXPECT_NE(e.hint().find("scripts/convert_checkpoint.py inception"), std::string::npos) << e.hint();
    }
    auto damaged = weights_;
    damaged.erase("Mixed_7c.branch_pool.bn.bias");
    damaged.erase("fc.bias");
    damaged["AuxLogits.fc.weight"] = at::zeros({3});
    damaged["Conv2d_1a_3x3.conv.weight"] = at::zeros({32, 3, 3, 4});
    const Error e = failure([&] { Inception(damaged, "f.safetensors"); });
    for (const char* part : {"Mixed_7c.branch_pool.bn.bias", "fc.bias", "AuxLogits.fc.weight",
                             "Conv2d_1a_3x3.conv.weight [32,3,3,4] instead of [32,3,3,3]"})
        EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
    auto negative = weights_;
    negative["Mixed_6b.branch1x1.bn.running_var"] = -at::ones({192});
    EXPECT_EQ(failure([&] { Inception(negative, "f.safetensors"); }).kind(), "number");
    EXPECT_EQ(Inception(weights_, "synthetic").origin(), "unknown weights");
}

}  // namespace
}  // namespace schedbench
