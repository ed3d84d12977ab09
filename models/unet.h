// The U-Net of improved-diffusion (Nichol & Dhariwal 2021, arXiv 2102.09672) and the one that
// guided-diffusion made of it (ADM; Dhariwal & Nichol 2021, arXiv 2105.05233), with those projects' parameter
// names.
//
// guided-diffusion adds: a number of channels a head, residual blocks that change the resolution, another
// order of the attention's channels, and a width of the first level that is not model_channels.
//
// Two keys extend improved-diffusion's configuration, for small networks: `num_groups` (groups of the group
// norm; 32 there) and `patch` (space-to-depth before the first convolution and its inverse after the last; 1
// there).
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

struct UNetConfig {
    enum class Family { improved_diffusion, guided_diffusion };
    Family family = Family::improved_diffusion;
    int64_t in_channels = 3;
    int64_t model_channels = 128;
    int64_t out_channels = 3;  ///< twice in_channels with a learned variance
    int64_t num_res_blocks = 2;
    std::vector<int64_t> attention_resolutions;       ///< down-sampling factors at which attention is used
    std::vector<double> channel_mult = {1, 2, 2, 2};  ///< ADM at 512x512 begins with 0.5
    bool conv_resample = true;
    int64_t num_classes = 0;                         ///< 0 = unconditional
    int64_t num_heads = 4, num_heads_upsample = -1;  ///< -1: as num_heads
    bool use_scale_shift_norm = true;
    double dropout = 0;
    int64_t num_groups = 32;
    int64_t patch = 1;
    // guided-diffusion alone:
    int64_t image_size = 0;          ///< of the training images; 0: not said
    int64_t num_head_channels = -1;  ///< heads = channels / this; -1: num_heads
    bool resblock_updown = false;
    bool use_new_attention_order = false;

    /// Original key names; unknown keys and impossible values are Error("file") naming `where`.
    static UNetConfig from_json(const nlohmann::json& json, const std::string& where,
                                Family family = Family::improved_diffusion);
    nlohmann::json to_json() const;
    /// Name of the family in weight files: "improved_diffusion.UNetModel" or "guided_diffusion.UNetModel".
    static const char* family_name(Family family);

    int64_t channels(size_t level) const;
    int64_t heads(int64_t channels, bool upsampling) const;
    bool attends_at(int64_t factor) const;

  private:
    bool set(const std::string& key, const nlohmann::json& value, const std::string& where);
    bool set_guided(const std::string& key, const nlohmann::json& value);
    void check(const std::string& where) const;
};

class UNet final : public Network {
  public:
    explicit UNet(UNetConfig config);
    const UNetConfig& config() const { return config_; }

    int64_t in_channels() const override { return config_.in_channels; }
    int64_t out_channels() const override { return config_.out_channels; }
    int64_t classes() const override { return config_.num_classes; }
    int64_t side_multiple() const override { return config_.patch << (config_.channel_mult.size() - 1); }
    int64_t image_size() const override { return config_.image_size; }
    int64_t macs(int64_t height, int64_t width) const override;
    at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& time,
                       const at::Tensor& labels, double dropout = 0,
                       const ActivationTap& tap = nullptr) const override;

    /// Initial values as in the original: fan-in uniform, zeros in the last convolution of each residual
    /// block, in the attention projections and in the output. Deterministic in `seed`.
    Parameters initial_parameters(uint64_t seed) const;

  private:
    struct Layer {
        enum class Kind { conv, residual, attention, down, up };
        Kind kind;
        int64_t factor = 1;  ///< down-sampling factor at the layer's input
        std::string prefix;
        int64_t in = 0, out = 0;
        ResidualBlock residual;
        SelfAttention attention;
    };
    using Block = std::vector<Layer>;

    Layer residual(std::string prefix, int64_t in, int64_t out, int64_t factor,
                   Resample resample = Resample::none) const;
    Layer attention(const std::string& prefix, int64_t channels, int64_t factor, bool upsampling) const;
    Layer change(Layer::Kind kind, std::string prefix, int64_t channels, int64_t factor) const;
    void build_encoder(std::vector<int64_t>& skips);
    void build_decoder(std::vector<int64_t>& skips);
    void add_shapes(const Layer& layer);
    int64_t macs_of(const Layer& layer, int64_t area) const;
    bool goes_down(const Block& block) const;
    at::Tensor run(const Layer& layer, const Parameters& parameters, const at::Tensor& h,
                   const at::Tensor& emb, double dropout) const;

    UNetConfig config_;
    std::vector<Block> input_, output_;
    Block middle_;
};

}  // namespace schedbench
