// tests/golden/metrics/set_metrics.json: every metric on Inception features of three sets of 600 CIFAR-10
// images in each pipeline, as torch-fidelity, pytorch-fid and clean-fid compute them, and by formula.
//
// Extracting the features takes minutes a pipeline, so it is done only on request: SCHEDBENCH_SET_FEATURES
// names a folder that keeps them; SCHEDBENCH_SET_PIPELINE takes one pipeline alone. Without it, what depends
// on the first images alone is checked: a split of the Inception score in each pipeline.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <regex>

#include "core/hash.h"
#include "eval/frechet.h"
#include "eval/inception_score.h"
#include "eval/kid.h"
#include "eval/neighbours.h"
#include "eval/statistics_file.h"
#include "golden_arrays.h"
#include "inception_cases.h"
#include "inception_weights.h"

namespace schedbench {
namespace {

using nlohmann::json;

struct Features {
    at::Tensor pool3, logits, spatial;
};

Features extract(const std::string& pipeline_name, const at::Tensor& pixels) {
    static const Inception network(inception_weights::all(), "synthetic weights");
    c10::InferenceMode no_gradients;
    const Pipeline pipeline = inception_cases::pipeline_of(pipeline_name);
    std::vector<at::Tensor> pool3, logits, spatial;
    for (const at::Tensor& block : pixels.split(8)) {
        const auto out = network(scale_for(pipeline, resize_for(pipeline, block, Inception::kSize)));
        pool3.push_back(out.pool3), logits.push_back(out.logits), spatial.push_back(out.spatial);
    }
    return {at::cat(pool3), at::cat(logits), at::cat(spatial)};
}

Features features_of(const std::string& folder, const std::string& set, const std::string& pipeline,
                     const at::Tensor& pixels) {
    const std::string stem = folder + "/" + set + "_" + pipeline + "_";
    if (!std::filesystem::exists(stem + "spatial.npy")) {
        std::filesystem::create_directories(folder);
        const Features made = extract(pipeline, pixels);
        write_features(stem + "pool3.npy", made.pool3);
        write_features(stem + "logits.npy", made.logits);
        write_features(stem + "spatial.npy", made.spatial);
    }
    return {read_features(stem + "pool3.npy", Inception::kPool3),
            read_features(stem + "logits.npy", Inception::kLogits),
            read_features(stem + "spatial.npy", Inception::kSpatial)};
}

int64_t numbers_in(const json& value) {
    if (!value.is_structured()) return value.is_number() ? 1 : 0;
    int64_t count = 0;
    for (const auto& item : value) count += numbers_in(item);
    return count;
}

/// Comparisons with the tolerances of the golden README.
class Check {
  public:
    Check(golden::Tally& tally, std::string what) : tally_(tally), what_(std::move(what)) {}
    void relative(double value, const json& want, double tolerance, const std::string& name) {
        tally_.add(std::abs(value / want.get<double>() - 1), tolerance, what_ + name);
    }
    void absolute(double value, const json& want, double tolerance, const std::string& name) {
        tally_.add(std::abs(value - want.get<double>()), tolerance, what_ + name);
    }
    void kid(double value, const json& want, const std::string& name, double slack = 2e-6) {
        absolute(value, want, slack + 2e-5 * std::abs(want.get<double>()), name);
    }

