// A residual multilayer perceptron for data that are vectors, such as draws of the exact targets: no
// published network, but the least one with which a learned score can be set against the exact one.
//
//   h = SiLU(in [x, sin and cos(pi 2^j x), t, sin and cos(pi 2^j t)]),   h <- h + SiLU(block_i h),   F = out
//   h
//
// The octaves j let a small network resolve modes that are narrow against the data's spread (Tancik et al.
// 2020, arXiv 2006.10739).
#pragma once

#include "models/network.h"

namespace schedbench {

struct MlpConfig {
    int64_t dims = 1;          ///< of a sample, which is [dims, 1, 1]
    int64_t width = 96;        ///< of the hidden layers
    int64_t blocks = 3;        ///< residual layers
    int64_t data_octaves = 5;  ///< frequencies pi, 2 pi, ... of the (scaled) data
    int64_t time_octaves = 3;  ///< and of the time, which is ln(sigma)/4

    /// Error("file") naming `where` for unknown keys and impossible values.
    static MlpConfig from_json(const nlohmann::json& json, const std::string& where);
    nlohmann::json to_json() const;
    int64_t features() const { return dims * (1 + 2 * data_octaves) + 1 + 2 * time_octaves; }
};

class Mlp final : public Network {
  public:
    static constexpr const char* kFamily = "schedbench.Mlp";
    explicit Mlp(MlpConfig config);
    const MlpConfig& config() const { return config_; }

    int64_t in_channels() const override { return config_.dims; }
    int64_t out_channels() const override { return config_.dims; }
    int64_t classes() const override { return 0; }
    int64_t side_multiple() const override { return 1; }
    int64_t image_size() const override { return 1; }
    int64_t macs(int64_t height, int64_t width) const override;
    /// Normal, variance 1 / inputs; the last layer is zero, so that at first the denoiser is the best one for
    /// Gaussian data.
    Parameters initial_parameters(uint64_t seed) const;
    at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& time,
                       const at::Tensor& labels, double dropout = 0,
                       const ActivationTap& tap = nullptr) const override;

  private:
    MlpConfig config_;
};

}  // namespace schedbench
