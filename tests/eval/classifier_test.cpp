#include "eval/classifier.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/hash.h"
#include "core/noise.h"
#include "eval/classifier_training.h"
#include "eval/extractor.h"
#include "models/safetensors.h"
#include "numbers.h"

namespace schedbench {
namespace {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "schedbench-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    std::string file(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

/// Four kinds of 16 x 16 texture (horizontal, vertical, coarse and fine checks) of random phase and contrast
/// under noise.
Dataset textures(int64_t count, int64_t channels, uint64_t stream) {
    Dataset data;
    data.spec = "textures:stream=" + std::to_string(stream);
    data.count = count, data.channels = channels, data.height = data.width = 16, data.classes = 4;
    for (int64_t i = 0; i < count; ++i) {
        const auto words = noise_words({stream, NoisePurpose::probe}, static_cast<uint64_t>(i), 0, 0);
        const int64_t label = words[0] % 4, px = words[1] % 4, py = words[2] % 4;
        const double contrast = 40 + words[3] % 60;
        std::vector<float> noise(static_cast<size_t>(channels * 256));
        fill_normals({stream, NoisePurpose::probe}, static_cast<uint64_t>(i), 1, noise);
        for (int64_t k = 0; k < channels * 256; ++k) {
            const int64_t x = k % 16 + px, y = k / 16 % 16 + py;
            const bool on = label == 0   ? y / 2 % 2
                            : label == 1 ? x / 2 % 2
                            : label == 2 ? (x / 4 + y / 4) % 2
                                         : (x + y) % 2;
            const double value = 128 + (on ? contrast : -contrast) + 30 * noise[static_cast<size_t>(k)];
            data.pixels.push_back(static_cast<uint8_t>(std::clamp(value, 0.0, 255.0)));
        }
        data.labels.push_back(label);
    }
    data.hash = sha256({reinterpret_cast<const char*>(data.pixels.data()), data.pixels.size()});
    return data;
}

ClassifierTrainingOptions small_options() {
    ClassifierTrainingOptions options;
    options.id = "textures6";
    options.architecture.features = 6;
    options.architecture.stages = {{8, 1}, {12, 2}, {16, 2}};
    options.epochs = 4;
    options.batch = 64;
    options.seed = 3;
    options.command = "train-features --data textures";
    return options;
}

at::Tensor pixels_of(const Dataset& data) {
    return at::tensor(at::ArrayRef<uint8_t>(data.pixels), at::kByte)
        .reshape({data.count, data.channels, data.height, data.width});
}

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.kind() + ": " + error.what();
    }
    return "no error";
}

TEST(Classifier, ArchitectureText) {
    ClassifierArchitecture a;
    a.stages = {{32, 2}, {32, 1}, {64, 2}};
    EXPECT_EQ(a.print_stages(), "32/2,32,64/2");
    EXPECT_EQ(ClassifierArchitecture::parse_stages("32/2,32,64/2", ""), a.stages);
    // 32 x 32 images: 9 * 32 * 256 + 9 * 32 * 32 * 256 + 9 * 32 * 64 * 64, then the two linear layers.
    EXPECT_EQ(a.multiply_adds(), 73728 + 2359296 + 1179648 + 64 * 32 + 32 * 10);
    for (const char* bad : {"", "32,", ",32", "32/3", "32/0", "0", "x", "32 ,8", "-3", "99999"}) {
        EXPECT_NE(error_of([&] { ClassifierArchitecture::parse_stages(bad, "--stages"); }).find("--stages"),
                  std::string::npos)
            << bad;
    }
}

