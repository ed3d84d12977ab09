// The U-Net of improved-diffusion (Nichol & Dhariwal 2021, arXiv 2102.09672), with that project's parameter
// names, as a function of a map of parameters: the same code serves inference, training (autograd) and
// float64 checks.
//
// Two keys extend the original configuration, for small networks: `num_groups` (groups of the group norm; 32
// there) and `patch` (space-to-depth before the first convolution and its inverse after the last; 1 there).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/parameters.h"

namespace schedbench {

struct UNetConfig {
    int64_t in_channels = 3;
    int64_t model_channels = 128;
    int64_t out_channels = 3;  ///< twice in_channels with a learned variance
    int64_t num_res_blocks = 2;
    std::vector<int64_t> attention_resolutions;  ///< down-sampling factors at which attention is used
    std::vector<int64_t> channel_mult = {1, 2, 2, 2};
    bool conv_resample = true;
    int64_t num_classes = 0;                         ///< 0 = unconditional
    int64_t num_heads = 4, num_heads_upsample = -1;  ///< -1: as num_heads
    bool use_scale_shift_norm = true;
    double dropout = 0;
    int64_t num_groups = 32;
    int64_t patch = 1;

    /// Original key names; unknown keys and impossible values are Error("file") naming `where`.
    static UNetConfig from_json(const nlohmann::json& json, const std::string& where);
    nlohmann::json to_json() const;
};

class UNet {
  public:
    explicit UNet(UNetConfig config);
    const UNetConfig& config() const { return config_; }

    /// Every parameter's name and shape: what a weight file must hold, no more and no less.
    const ParameterShapes& parameter_shapes() const { return shapes_; }
    int64_t parameter_count() const { return count_of(shapes_); }
    /// Multiply-accumulates of one evaluation of one image (convolutions, linear layers, attention products).
    int64_t macs(int64_t height, int64_t width) const;

    /// x [B, in, H, W], time [B] (fed to the sinusoidal embedding as it is), labels [B] int64 if conditional
    /// -> [B, out, H, W]. The trunk runs in the dtype of the convolution weights, the embedding in that of
    /// its own. `dropout` is the rate to apply (0 when not training).
    at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& time,
                       const at::Tensor& labels, double dropout = 0,
                       const ActivationTap& tap = nullptr) const;

    /// Initial values as in the original: fan-in uniform, zeros in the last convolution of each residual
    /// block, in the attention projections and in the output. Deterministic in `seed`.
    Parameters initial_parameters(uint64_t seed) const;

  private:
    struct Layer {
        enum class Kind { conv, residual, attention, down, up };
        Kind kind;
        std::string prefix;
        int64_t in, out;
        int64_t heads = 0;
        int64_t factor = 1;  ///< down-sampling factor at the layer's input
    };
    using Block = std::vector<Layer>;

    void add_shapes(const Layer& layer);
    at::Tensor run(const Layer& layer, const Parameters& parameters, const at::Tensor& h,
                   const at::Tensor& emb, double dropout) const;
    at::Tensor run_residual(const Layer& layer, const Parameters& p, const at::Tensor& x,
                            const at::Tensor& emb, double dropout) const;
    at::Tensor run_attention(const Layer& layer, const Parameters& p, const at::Tensor& x) const;

    UNetConfig config_;
    std::vector<Block> input_, output_;
    Block middle_;
    ParameterShapes shapes_;
};

/// [cos(t w_i), sin(t w_i)], w_i = 10000^(-i/half), i < half = dim/2, in float32 unless time is float64. [B]
/// -> [B, dim].
at::Tensor sinusoidal_embedding(const at::Tensor& time, int64_t dim);

}  // namespace schedbench
