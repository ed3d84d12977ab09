// likelihood: bits/dim by the probability-flow ODE.
#include <cmath>
#include <numbers>

#include "cli.h"
#include "data/npy.h"

namespace schedbench {
namespace {

using cli::Folder;

TEST(CliLikelihood, GaussianIsExactAndTheSameTwice) {
    const Folder folder;
    const std::string line =
        "likelihood --model exact:gaussian,c=0.5,dim=6 --images 4 --prior exact --rtol 1e-9 --atol 1e-9 "
        "--json";
    const auto first = folder.ok(line);
    const auto json = first.json();
    EXPECT_EQ(json.at("divergence"), "exact");
    EXPECT_EQ(json.at("dequantise"), "none");
    EXPECT_EQ(json.at("offset"), 0);
    EXPECT_EQ(json.at("probe_se"), 0);
    ASSERT_EQ(json.at("images").size(), 4u);
    double mean = 0;
    for (const auto& image : json.at("images")) {
        EXPECT_NEAR(image.at("bits_per_dim").get<double>(),
                    -image.at("log_density").get<double>() / (6 * std::numbers::ln2), 1e-12);
        // Never denser than at the mode.
        EXPECT_LT(image.at("log_density").get<double>(), -3 * std::log(2 * std::numbers::pi * 0.25));
        mean += image.at("bits_per_dim").get<double>() / 4;
    }
    EXPECT_NEAR(json.at("bits_per_dim").get<double>(), mean, 1e-12);
    EXPECT_EQ(folder.ok(line).out, first.out);
    // The other ways to the same number.
    EXPECT_NEAR(
        folder
            .ok("likelihood --model exact:gaussian,c=0.5,dim=6 --images 4 --prior 0.25 --rtol 1e-9 --atol "
                "1e-9 --batch 3 --json")
            .json()
            .at("bits_per_dim")
            .get<double>(),
        mean, 1e-9);
    const std::string text =
        folder.ok("likelihood --model exact:gaussian,c=0.5,dim=6 --images 4 --prior exact").out;
    EXPECT_NE(text.find("mean of 4: "), std::string::npos) << text;
}

TEST(CliLikelihood, NetworkOnBytesGivesOffsetAndProbeError) {
    const Folder folder;
    std::vector<uint8_t> pixels(1024);
    for (size_t i = 0; i < 1024; ++i)
        pixels[i] =
            static_cast<uint8_t>(200 * std::exp(-0.01 * (std::pow(static_cast<double>(i / 32) - 15, 2) +
                                                         std::pow(static_cast<double>(i % 32) - 15, 2))));
    write_npy(folder.path("images.npy"), NpyArray{{1, 1, 32, 32}, pixels});
    const auto json = folder
                          .ok("likelihood --model native:file=" SCHEDBENCH_SOURCE_DIR
                              "/weights/fashion-edm.safetensors --data npy:file=images.npy --images 1 --rtol "
                              "0.01 --atol 0.01 "
                              "--sigma-min 0.05 --dequantise centred --json")
                          .json();
    EXPECT_EQ(json.at("divergence"), "hutchinson");
    EXPECT_EQ(json.at("probes"), 5);
    EXPECT_NEAR(json.at("offset").get<double>(), std::log2(127.5), 1e-12);
    EXPECT_TRUE(json.at("se").is_null());
    EXPECT_EQ(json.at("warning"), "one image has no spread");
    EXPECT_GT(json.at("probe_se").get<double>(), 0);
    EXPECT_EQ(json.at("calls"), json.at("images")[0].at("evaluations"));
    EXPECT_EQ(json.at("products"), 5 * json.at("calls").get<int>());
}

TEST(CliLikelihood, RefusesInOneLine) {
    const Folder folder;
    for (const std::string rest : {"--probes 4", "--rtol 0", "--rtol x", "--prior -1", "--prior no",
                                   "--dequantise 256", "--dequantise no", "--divergence no", "--images 0",
                                   "--images 5000", "--sigma-min 1e-9", "--sigma-max 1e9", "--first 4096",
                                   "--dequantisations 2", "--data npy:file=none.npy", "--batch 0"}) {
        const auto result = folder.run("likelihood --model exact:gaussian,c=1 --images 1 " + rest);
        EXPECT_EQ(result.code, 2) << rest;
        EXPECT_EQ(result.error_lines().size(), 1u) << rest << "\n" << result.err;
        EXPECT_EQ(result.out, "") << rest;
    }
    EXPECT_EQ(folder.run("likelihood").code, 2);
    EXPECT_EQ(folder.run("likelihood --model clip:inner={exact:gaussian,c=1} --images 1 --prior exact").code,
              2);
}

}  // namespace
}  // namespace schedbench