// One convolution by hand: the network is what the header says.
TEST(Classifier, ForwardByHand) {
    ClassifierArchitecture a;
    a.channels = 2, a.size = 4, a.features = 3, a.classes = 2, a.stages = {{5, 2}};
    std::map<std::string, at::Tensor> tensors;
    uint64_t stream = 0;
    for (const auto& [name, shape] : classifier_tensor_shapes(a)) {
        tensors[name] = at::empty(shape, at::kFloat);
        fill_normals({1, NoisePurpose::probe}, stream++, 0,
                     {tensors[name].data_ptr<float>(), static_cast<size_t>(tensors[name].numel())});
    }
    const Classifier classifier(a, tensors, {}, "test");
    const at::Tensor pixels =
        at::arange(2 * 2 * 16, at::kInt).mul(37).remainder(256).to(at::kByte).reshape({2, 2, 4, 4});
    const auto out = classifier(pixels);
    const auto weight = tensors["conv0.weight"], bias = tensors["conv0.bias"];
    for (int64_t b = 0; b < 2; ++b) {
        std::vector<double> pooled(5, 0.0);
        for (int64_t o = 0; o < 5; ++o) {
            for (int64_t y = 0; y < 4; y += 2) {
                for (int64_t x = 0; x < 4; x += 2) {
                    double sum = bias[o].item<double>();
                    for (int64_t c = 0; c < 2; ++c) {
                        for (int64_t ky = 0; ky < 3; ++ky) {
                            for (int64_t kx = 0; kx < 3; ++kx) {
                                const int64_t iy = y + ky - 1, ix = x + kx - 1;
                                if (iy < 0 || iy > 3 || ix < 0 || ix > 3) continue;
                                sum += weight[o][c][ky][kx].item<double>() *
                                       (pixels[b][c][iy][ix].item<double>() / 127.5 - 1);
                            }
                        }
                    }
                    pooled[static_cast<size_t>(o)] += std::max(0.0, sum) / 4;
                }
            }
        }
        const at::Tensor mean = at::tensor(pooled, at::kDouble);
        const at::Tensor features =
            at::mv(tensors["features.weight"].to(at::kDouble), mean) + tensors["features.bias"];
        const at::Tensor logits =
            at::mv(tensors["logits.weight"].to(at::kDouble), features.relu()) + tensors["logits.bias"];
        EXPECT_LT((out.features[b] - features).abs().max().item<double>(), 1e-4);
        EXPECT_LT((out.logits[b] - logits).abs().max().item<double>(), 1e-4);
    }
}

TEST(Classifier, LearnsSavesAndExtracts) {
    const Dataset train = textures(2000, 1, 1), test = textures(400, 1, 2);
    std::vector<ClassifierProgress> seen;
    const auto classifier =
        train_classifier(train, test, small_options(), [&](const auto& p) { seen.push_back(p); });
    const double accuracy = classifier_accuracy(classifier, test);
    EXPECT_GT(accuracy, 0.95);
    EXPECT_EQ(classifier.metadata().at("id"), "textures6");
    EXPECT_DOUBLE_EQ(std::stod(classifier.metadata().at("accuracy")), accuracy);
    EXPECT_EQ(classifier.metadata().at("data_hash"), train.hash);
    ASSERT_FALSE(seen.empty());
    EXPECT_EQ(seen.back().step, seen.back().steps);
    EXPECT_EQ(seen.back().epoch, 4);
    EXPECT_FALSE(std::isnan(seen.back().accuracy));

    // The same seed gives the same bits, another seed others.
    const auto again = train_classifier(train, test, small_options());
    for (const auto& [name, tensor] : classifier.tensors())
        EXPECT_TRUE(tensor.equal(again.tensors().at(name))) << name;

    const TemporaryFolder folder;
    const std::string path = folder.file("textures.safetensors");
    classifier.save(path);
    EXPECT_LT(std::filesystem::file_size(path), 20000u);
    const auto loaded = Classifier::load(path);
    EXPECT_EQ(loaded.architecture(), classifier.architecture());
    for (const auto& [name, tensor] : classifier.tensors())
        EXPECT_TRUE(tensor.equal(loaded.tensors().at(name))) << name;
    EXPECT_EQ(loaded.metadata().at("command"), "train-features --data textures");

    const auto extractor = make_extractor(Spec::parse("classifier:file='" + path + "'"));
    EXPECT_EQ(extractor->id(), "textures6");
    EXPECT_EQ(extractor->frechet_name(), "fd-textures6");
    EXPECT_EQ(extractor->dim(), 6);
    EXPECT_EQ(extractor->weights_hash(), sha256_file(path));
    const at::Tensor pixels = pixels_of(test);
    const at::Tensor features = extract_features(*extractor, pixels, 64);
    EXPECT_EQ(features.sizes(), (at::IntArrayRef{400, 6}));
    EXPECT_EQ(features.scalar_type(), at::kFloat);
    // How many images there are does not matter to the bits of any one of them.
    EXPECT_TRUE(extract_features(*extractor, pixels.narrow(0, 0, 101), 64).equal(features.narrow(0, 0, 101)));
    EXPECT_LT((extract_features(*extractor, pixels, 400) - features).abs().max().item<double>(), 1e-4);
    EXPECT_NE(error_of([&] {
                  extractor->features(at::zeros({1, 3, 16, 16}, at::kByte));
              }).find("[B, 1, 16, 16]"),
              std::string::npos);
    EXPECT_NE(error_of([&] {
                  extractor->features(at::zeros({1, 1, 16, 16}));
              }).find("uint8"),
              std::string::npos);
}

