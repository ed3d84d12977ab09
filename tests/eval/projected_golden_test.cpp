// tests/golden/metrics/projected*.json: 6,000 CIFAR-10 images, and the same with noise, under integer
// projections: full-rank covariances, one population on both sides, shared noise.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/hash.h"
#include "eval/kid.h"
#include "feature_pairs.h"
#include "golden_arrays.h"
#include "numbers.h"

namespace schedbench {
namespace {

using nlohmann::json;

std::string hash_of(const at::Tensor& t) {
    return sha256({static_cast<const char*>(t.const_data_ptr()), t.nbytes()});
}

class Projection {
  public:
    Projection(const std::string& name, int64_t features, int64_t bytes)
        : signs_(at::empty({features, bytes}, at::kFloat)) {
        golden::HashedWords words(name);
        float* sign = signs_.data_ptr<float>();
        for (int64_t i = 0; i < signs_.numel(); ++i) sign[i] = words.next() >> 63 == 0 ? 1.0F : -1.0F;
    }
    const at::Tensor& signs() const { return signs_; }
    /// max(0, sum_j s_kj (p_j - 128))/4096: whole numbers below 2^24, so exact in float32.
    at::Tensor operator()(const at::Tensor& pixels) const {
        std::vector<at::Tensor> out;
        for (const at::Tensor& block : pixels.flatten(1).split(1000))
            out.push_back(at::mm(block.to(at::kFloat) - 128, signs_.t()).clamp_min(0) / 4096);
        return at::cat(out);
    }

  private:
    at::Tensor signs_;
};

TEST(ProjectedGolden, FullRank) {
    const auto files = golden::files("metrics", "projected256.json");
    if (golden::cifar_folder().empty())
        GTEST_SKIP() << "no CIFAR-10 in $SCHEDBENCH_DATA or ../shared/data: " << files.size()
                     << " files of projected images are not checked";
    const char* all = std::getenv("SCHEDBENCH_GOLDEN_ALL");
    golden::Tally inputs("metrics/projected images"), distances("metrics/projected"),
        kids("metrics/projected kid");
    for (const auto& file : files) {
        const json values = json::parse(std::ifstream(file));
        const auto folder = file.parent_path();
        std::map<std::string, at::Tensor> images;
        images["A"] =
            golden::cifar_images("train", golden::row_numbers(folder / "cifar_Abig_train_indices.npy"));
        images["B"] =
            golden::cifar_images("train", golden::row_numbers(folder / "cifar_Bbig_train_indices.npy"));
        const std::string noise = values.at("noise_name");
        images["C"] = golden::with_noise(images["B"], noise, folder / "noise_thresholds_sigma16.npy");
        images["D"] = golden::with_noise(images["B"], noise, folder / "noise_thresholds_sigma18.npy");
        const Projection projection(values.at("projection_name"), 256, 3072);
        EXPECT_EQ(projection.signs().sum().item<double>(), values.at("sign_sum").get<double>());
        std::map<std::string, at::Tensor> features;
        for (const auto& [name, pixels] : images) {
            EXPECT_EQ(hash_of(pixels), values.at("sha256_images").at(name).get<std::string>()) << name;
            features[name] = projection(pixels);
            const bool same =
                hash_of(features[name]) == values.at("sha256_features_float32").at(name).get<std::string>();
            inputs.add(same ? 0 : 1, 0.5, "features " + name);
        }
        const golden::FeatureSets sets{values, [&](const std::string& name) { return features.at(name); }, "",
                                       1e-8, all && *all ? 1000 : 10};
        for (const auto& [key, want] : values.items()) {
            golden::check_pair(sets, key, want, distances);
            golden::check_paired(sets, key, want, distances);
            if (!want.is_object() || !want.contains("kid")) continue;
            const at::Tensor x = features.at(key.substr(std::string("generated_").size(), 1)),
                             r = features.at(key.substr(key.size() - 1));
            const json& k = want.at("kid");
            // Values near 0 are differences of terms of about 1: absolute.
            const auto check = [&](double value, const json& expected, const std::string& what) {
                kids.add(std::abs(value - expected.get<double>()), 1e-12, key + " " + what);
            };
            check(kid(x, r).unbiased.value, k.at("full_set_unbiased"), "full set");
            const KidBlocks blocks = kid_blocks(x, r, 1000);
            ASSERT_EQ(blocks.values.size(), k.at("disjoint_blocks_of_1000").size());
            for (size_t b = 0; b < blocks.values.size(); ++b)
                check(blocks.values[b], k.at("disjoint_blocks_of_1000")[b], "block");
            check(blocks.mean.value, k.at("mean"), "blocks");
            check(blocks.mean.se, k.at("se"), "blocks SE");
        }
    }
    inputs.report(), distances.report(), kids.report();
}

}  // namespace
}  // namespace schedbench
