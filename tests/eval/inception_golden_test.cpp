// Features of torch-fidelity, pytorch-fid, clean-fid and torchmetrics under the synthetic weights: images of
// any size in files, images given by a formula, and CIFAR-10 where it is at hand.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cstring>
#include <regex>

#include "core/error.h"
#include "data/byte_file.h"
#include "data/cifar10.h"
#include "data/npy.h"
#include "eval/extractor.h"
#include "eval/inception.h"
#include "inception_cases.h"
#include "inception_weights.h"

namespace schedbench {
namespace {

using inception_cases::pipeline_of;
using nlohmann::json;

const std::map<std::string, at::Tensor>& weights() {
    static const auto tensors = inception_weights::all();
    return tensors;
}

const Inception& network() {
    static const Inception net(weights(), "synthetic weights");
    return net;
}

/// uint8 [N, C, H, W] of one size, in small batches: memory stays small.
Inception::Output run(Pipeline pipeline, const at::Tensor& pixels) {
    c10::InferenceMode no_gradients;
    std::vector<at::Tensor> pool3, logits, spatial;
    for (const at::Tensor& block : pixels.split(8)) {
        const auto out = network()(scale_for(pipeline, resize_for(pipeline, block, Inception::kSize)));
        pool3.push_back(out.pool3), logits.push_back(out.logits), spatial.push_back(out.spatial);
    }
    return {at::cat(pool3), at::cat(logits), at::cat(spatial)};
}

struct Tallies {
    golden::Tally pool3{"metrics/inception pool3"}, logits{"metrics/inception logits"},
        spatial{"metrics/inception spatial"}, rms{"metrics/inception pool3 and logits, rms"};

