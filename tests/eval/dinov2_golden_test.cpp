// DINOv2 against values of the official code on synthetic weights: positions, network, resizers, features,
// and the names and shapes of ViT-L/14.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "dinov2_weights.h"
#include "eval/extractor.h"
#include "eval/resize.h"
#include "failure.h"
#include "golden.h"
#include "inception_cases.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

DinoV2Size size_of(const SafetensorsFile& file) {
    const auto number = [&](const char* key) { return std::stoll(file.meta(key)); };
    return {number("width"), number("depth"), number("mlp"), number("patch"), number("grid")};
}

struct Case {
    std::string kind, pipeline;  ///< "features", "edm2"
    int64_t height = 0, width = 0;
};

/// "features.edm2.40x56", "network.168x280"
Case parse(const std::string& key) {
    Case out;
    const size_t first = key.find('.'), last = key.rfind('.');
    out.kind = key.substr(0, first);
    if (last != first) out.pipeline = key.substr(first + 1, last - first - 1);
    char* end = nullptr;
    out.height = std::strtoll(key.c_str() + last + 1, &end, 10);
    out.width = std::strtoll(end + 1, nullptr, 10);
    return out;
}

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble).reshape({-1}) - b.to(at::kDouble).reshape({-1})).abs().max().item<double>();
}

at::Tensor resized(const Case& c, const at::Tensor& image) {
    return c.pipeline == "edm2" ? resize_torch_bicubic(image, DinoV2::kImage)
                                : resize_pillow8(image, DinoV2::kImage);
}

TEST(DinoV2Golden, OfficialCode) {
    golden::Tally positions("dinov2 positions"), network("dinov2 network"), resizers("dinov2 resizers"),
        features("dinov2 features");
    for (const auto& path : golden::files("dinov2", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const DinoV2Size size = size_of(file);
        if (size.width >= 1024 && std::getenv("SCHEDBENCH_DINOV2_FULL") == nullptr) {
            std::printf("skipped: %s (3 GB of memory; set SCHEDBENCH_DINOV2_FULL=1)\n",
                        path.filename().c_str());
            continue;
        }
        const DinoV2 net(dinov2_weights::all(size), "synthetic");
        ASSERT_EQ(net.size(), size);
        for (const auto& [key, expected] : file.tensors) {
            const Case c = parse(key);
            const at::Tensor image = inception_cases::formula_image(c.height, c.width);
            const std::string what = path.filename().string() + ": " + key;
            if (c.kind == "positions") {
                const at::Tensor ours = net.positions(c.height / size.patch, c.width / size.patch);
                positions.add(worst(ours, expected), 1e-6, what);
            } else if (c.kind == "network") {
                const at::Tensor x = dinov2_input(image.to(at::kFloat));
                network.add(worst(net(x), expected), 2e-5, what);
                network.add(worst(net(x.to(at::kDouble)), expected), 1e-6, what + " in double");
            } else if (c.kind == "resized") {
                const at::Tensor r = resized(c, image);
                const at::Tensor pixels = at::stack({r[0][0][0][0], r[0][1][100][57], r[0][2][223][223]});
                resizers.add(worst(pixels, expected.narrow(0, 1, 3)), c.pipeline == "edm2" ? 2e-4 : 1e-12,
                             what);
                const double sum = r.to(at::kDouble).sum().item<double>(),
                             target = expected[0].item<double>();
                resizers.add(std::abs(sum / target - 1), c.pipeline == "edm2" ? 1e-8 : 1e-15, what + ", sum");
            } else if (c.kind == "features") {
                features.add(worst(net(dinov2_input(resized(c, image))), expected), 5e-5, what);
            } else {
                ADD_FAILURE() << "unknown case " << what;
            }
        }
    }
    for (const golden::Tally* tally : {&positions, &network, &resizers, &features}) tally->report();
}

TEST(DinoV2Golden, NamesAndShapesOfViTL14) {
    golden::Tally tally("dinov2 shapes");
    for (const auto& path : golden::files("dinov2", "_shapes.json")) {
        const auto expected = nlohmann::json::parse(std::ifstream(path)).at("shapes");
        const ParameterShapes ours = dinov2_shapes({});
        EXPECT_EQ(ours.size(), expected.size());
        EXPECT_EQ(count_of(ours), 304368640);
        for (const auto& [name, shape] : ours)
            tally.add(
                expected.contains(name) && expected.at(name).get<std::vector<int64_t>>() == shape ? 0 : 1,
                0.5, name);
    }
    tally.report();
}

TEST(DinoV2, ExtractorFromAFile) {
    const DinoV2Size size{64, 1, 128, 14, 5};
    auto tensors = dinov2_weights::all(size);
    const std::string path =
        std::string(SCHEDBENCH_BINARY_DIR) + "/dinov2_test_" + std::to_string(getpid()) + ".safetensors";
    write_safetensors(path, tensors, {});
    const auto make = [&](const std::string& text) {
        return make_extractor(Spec::parse(text, "--extractor"));
    };
    const auto extractor = make("dinov2:pipeline=edm2,file='" + path + "'");
    EXPECT_EQ(extractor->frechet_name(), "fd-dinov2-64x1[edm2]");
    EXPECT_EQ(extractor->weights_hash(), sha256_file(path));
    EXPECT_EQ(extractor->dim(), 64);
    std::filesystem::remove(path);
    // Neither the number of images nor their block decides, and gray is repeated.
    const at::Tensor image = inception_cases::formula_image(20, 30);
    std::vector<at::Tensor> all;
    for (int64_t i = 0; i < 18; ++i) all.push_back(image.roll(i, 3));
    const at::Tensor rows = extract_features(*extractor, at::cat(all));
    EXPECT_TRUE(rows[17].equal(extractor->features(image.roll(17, 3))[0]));
    const at::Tensor gray = image.narrow(1, 0, 1);
    EXPECT_TRUE(extractor->features(gray).equal(extractor->features(gray.repeat({1, 3, 1, 1}))));
    EXPECT_EQ(failure([&] { extractor->features(image.to(at::kFloat)); }).kind(), "shape");

    EXPECT_EQ(failure([&] { make("dinov2:file=none.safetensors,pipeline=edm2"); }).kind(), "file");
    EXPECT_EQ(failure([&] { make("dinov2:file=none.safetensors"); }).kind(), "spec");
    const auto refused = [&](const std::string& part) {
        const Error e = failure([&] { DinoV2(tensors, "f.safetensors"); });
        EXPECT_EQ(e.kind(), "file");
        EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
        tensors = dinov2_weights::all(size);
    };
    tensors["register_tokens"] = at::zeros({1, 4, 64});
    refused("register tokens");
    tensors.erase("blocks.0.ls2.gamma");
    tensors["head.weight"] = at::zeros({3});
    refused("blocks.0.ls2.gamma");
    tensors["pos_embed"] = at::zeros({1, 27, 64});
    refused("square");
    tensors.erase("cls_token");
    refused("cls_token");
    const DinoV2 net(tensors, "synthetic");
    EXPECT_EQ(failure([&] { net(at::zeros({1, 3, 225, 224})); }).kind(), "shape");
}

}  // namespace
}  // namespace schedbench