TEST(Classifier, ColourImagesAndUnusableData) {
    const Dataset train = textures(300, 3, 5), test = textures(100, 3, 6);
    auto options = small_options();
    options.epochs = 1;
    const auto classifier = train_classifier(train, test, options);
    EXPECT_EQ(classifier.architecture().channels, 3);
    Dataset unlabelled = train;
    unlabelled.labels.clear();
    EXPECT_NE(error_of([&] { train_classifier(unlabelled, test, options); }).find("labels"),
              std::string::npos);
    EXPECT_NE(error_of([&] { train_classifier(train, textures(100, 1, 6), options); }).find("differ"),
              std::string::npos);
    options.batch = 1000;
    EXPECT_NE(error_of([&] { train_classifier(train, test, options); }).find("batch"), std::string::npos);
    options.batch = 50, options.learning_rate = 1e30;
    EXPECT_NE(error_of([&] { train_classifier(train, test, options); }).find("learning rate"),
              std::string::npos);
}

TEST(Classifier, ForeignFilesAreRefused) {
    const TemporaryFolder folder;
    const std::string path = folder.file("other.safetensors");
    const auto load_error = [&] { return error_of([&] { Classifier::load(path); }); };
    write_safetensors(path, {{"x", at::zeros({2})}}, {});
    EXPECT_NE(load_error().find("not a classifier"), std::string::npos);

    ClassifierArchitecture a;
    a.channels = 1, a.size = 8, a.features = 2, a.classes = 2, a.stages = {{3, 2}};
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, shape] : classifier_tensor_shapes(a)) tensors[name] = at::ones(shape);
    Classifier(a, tensors, {}, "test").save(path);
    const auto good = read_safetensors(path);
    const auto with = [&](const std::string& key, const std::string& value) {
        auto metadata = good.metadata;
        metadata[key] = value;
        write_safetensors(path, good.tensors, metadata);
        return load_error();
    };
    EXPECT_EQ(with("features", "2"), "no error");
    EXPECT_NE(with("features", "3").find("features.weight"), std::string::npos);
    EXPECT_NE(with("features", "two").find("'features'"), std::string::npos);
    EXPECT_NE(with("architecture", "3/2,9").find("conv1.weight"), std::string::npos);
    EXPECT_NE(with("architecture", "banana").find("banana"), std::string::npos);
    auto damaged = good.tensors;
    damaged["conv0.bias"] = at::full({3}, std::nan(""), at::kHalf);
    write_safetensors(path, damaged, good.metadata);
    EXPECT_NE(load_error().find("conv0.bias"), std::string::npos);
    // A classifier without an id cannot name a distance.
    write_safetensors(path, good.tensors, good.metadata);
    EXPECT_NE(error_of([&] { make_extractor(Spec::parse("classifier:file='" + path + "'")); }).find("id"),
              std::string::npos);
    EXPECT_EQ(
        error_of([&] { make_extractor(Spec::parse("classifier:file=/no/such.safetensors")); }).substr(0, 4),
        "file");
    EXPECT_EQ(error_of([&] { make_extractor(Spec::parse("clasifier:file=x")); }).substr(0, 4), "spec");
}

TEST(PixelExtractor, MeansAreExact) {
    const auto extractor = make_extractor(Spec::parse("pixels:channels=3,size=16"));
    EXPECT_EQ(extractor->dim(), 192);
    EXPECT_EQ(extractor->weights_hash(), "");
    const at::Tensor pixels =
        at::arange(2 * 3 * 256, at::kInt).mul(53).remainder(251).to(at::kByte).reshape({2, 3, 16, 16});
    const at::Tensor features = extractor->features(pixels);
    for (int64_t b = 0; b < 2; ++b) {
        for (int64_t k = 0; k < 192; ++k) {
            const int64_t c = k / 64, y = k / 8 % 8 * 2, x = k % 8 * 2;
            const double sum = pixels[b][c][y][x].item<double>() + pixels[b][c][y][x + 1].item<double>() +
                               pixels[b][c][y + 1][x].item<double>() +
                               pixels[b][c][y + 1][x + 1].item<double>();
            ASSERT_EQ(features[b][k].item<double>(), sum / 4);
        }
    }
    EXPECT_EQ(error_of([] { make_extractor(Spec::parse("pixels:size=20")); }).substr(0, 4), "spec");
    EXPECT_EQ(error_of([&] {
                  extractor->features(at::zeros({1, 1, 16, 16}, at::kByte));
              }).substr(0, 5),
              "shape");
}

}  // namespace
}  // namespace schedbench
