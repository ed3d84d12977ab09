// The U-Net of Ho et al. 2020 (arXiv 2006.11239) with the parameter names of pytorch_diffusion, which
// converted the published TensorFlow weights. What differs from its descendants: group norms with epsilon
// 1e-6, sines before cosines with the end point in the time embedding, padding on one side when going down,
// attention with one head and three projections, and a decoder that is numbered from the highest resolution
// but runs from the lowest.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/attention.h"
#include "models/network.h"
#include "models/residual_block.h"

namespace schedbench {

struct DdpmConfig {
    int64_t ch = 128;
    int64_t in_channels = 3, out_ch = 3;
    std::vector<int64_t> ch_mult = {1, 2, 2, 2};
    int64_t num_res_blocks = 2;
    std::vector<int64_t> attn_resolutions = {16};  ///< image sides at which attention is used
    int64_t resolution = 32;
    bool resamp_with_conv = true;

    /// Original key names; unknown keys and impossible values are Error("file") naming `where`.
    static DdpmConfig from_json(const nlohmann::json& json, const std::string& where);

    int64_t channels(size_t level) const { return ch * ch_mult[level]; }
    bool attends_at(size_t level) const;

  private:
    bool set(const std::string& key, const nlohmann::json& value);
    void check(const std::string& where) const;
};

class DdpmUNet final : public Network {
  public:
    explicit DdpmUNet(DdpmConfig config);

    int64_t in_channels() const override { return config_.in_channels; }
    int64_t out_channels() const override { return config_.out_ch; }
    int64_t classes() const override { return 0; }
    int64_t side_multiple() const override { return int64_t{1} << (config_.ch_mult.size() - 1); }
    int64_t image_size() const override { return config_.resolution; }
    int64_t macs(int64_t height, int64_t width) const override;
    at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& time,
                       const at::Tensor& labels, double dropout = 0,
                       const ActivationTap& tap = nullptr) const override;

  private:
    struct Stage {
        enum class Kind { block, down, up };
        Kind kind;
        size_t level = 0;
        std::string resample;  ///< prefix of the convolution of a change of resolution
        int64_t channels = 0;
        ResidualBlock residual;
        std::vector<SelfAttention> attention;  ///< none or one
    };
    Stage block(const std::string& prefix, int64_t in, int64_t out, size_t level,
                const std::string& attention) const;
    void add(std::vector<Stage>& stages, Stage stage);
    at::Tensor run(const Stage& stage, const Parameters& parameters, const at::Tensor& h,
                   const at::Tensor& emb, double dropout) const;

    DdpmConfig config_;
    std::vector<Stage> encoder_, middle_, decoder_;
    int64_t last_ = 0;  ///< channels before the last convolution
};

}  // namespace schedbench