  private:
    golden::Tally& tally_;
    std::string what_;
};

void check_frechet(const at::Tensor& x, const at::Tensor& y, const json& want, Check check) {
    const Transport parts =
        gaussian_transport(feature_sums(x).moments(), x, feature_sums(y).moments(), y, TransportParts::maps);
    check.relative(parts.distance(), want.at("exact_svd"), 2e-5, " exact");
    if (want.contains("parts")) {
        check.relative(parts.mean_term, want.at("parts").at("mean_term"), 2e-5, " mean term");
        check.relative(parts.trace1, want.at("parts").at("trace_1"), 2e-5, " trace 1");
        check.relative(parts.trace2, want.at("parts").at("trace_2"), 2e-5, " trace 2");
        check.relative(parts.root_trace, want.at("parts").at("S"), 2e-5, " S");
        check.relative(parts.harmonic_sum(), want.at("parts").at("H"), 2e-5, " H");
    }
    for (const char* tool : {"torch_fidelity", "pytorch_fid", "clean_fid"}) {
        if (want.contains(tool))
            check.absolute(parts.distance(), want.at(tool).at("value"), 5e-4, std::string(" ") + tool);
    }
}

void check_kid(const at::Tensor& x, const at::Tensor& y, const json& want, const at::Tensor& subsets,
               Check check) {
    const KidResult full = kid(x, y);
    check.kid(full.unbiased.value, want.at("exact_unbiased_full_set"), " unbiased");
    check.kid(full.biased, want.at("exact_biased_full_set"), " biased");
    check.kid(full.unbiased.value, want.at("clean_fid_kernel_distance"), " clean-fid", 1e-5);
    const KidSubsets drawn = kid_torch_fidelity(x, y, subsets);
    check.kid(drawn.mean.value, want.at("torch_fidelity").at("mean"), " torch-fidelity", 1e-5);
    check.kid(drawn.spread, want.at("torch_fidelity").at("std"), " torch-fidelity std", 1e-5);
    check.kid(drawn.mean.value, want.at("same_subsets_float64").at("mean"), " subsets");
    check.kid(drawn.spread, want.at("same_subsets_float64").at("std"), " subsets std");
    const json& first = want.at("same_subsets_float64").at("first3");
    for (size_t s = 0; s < first.size(); ++s) check.kid(drawn.values[s], first[s], " subset");
    const KidBlocks blocks = kid_blocks(x, y, 100);
    const json& disjoint = want.at("disjoint_blocks_of_100_float64");
    for (size_t b = 0; b < blocks.values.size(); ++b)
        check.kid(blocks.values[b], disjoint.at("values")[b], " block");
    check.kid(blocks.mean.value, disjoint.at("mean"), " blocks");
    check.kid(blocks.mean.se, disjoint.at("se"), " blocks SE");
}

void check_neighbours(const at::Tensor& generated, const at::Tensor& real, const json& want, Check check) {
    const NeighbourMetrics got = neighbour_metrics(generated, real);
    const double one = 1.0 / 600 + 1e-9;
    for (const char* rule : {"exact_float64", "torch_fidelity_k3"}) {
        check.absolute(got.precision.estimate.value, want.at(rule).at("precision"), one, " precision");
        check.absolute(got.recall.estimate.value, want.at(rule).at("recall"), one, " recall");
    }
    check.absolute(got.density.estimate.value, want.at("exact_float64").at("density"), 0.002, " density");
    check.absolute(got.coverage.estimate.value, want.at("exact_float64").at("coverage"), one, " coverage");
}

void check_score(const at::Tensor& logits, const json& want, const std::vector<int64_t>& order, Check check) {
    const InceptionScore plain = inception_score(logits, 10), one = inception_score(logits, 1);
    const InceptionScore shuffled = inception_score_torch_fidelity(logits, order, 10);
    check.absolute(plain.score.value, want.at("torch_fidelity_unshuffled").at("mean"), 1e-5, " unshuffled");
    check.absolute(plain.spread, want.at("torch_fidelity_unshuffled").at("std"), 1e-5, " unshuffled std");
    check.absolute(shuffled.score.value, want.at("torch_fidelity_shuffled").at("mean"), 1e-5, " shuffled");
    check.absolute(shuffled.spread, want.at("torch_fidelity_shuffled").at("std"), 1e-5, " shuffled std");
    const json& splits = want.at("reference_float64_unshuffled").at("splits");
    for (size_t s = 0; s < splits.size(); ++s) check.absolute(plain.splits[s], splits[s], 1e-5, " split");
    check.absolute(one.score.value, want.at("reference_float64_one_split"), 1e-5, " one split");
}

std::map<std::string, at::Tensor> images_of_sets(const json& values, const std::filesystem::path& folder) {
    const json& noise = values.at("sets").at("C");
    std::map<std::string, at::Tensor> images;
    images["A"] = golden::cifar_images("train", golden::row_numbers(folder / "cifar_A_train_indices.npy"));
    images["B"] = golden::cifar_images("test", golden::row_numbers(folder / "cifar_B_test_indices.npy"));
    images["C"] = golden::with_noise(images["B"], noise.at("noise_name"),
                                     folder / noise.at("thresholds").get<std::string>());
    for (const auto& [set, pixels] : images) {
        const std::string bytes(static_cast<const char*>(pixels.const_data_ptr()), pixels.nbytes());
        EXPECT_EQ(sha256(bytes), values.at("sets").at(set).at("sha256_planar").get<std::string>()) << set;
    }
    return images;
}

TEST(InceptionSetsGolden, FirstImages) {
    const auto files = golden::files("metrics", "set_metrics.json");
    ASSERT_FALSE(files.empty());
    if (golden::cifar_folder().empty())
        GTEST_SKIP() << "it needs CIFAR-10 (cifar-10-batches-bin below SCHEDBENCH_DATA)";
    golden::Tally tally("metrics/first images of inception sets");
    for (const auto& file : files) {
        const json values = json::parse(std::ifstream(file));
        const auto images = images_of_sets(values, file.parent_path());
        for (const auto& [pipeline, want] : values.at("pipelines").items()) {
            const json& splits =
                want.at("inception_score").at("A").at("reference_float64_unshuffled").at("splits");
            const int64_t n = images.at("A").size(0) / static_cast<int64_t>(splits.size());
            const Features a = extract(pipeline, images.at("A").narrow(0, 0, n));
            Check(tally, pipeline)
                .absolute(inception_score(a.logits, 1).score.value, splits[0], 1e-5, " IS A, first split");
        }
    }
    tally.report();
}

TEST(InceptionSetsGolden, AllMetrics) {
    const auto files = golden::files("metrics", "set_metrics.json");
    ASSERT_FALSE(files.empty());
    const char *folder = std::getenv("SCHEDBENCH_SET_FEATURES"),
               *only = std::getenv("SCHEDBENCH_SET_PIPELINE");
    if (!folder || !*folder || golden::cifar_folder().empty()) {
        int64_t count = 0;
        for (const auto& file : files) count += numbers_in(json::parse(std::ifstream(file)).at("pipelines"));
        GTEST_SKIP()
            << count << " values of set_metrics.json are not checked: they need Inception features of "
            << "1,800 CIFAR-10 images a pipeline (SCHEDBENCH_SET_FEATURES=FOLDER makes and keeps them, "
            << "in minutes)";
    }
    golden::Tally tally("metrics/inception sets");
    for (const auto& file : files) {
        const json values = json::parse(std::ifstream(file));
        const auto beside = file.parent_path();
        const auto images = images_of_sets(values, beside);
        const auto order = golden::raw_npy<uint16_t>(beside / "is_permutation.npy");
        const auto subset_rows = golden::raw_npy<uint16_t>(beside / "kid_subsets.npy");
        const at::Tensor subsets =
            at::tensor(std::vector<int64_t>(subset_rows.begin(), subset_rows.end()), at::kLong)
                .reshape({50, 2, -1});
        for (const auto& [pipeline, want] : values.at("pipelines").items()) {
            if (only && *only && pipeline != only) {
                std::printf("pipeline %s is not checked: SCHEDBENCH_SET_PIPELINE=%s\n", pipeline.c_str(),
                            only);
                continue;
            }
            std::map<std::string, Features> sets;
            for (const auto& [set, pixels] : images) {
                sets[set] = features_of(folder, set, pipeline, pixels);
                check_score(sets[set].logits, want.at("inception_score").at(set),
                            {order.begin(), order.end()}, {tally, pipeline + " IS " + set});
            }
            const auto pair = [&](const std::string& key) {
                return std::pair{&sets.at(key.substr(0, 1)), &sets.at(key.substr(1, 1))};
            };
            for (const auto& [key, fid] : want.at("fid").items())
                check_frechet(pair(key).first->pool3, pair(key).second->pool3, fid,
                              {tally, pipeline + " FID " + key});
            for (const auto& [key, sfid] : want.at("spatial_fid").items())
                check_frechet(pair(key).first->spatial, pair(key).second->spatial, sfid,
                              {tally, pipeline + " sFID " + key});
            for (const auto& [key, k] : want.at("kid").items())
                check_kid(pair(key).first->pool3, pair(key).second->pool3, k, subsets,
                          {tally, pipeline + " KID " + key});
            for (const auto& [key, pr] : want.at("precision_recall").items()) {
                std::smatch names;
                ASSERT_TRUE(std::regex_match(key, names, std::regex("generated_(\\w)_real_(\\w)"))) << key;
                check_neighbours(sets.at(names[1]).pool3, sets.at(names[2]).pool3, pr,
                                 {tally, pipeline + " PR " + key});
            }
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
