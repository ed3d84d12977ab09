// EDM networks with random parameters: what holds for any of them, and what a bad weight file is told.
#include "models/edm_denoiser.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "message_of.h"
#include "models/native.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

nlohmann::json small(const std::string& cls, const std::string& type, int64_t classes) {
    return {
        {"class", cls},         {"model_type", type},      {"img_resolution", 8}, {"img_channels", 1},
        {"label_dim", classes}, {"model_channels", 8},     {"num_blocks", 1},     {"channel_mult", {1, 2}},
        {"augment_dim", 0},     {"attn_resolutions", {4}}, {"use_fp16", true},    {"channel_mult_emb", 2}};
}

std::map<std::string, at::Tensor> random_tensors(const nlohmann::json& config) {
    const EdmModel model = EdmModel::from_json(config, "test");
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, shape] : model.parameter_shapes()) {
        if (name == "u")
            out[name] = model.precond().table();
        else if (name.ends_with(".resample_filter"))
            out[name] = at::full(shape, 0.25);
        else
            out[name] = at::randn(shape) * (name.ends_with(".weight") ? 0.3 : 0.1);
    }
    return out;
}

TEST(EdmDenoiser, DiscreteWrapperUsesItsTable) {
    at::manual_seed(1);
    const nlohmann::json config = small("iDDPMPrecond", "DhariwalUNet", 3);
    const EdmDenoiser denoiser(config, random_tensors(config), std::nullopt, "id", "", "test");
    EXPECT_TRUE(denoiser.has_variance());
    ASSERT_EQ(denoiser.process().table_size(), 1000);
    const auto* u = denoiser.model().precond().table().const_data_ptr<float>();
    for (const int t : {1, 2, 500, 999, 1000})
        EXPECT_NEAR(denoiser.process().sigma(t) / static_cast<double>(u[1000 - t]), 1, 1e-12) << t;

    const at::Tensor x = at::randn({3, 1, 8, 8}), labels = at::tensor({0, 2, 1}, at::kLong);
    std::vector<double> levels, times;
    for (const double level : {0.01, 1.0, 50.0}) {
        const LocatedLevel at = denoiser.process().locate(level);
        levels.push_back(at.level);
        times.push_back(at.model_time);
    }
    const at::Tensor sigma = at::tensor(levels, at::kDouble), time = at::tensor(times, at::kDouble);
    const DenoiserOutput out = denoiser(x, sigma, time, labels);
    // On its table, what the process says is what the wrapper works out for itself.
    const EdmModel::Output direct = denoiser.model()(denoiser.parameters(), x, sigma, at::one_hot(labels, 3));
    EXPECT_TRUE(at::equal(direct.c_noise.to(at::kDouble), time));
    EXPECT_TRUE(at::equal(out.x0, direct.denoised));
    EXPECT_TRUE(at::equal(out.variance, direct.raw.narrow(1, 1, 1)));
    const at::Tensor eps = direct.raw.narrow(1, 0, 1);
    EXPECT_LT((out.x0 - (x - sigma.to(at::kFloat).reshape({-1, 1, 1, 1}) * eps)).abs().max().item<double>(),
              1e-4);
    // Between its entries it is told the fraction.
    const LocatedLevel between = denoiser.process().locate(1.0, TimeRule::fractional);
    EXPECT_NE(between.model_time, std::floor(between.model_time));
    const at::Tensor one = x.narrow(0, 0, 1), level = at::full({1}, 1.0, at::kDouble);
    EXPECT_FALSE(
        at::equal(denoiser(one, level, at::full_like(level, between.model_time), {}).x0,
                  denoiser(one, level, at::full_like(level, std::floor(between.model_time)), {}).x0));
}

