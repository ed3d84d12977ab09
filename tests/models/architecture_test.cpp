// The published networks' architectures, from their flags alone: numbers of parameters and tensors as
// published, without a weight being allocated.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "models/edm_denoiser.h"
#include "models/network.h"

namespace schedbench {
namespace {

TEST(Architectures, OfTheTableOfPublicFiles) {
    std::ifstream in(std::string(SCHEDBENCH_SOURCE_DIR) + "/scripts/public_files.json");
    const nlohmann::json table = nlohmann::json::parse(in);
    // Of the repositories' own text and the papers: Nichol & Dhariwal 2021, Ho et al. 2020 by enumeration of
    // the published layout; Dhariwal & Nichol 2021, table 4 (296M, 422M, 554M) and 559M at 512 pixels,
    // rounded.
    const std::map<std::string, std::pair<int64_t, int64_t>> exact = {
        {"cifar10_uncond_50M_500K", {52546438, 446}},
        {"cifar10_uncond_vlb_50M_500K", {52546438, 446}},
        {"imagenet64_uncond_100M_1500K", {121063942, 450}},
        {"imagenet64_uncond_vlb_100M_1500K", {121063942, 450}},
        {"imagenet64_cond_270M_250K", {273049350, 451}}};
    // Of the layout of Ho et al. no number of tensors is published.
    std::map<std::string, int64_t> counts;
    for (const std::string of : {"ddpm-", "ema_"}) {
        counts[of + "cifar10"] = 35746307;
        for (const char* scene : {"bedroom", "cat", "church"}) counts[of + "lsun_" + scene] = 113673219;
    }
    const std::map<std::string, double> millions = {{"guided-64x64_diffusion", 296},
                                                    {"guided-128x128_diffusion", 422},
                                                    {"guided-256x256_diffusion", 554},
                                                    {"guided-512x512_diffusion", 559}};
    size_t seen = 0;
    for (const auto& row : table.at("files")) {
        if (!row.contains("config")) continue;
        const std::string name = row.at("name");
        SCOPED_TRACE(name);
        const auto net = make_network(row.at("family"), row.at("config"), name);
        EXPECT_EQ(net->parameter_count(), row.value("parameters", int64_t{0}));
        EXPECT_EQ(static_cast<int64_t>(net->parameter_shapes().size()), row.value("tensors", int64_t{0}));
        EXPECT_GT(net->macs(net->image_size(), net->image_size()), net->image_size() > 0 ? 0 : -1);
        if (const auto it = exact.find(name); it != exact.end()) {
            EXPECT_EQ(net->parameter_count(), it->second.first);
            EXPECT_EQ(static_cast<int64_t>(net->parameter_shapes().size()), it->second.second);
            ++seen;
        }
        if (const auto it = counts.find(name); it != counts.end()) {
            EXPECT_EQ(net->parameter_count(), it->second);
            ++seen;
        }
        if (const auto it = millions.find(name); it != millions.end()) {
            EXPECT_NEAR(static_cast<double>(net->parameter_count()) * 1e-6, it->second, 0.5);
            ++seen;
        }
    }
    EXPECT_EQ(seen, exact.size() + counts.size() + millions.size());
}

TEST(Architectures, LSimpleOfBaoEtAl) {
    // arXiv 2206.07309 trained the CIFAR-10 network with three output channels.
    const nlohmann::json config = {{"model_channels", 128},
                                   {"num_res_blocks", 3},
                                   {"attention_resolutions", {2, 4}},
                                   {"channel_mult", {1, 2, 2, 2}},
                                   {"out_channels", 3}};
    EXPECT_EQ(make_network("improved_diffusion.UNetModel", config, "test")->parameter_count(), 52542979);
}

TEST(Architectures, OfEdm) {
    // Karras et al. 2022: 56 million parameters (DDPM++, NCSN++ on CIFAR-10), 296 million (ADM on
    // ImageNet-64).
    const auto millions = [](const nlohmann::json& config) {
        int64_t count = 0;
        for (const auto& [name, shape] : EdmModel::from_json(config, "test").parameter_shapes())
            if (!name.ends_with(".resample_filter")) {
                int64_t size = 1;
                for (const int64_t s : shape) size *= s;
                count += size;
            }
        return static_cast<double>(count) * 1e-6;
    };
    nlohmann::json song = {{"class", "EDMPrecond"}, {"model_type", "SongUNet"}, {"img_resolution", 32},
                           {"img_channels", 3},     {"label_dim", 10},          {"augment_dim", 9},
                           {"model_channels", 128}, {"channel_mult", {2, 2, 2}}};
    EXPECT_NEAR(millions(song), 56, 0.5);
    song.update({{"embedding_type", "fourier"},
                 {"encoder_type", "residual"},
                 {"channel_mult_noise", 2},
                 {"resample_filter", {1, 3, 3, 1}}});
    EXPECT_NEAR(millions(song), 56, 0.5);
    EXPECT_NEAR(millions({{"class", "EDMPrecond"},
                          {"model_type", "DhariwalUNet"},
                          {"img_resolution", 64},
                          {"img_channels", 3},
                          {"label_dim", 1000},
                          {"model_channels", 192},
                          {"channel_mult", {1, 2, 3, 4}}}),
                296, 0.5);
}

}  // namespace
}  // namespace schedbench