    void compare(const Inception::Output& got, const Inception::Output& want, const std::string& what) {
        const auto worst = [](const at::Tensor& a, const at::Tensor& b) {
            return (a - b).abs().max().item<double>();
        };
        const auto root = [](const at::Tensor& a, const at::Tensor& b) {
            return std::sqrt((a - b).to(at::kDouble).square().mean().item<double>());
        };
        pool3.add(worst(got.pool3, want.pool3), 2e-5, what + " pool3");
        logits.add(worst(got.logits, want.logits), 2e-5, what + " logits");
        spatial.add(worst(got.spatial, want.spatial), 4e-5, what + " spatial");
        rms.add(root(got.pool3, want.pool3), 2e-6, what + " pool3 rms");
        rms.add(root(got.logits, want.logits), 2e-6, what + " logits rms");
    }
    void report() const { pool3.report(), logits.report(), spatial.report(), rms.report(); }
};

at::Tensor array(const std::filesystem::path& file) {
    const NpyArray a = read_npy(file.string());
    return at::tensor(a.as<float>()).reshape(a.shape);
}

/// <set>_<pipeline>_{pool3,logits,spatial}.npy
struct StoredFeatures {
    std::string set, pipeline;
    std::filesystem::path folder;
    Inception::Output read() const {
        const auto part = [&](const char* leaf) {
            return array(folder / (set + "_" + pipeline + "_" + leaf + ".npy"));
        };
        return {part("pool3"), part("logits"), part("spatial")};
    }
};

std::vector<StoredFeatures> stored_features(const std::string& set_pattern) {
    std::vector<StoredFeatures> out;
    for (const auto& file : golden::files("metrics", "_pool3.npy")) {
        std::smatch names;
        const std::string name = file.filename().string();
        if (std::regex_match(name, names, std::regex("(" + set_pattern + ")_(\\w+)_pool3\\.npy")))
            out.push_back({names[1], names[names.size() - 1], file.parent_path()});
    }
    return out;
}

TEST(InceptionGolden, Weights) {
    golden::Tally tally("metrics/inception weights");
    for (const auto& file : golden::files("metrics", "inception_weights.json")) {
        const json expected = json::parse(std::ifstream(file));
        EXPECT_EQ(weights().size(), expected.at("tensors").get<size_t>());
        EXPECT_EQ(count_of(inception_shapes()), expected.at("values").get<int64_t>());
        std::string bytes;
        double sum = 0;
        for (const auto& [name, tensor] : weights()) {
            bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
            sum += tensor.to(at::kDouble).abs().sum().item<double>();
        }
        EXPECT_EQ(sha256(bytes), expected.at("tensor_data_sha256_in_name_order").get<std::string>());
        tally.add(std::abs(sum / expected.at("sum_of_absolute_values").get<double>() - 1), 1e-12, "sum");
    }
    tally.report();
}

TEST(InceptionGolden, ImagesOfAnySize) {
    Tallies tallies;
    for (const auto& stored : stored_features("\\w+?")) {
        const auto list = stored.folder / (stored.set + "_images.json");
        if (!std::filesystem::exists(list)) continue;
        const Pipeline pipeline = pipeline_of(stored.pipeline);
        const Inception::Output want = stored.read();
        int64_t row = 0;
        for (const auto& image : inception_cases::odd_images(list)) {
            const auto at_row = [&](const at::Tensor& t) { return t.narrow(0, row, 1); };
            tallies.compare(run(pipeline, image.pixels),
                            {at_row(want.pool3), at_row(want.logits), at_row(want.spatial)},
                            image.file + " " + stored.pipeline);
            ++row;
        }
    }
    tallies.report();
}

TEST(InceptionGolden, FormulaImages) {
    golden::Tally values("metrics/inception formula images"),
        norms("metrics/inception formula norms, relative");
    for (const auto& row : inception_cases::formula_cases()) {
        const Pipeline pipeline = pipeline_of(row.at("pipeline"));
        const auto got = run(pipeline, inception_cases::formula_image(row.at("height"), row.at("width")));
        const at::Tensor features = got.pool3[0].to(at::kDouble);
        for (const auto& [key, want] : row.at("float64_network").items()) {
            const std::string what = "formula " + row.at("case").get<std::string>() + " " + key;
            std::smatch index;
            double value = 0, tolerance = 2e-5;
            if (key == "l2") {
                norms.add(std::abs(features.norm().item<double>() / want.get<double>() - 1), 1e-6, what);
                continue;
            }
            if (key == "mean") {
                value = features.mean().item<double>(), tolerance = 2e-6;
            } else if (key == "spatial_mean") {
                value = got.spatial.to(at::kDouble).mean().item<double>(), tolerance = 2e-6;
            } else if (std::regex_match(key, index, std::regex("f(\\d+)"))) {
                value = features[std::stoll(index[1])].item<double>();
            } else if (std::regex_match(key, index, std::regex("logit_unbiased_(\\d+)"))) {
                value = got.logits[0][std::stoll(index[1])].item<double>();
            } else if (std::regex_match(key, index, std::regex("spatial_(\\d+)"))) {
                value = got.spatial[0][std::stoll(index[1])].item<double>(), tolerance = 4e-5;
            } else {
                ADD_FAILURE() << "unknown value " << key;
            }
            values.add(std::abs(value - want.get<double>()), tolerance, what);
        }
    }
    values.report();
    norms.report();
}

/// Data of an .npy file of int32, a type that data/npy.h does not read.
std::vector<int32_t> int32_array(const std::filesystem::path& file) {
    const std::vector<uint8_t> bytes = read_bytes(file.string());
    const size_t start = 10 + bytes.at(8) + (size_t{bytes.at(9)} << 8);
    std::vector<int32_t> out((bytes.size() - start) / 4);
    std::memcpy(out.data(), bytes.data() + start, 4 * out.size());
    return out;
}

/// Images of a set that are compared unless SCHEDBENCH_GOLDEN_ALL is set: a few seconds for each pipeline.
constexpr int64_t kRows = 16;

TEST(InceptionGolden, Cifar10) {
    const char* env = std::getenv("SCHEDBENCH_DATA");
    const std::string data = env && *env ? env : std::string(SCHEDBENCH_SOURCE_DIR) + "/../shared/data";
    if (!std::filesystem::exists(data + "/cifar-10-batches-bin"))
        GTEST_SKIP() << "no cifar-10-batches-bin in $SCHEDBENCH_DATA or ../shared/data: features of CIFAR-10 "
                        "images are not compared";
    const Dataset cifar = read_cifar10(data, "train", 0);
    const at::Tensor all = at::from_blob(const_cast<uint8_t*>(cifar.pixels.data()),
                                         {cifar.count, 3, cifar.height, cifar.width}, at::kByte);
    Tallies tallies;
    for (const auto& stored : stored_features("cifar\\d+")) {
        const Inception::Output want = stored.read();
        const auto rows = int32_array(stored.folder / "cifar_A_train_indices.npy");
        const char* everything = std::getenv("SCHEDBENCH_GOLDEN_ALL");
        const int64_t stored_rows = want.pool3.size(0);
        const int64_t n = everything && *everything ? stored_rows : std::min(stored_rows, kRows);
        const at::Tensor pixels = all.index_select(0, at::tensor(rows).to(at::kLong).narrow(0, 0, n));
        const auto first = [&](const at::Tensor& t) { return t.narrow(0, 0, n); };
        tallies.compare(run(pipeline_of(stored.pipeline), pixels),
                        {first(want.pool3), first(want.logits), first(want.spatial)},
                        stored.set + " " + stored.pipeline);
        std::printf("%s %s: %d of %d images\n", stored.set.c_str(), stored.pipeline.c_str(),
                    static_cast<int>(n), static_cast<int>(stored_rows));
    }
    tallies.report();
}

}  // namespace
}  // namespace schedbench