TEST(EdmDenoiser, RangesOfTheWrappers) {
    at::manual_seed(2);
    const nlohmann::json none = nlohmann::json::object();
    const auto range = [](const std::string& cls, const nlohmann::json& more,
                          const std::optional<Spec>& process) {
        nlohmann::json config = small(cls, "SongUNet", 0);
        config.update(more);
        const EdmDenoiser d(config, random_tensors(config), process, "id", "", "test");
        return std::pair{d.process().sigma_min(), d.process().sigma_max()};
    };
    EXPECT_EQ(range("EDMPrecond", none, {}), (std::pair{0.002, 80.0}));
    EXPECT_EQ(range("EDMPrecond", {{"sigma_min", 0.01}, {"sigma_max", "inf"}}, {}), (std::pair{0.01, 80.0}));
    EXPECT_EQ(range("VEPrecond", none, {}), (std::pair{0.02, 100.0}));
    // sqrt(exp(beta_d/2 + beta_min) - 1) at t = 1; at t = epsilon_t the difference is 8 units of 2^-23 in
    // float32.
    EXPECT_NEAR(range("VPPrecond", none, {}).second, std::sqrt(std::expm1(19.9 / 2 + 0.1)), 1e-4);
    EXPECT_EQ(range("VPPrecond", none, {}).first, std::sqrt(8 * std::pow(2, -23)));
    EXPECT_EQ(range("VEPrecond", none, Spec::parse("continuous:sigma-min=0.1,sigma-max=7")),
              (std::pair{0.1, 7.0}));
    EXPECT_THROW(range("VEPrecond", none, Spec::parse("linear")), Error);
    EXPECT_THROW(range("iDDPMPrecond", none, Spec::parse("continuous")), Error);
}

TEST(EdmDenoiser, GradientIsThatOfTheFunction) {
    at::manual_seed(3);
    for (const std::string type : {"SongUNet", "DhariwalUNet"}) {
        const nlohmann::json config = small("EDMPrecond", type, 0);
        EdmModel model = EdmModel::from_json(config, "test");
        Parameters p = model.load(random_tensors(config), "test");
        for (auto& [name, value] : p) value = value.to(at::kDouble);
        const at::Tensor x = at::randn({2, 1, 8, 8}, at::kDouble), v = at::randn_like(x),
                         w = at::randn_like(x);
        const at::Tensor sigma = at::tensor({0.3, 4.0}, at::kDouble);
        const auto f = [&](const at::Tensor& image) {
            return (model(p, image, sigma, {}).denoised * w).sum();
        };
        at::Tensor leaf = x.clone().requires_grad_(true);
        f(leaf).backward();
        const double slope = (leaf.grad() * v).sum().item<double>(), h = 1e-5;
        const double difference = (f(x + h * v) - f(x - h * v)).item<double>() / (2 * h);
        EXPECT_NEAR(slope, difference, 1e-6 * std::abs(slope)) << type;
    }
}

TEST(EdmDenoiser, ZeroAugmentationAndZeroClassesAreTheAbsentOnes) {
    at::manual_seed(4);
    for (const std::string type : {"SongUNet", "DhariwalUNet"}) {
        nlohmann::json config = small("EDMPrecond", type, 5);
        config["augment_dim"] = 4;
        EdmModel model = EdmModel::from_json(config, "test");
        const Parameters p = model.load(random_tensors(config), "test");
        const at::Tensor x = at::randn({2, 1, 8, 8}), sigma = at::tensor({0.5, 2.0});
        const at::Tensor plain = model(p, x, sigma, {}).denoised;
        EXPECT_TRUE(
            at::allclose(plain, model(p, x, sigma, at::zeros({2, 5}), at::zeros({2, 4})).denoised, 0, 1e-6));
        EXPECT_FALSE(at::allclose(plain, model(p, x, sigma, at::ones({2, 5})).denoised, 0, 1e-4));
        EXPECT_FALSE(at::allclose(plain, model(p, x, sigma, {}, at::ones({2, 4})).denoised, 0, 1e-4));
    }
}

