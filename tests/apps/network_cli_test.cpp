// verify on golden networks, and train-features on images that are easy to tell apart.
#include "cli.h"
#include "data/npy.h"
#include "eval/extractor.h"
#include "golden.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

using cli::Folder;

TEST(CliVerify, GoldenNetworks) {
    const Folder folder;
    int checked = 0;
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto family = file.metadata.find("family");
        if (family == file.metadata.end()) continue;
        const bool edm = family->second == "edm.precond";
        if (!edm && !file.tensors.contains("out")) continue;
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        const std::string pair = "verify '" + weights + "' '" + path.string() + "'";
        const auto rows = folder.ok(pair + " --json").json();
        size_t expected = 0;
        for (const auto& [name, tensor] : file.tensors)
            expected += edm ? name.find('.') != std::string::npos && !name.ends_with(".x") &&
                                  !name.ends_with(".sigma")
                            : name.ends_with("out") || name.ends_with("out.f64") || name.starts_with("act.");
        EXPECT_EQ(rows.size(), expected);
        for (const auto& row : rows) {
            EXPECT_EQ(cli::keys(row),
                      (std::vector<std::string>{"max_abs", "ok", "rms", "tensor", "tolerance"}));
            EXPECT_EQ(row.at("ok"), true) << row;
            EXPECT_LE(row.at("rms").get<double>(), row.at("max_abs").get<double>());
        }
        EXPECT_NE(folder.ok(pair).out.find(edm ? "D.f64" : "out.f64"), std::string::npos);
        const auto strict = folder.run(pair + " --tolerance 1e-12 --json");
        EXPECT_EQ(strict.code, 1);
        EXPECT_EQ(strict.json()[0].at("ok"), false);
        // Alone: what the file is.
        const auto about = folder.ok("verify '" + weights + "' --json").json();
        const SafetensorsFile stored = read_safetensors(weights);
        EXPECT_EQ(about.at("family"), family->second);
        EXPECT_EQ(about.at("tensors"), stored.tensors.size());
        int64_t parameters = 0;
        for (const auto& [name, tensor] : stored.tensors) parameters += tensor.numel();
        EXPECT_EQ(about.at("parameters"), parameters);
        EXPECT_NE(folder.ok("verify '" + weights + "'").out.find("not compared with anything"),
                  std::string::npos);
        EXPECT_EQ(folder.run("verify '" + path.string() + "' '" + weights + "'").code,
                  2);  // the wrong way round
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

TEST(CliTrainFeatures, LearnsAndWritesAnExtractor) {
    const Folder folder;
    constexpr int64_t kImages = 64;
    std::vector<uint8_t> pixels;
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < kImages; ++i) {  // dark and bright images
        labels.push_back(i % 2);
        for (int64_t p = 0; p < 64; ++p)
            pixels.push_back(static_cast<uint8_t>((i % 2 ? 180 : 20) + (i * 7 + p * 3) % 50));
    }
    write_npy(folder.path("x.npy"), {{kImages, 8, 8}, pixels});
    write_npy(folder.path("y.npy"), {{kImages}, labels});
    const std::string data = "npy:file=x.npy,labels=y.npy";
    const auto json = folder
                          .ok("train-features --data " + data + " --test " + data +
                              " --stages 8/2,8/2 --features 4 --batch 16 --epochs 12 --shift 1 --id tiny "
                              "--output tiny.safetensors --json")
                          .json();
    EXPECT_EQ(cli::keys(json),
              (std::vector<std::string>{"accuracy", "id", "output", "seconds", "sha256", "test_images"}));
    EXPECT_EQ(json.at("accuracy"), 1.0);
    const auto extractor = make_extractor(Spec::parse("classifier:file=" + folder.path("tiny.safetensors")));
    EXPECT_EQ(extractor->frechet_name(), "fd-tiny");
    EXPECT_EQ(extractor->dim(), 4);
    EXPECT_EQ(extractor->weights_hash(), json.at("sha256"));
    std::filesystem::create_directory(folder.path("weights"));
    std::filesystem::copy_file(folder.path("tiny.safetensors"), folder.path("weights/tiny.safetensors"));
    EXPECT_NE(folder.ok("doctor").out.find("classifier tiny, accuracy 1, sha256 " +
                                           json.at("sha256").get<std::string>()),
              std::string::npos);
}

}  // namespace
}  // namespace schedbench
