#include "models/mlp.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "message_of.h"

namespace schedbench {
namespace {

/// The formula of the header written out with plain loops.
std::vector<double> by_hand(const MlpConfig& c, const Parameters& p, const std::vector<double>& x, double t) {
    std::vector<double> h = x;
    for (int64_t j = 0; j < c.data_octaves; ++j) {
        for (const double v : x) h.push_back(std::sin(M_PI * std::pow(2.0, j) * v));
        for (const double v : x) h.push_back(std::cos(M_PI * std::pow(2.0, j) * v));
    }
    h.push_back(t);
    for (int64_t j = 0; j < c.time_octaves; ++j) {
        h.push_back(std::sin(M_PI * std::pow(2.0, j) * t));
        h.push_back(std::cos(M_PI * std::pow(2.0, j) * t));
    }
    const auto layer = [&](const std::string& name, const std::vector<double>& in) {
        const at::Tensor w = p.at(name + ".weight"), b = p.at(name + ".bias");
        std::vector<double> out;
        for (int64_t row = 0; row < w.size(0); ++row) {
            double sum = b[row].item<double>();
            for (size_t k = 0; k < in.size(); ++k)
                sum += w[row][static_cast<int64_t>(k)].item<double>() * in[k];
            out.push_back(sum);
        }
        return out;
    };
    const auto silu = [](double v) { return v / (1 + std::exp(-v)); };
    h = layer("in", h);
    for (double& v : h) v = silu(v);
    for (int64_t i = 0; i < c.blocks; ++i) {
        const std::vector<double> inner = layer("blocks." + std::to_string(i), h);
        for (size_t k = 0; k < h.size(); ++k) h[k] += silu(inner[k]);
    }
    return layer("out", h);
}

TEST(Mlp, IsTheFormulaOfItsHeader) {
    const MlpConfig config{2, 6, 2, 2, 1};
    const Mlp net(config);
    Parameters p = net.initial_parameters(3);
    p["out.weight"] = at::rand({2, 6}, at::kFloat) - 0.5;
    p["in.bias"] = at::rand({6}, at::kFloat);
    const at::Tensor x = at::randn({3, 2, 1, 1}, at::kFloat), t = at::tensor({-1.5, 0.2, 1.0}, at::kDouble);
    const at::Tensor out = net.forward(p, x, t, {});
    for (int64_t i = 0; i < 3; ++i) {
        const auto expected =
            by_hand(config, p, {x[i][0].item<double>(), x[i][1].item<double>()}, t[i].item<double>());
        for (int64_t j = 0; j < 2; ++j)
            EXPECT_NEAR(out[i][j].item<double>(), expected[static_cast<size_t>(j)], 2e-5);
    }
    EXPECT_EQ(out.sizes(), x.sizes());
}

TEST(Mlp, StartsAsZeroAndCountsWhatItHas) {
    const Mlp net(MlpConfig{});
    EXPECT_EQ(net.forward(net.initial_parameters(0), at::randn({4, 1, 1, 1}), at::zeros({4}), {})
                  .abs()
                  .max()
                  .item<float>(),
              0);
    EXPECT_EQ(net.parameter_count(), 96 * 18 + 96 + 3 * (96 * 96 + 96) + 96 + 1);
    EXPECT_EQ(net.macs(1, 1), 96 * 18 + 3 * 96 * 96 + 96);
}

TEST(Mlp, ConfigurationsAreReadBackAndChecked) {
    const MlpConfig config{2, 40, 1, 0, 4};
    const auto again = MlpConfig::from_json(config.to_json(), "here");
    EXPECT_EQ(again.to_json(), config.to_json());
    const auto said = [](const char* text) {
        return message_of([&] { MlpConfig::from_json(nlohmann::json::parse(text), "w.safetensors"); });
    };
    EXPECT_NE(said(R"({"depth": 3})").find("unknown key \"depth\""), std::string::npos);
    EXPECT_NE(said(R"({"width": 0})").find("impossible value of \"width\""), std::string::npos);
    EXPECT_NE(said(R"({"width": 1.5})").find("impossible value"), std::string::npos);
    EXPECT_NE(said(R"({"data_octaves": 60})").find("data_octaves"), std::string::npos);
}

}  // namespace
}  // namespace schedbench