TEST(EdmDenoiser, BadFilesAreDescribed) {
    at::manual_seed(5);
    const nlohmann::json config = small("EDMPrecond", "SongUNet", 0);
    const auto load = [&](const nlohmann::json& json, const std::map<std::string, at::Tensor>& tensors) {
        return message_of([&] { EdmDenoiser(json, tensors, std::nullopt, "", "", "test"); });
    };
    auto tensors = random_tensors(config);
    EXPECT_EQ(load(config, tensors), "no error");
    tensors.erase("model.map_layer0.bias");
    tensors.erase("model.enc.8x8_conv.weight");
    tensors["model.enc.2x2_conv.weight"] = at::zeros({1});
    tensors["model.map_layer1.bias"] = at::zeros({3});
    const std::string message = load(config, tensors);
    for (const char* part :
         {"missing tensors: model.enc.8x8_conv.weight, model.map_layer0.bias",
          "do not belong: model.enc.2x2_conv.weight", "model.map_layer1.bias [3] instead of [16]"})
        EXPECT_NE(message.find(part), std::string::npos) << message;

    tensors = random_tensors(config);
    tensors["model.enc.4x4_down.conv0.resample_filter"] = at::zeros({1, 1, 2, 2});
    EXPECT_NE(load(config, tensors).find("is not the resample_filter of the config"), std::string::npos);
    tensors = random_tensors(config);
    tensors["model.map_layer0.bias"][0] = std::nan("");
    EXPECT_NE(load(config, tensors).find("not finite"), std::string::npos);
    auto table = small("iDDPMPrecond", "SongUNet", 0);
    tensors = random_tensors(table);
    tensors["u"] = at::ones({1001});
    EXPECT_NE(load(table, tensors).find("does not fall to 0"), std::string::npos);

    const std::vector<std::pair<nlohmann::json, std::string>> changes = {
        {{{"class", "XPrecond"}}, "known: EDMPrecond"},
        {{{"class", 3}}, "does not name its class"},
        {{{"model_type", "UNet"}}, "known: SongUNet, DhariwalUNet"},
        {{{"beta_d", 3}}, "unknown key \"beta_d\""},
        {{{"sigma_data", 0}}, "impossible argument"},
        {{{"sigma_data", "half"}}, "wrong type"},
        {{{"num_blocks", "four"}}, "wrong type"},
        {{{"num_blocks", -1}}, "impossible size"},
        {{{"encoder_type", "skip"}}, "known: standard, residual"},
        {{{"decoder_type", "skip"}}, "known: standard"},
        {{{"img_resolution", 9}}, "halvings do not divide"},
        {{{"model_channels", 6}}, "groups do not divide"},
        {{{"resample_filter", {1, 2, 1}}}, "taps"},
        {{{"img_channels", "three"}}, "img_channels"}};
    for (const auto& [change, part] : changes) {
        nlohmann::json bad = config;
        bad.update(change);
        EXPECT_NE(load(bad, {}).find(part), std::string::npos) << load(bad, {}) << " for " << change;
    }
}

TEST(LoadNative, KeysOfTheOtherFamilyAreRefused) {
    at::manual_seed(6);
    const auto folder =
        std::filesystem::temp_directory_path() / ("schedbench-edm-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const std::string path = (folder / "net.safetensors").string();
    const nlohmann::json config = small("EDMPrecond", "SongUNet", 0);
    write_safetensors(path, random_tensors(config), {{"family", "edm.precond"}, {"config", config.dump()}});
    const auto load = [&](const std::string& more) {
        const Spec spec = Spec::parse("native:file='" + path + "'" + more);
        return load_native(complete(spec, find_entry(native_entries(), spec, "models", ""), ""), "");
    };
    EXPECT_EQ(load("")->spec(), load(",precond=edm")->spec());
    EXPECT_NE(load("")->spec(), load(",precond=ve")->spec());
    EXPECT_EQ(load(",precond=ve")->process().sigma_min(), 0.02);
    EXPECT_NE(message_of([&] { load(",prediction=eps"); }).find("does not apply"), std::string::npos);
    EXPECT_NE(message_of([&] { load(",precond=iddpm"); }).find("twice the output channels"),
              std::string::npos);
    write_safetensors(path, {}, {{"family", "other"}, {"config", "{}"}});
    std::string known = "known: ";
    for (const std::string& family : network_families()) known += family + ", ";
    EXPECT_NE(message_of([&] { load(""); }).find(known + "edm.precond"), std::string::npos);
    EXPECT_NE(message_of([&] { load(",precond=ve"); }).find("edm.precond only"), std::string::npos);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace schedbench
