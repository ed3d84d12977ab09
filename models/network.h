// A network that is told a time step and perhaps a class, whatever its family: code over a map of parameters
// with the original names, so that the same code serves inference, training and float64 checks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/parameters.h"

namespace schedbench {

class Network {
  public:
    virtual ~Network() = default;

    /// Every parameter's name and shape: what a weight file must hold, no more and no less.
    const ParameterShapes& parameter_shapes() const { return shapes_; }
    int64_t parameter_count() const { return count_of(shapes_); }

    virtual int64_t in_channels() const = 0;
    virtual int64_t out_channels() const = 0;  ///< twice in_channels with a learned variance
    bool learned_variance() const { return out_channels() == 2 * in_channels(); }
    virtual int64_t classes() const = 0;        ///< 0 = unconditional
    virtual int64_t side_multiple() const = 0;  ///< height and width must be multiples of it
    virtual int64_t image_size() const = 0;     ///< of the training images; 0: the configuration does not say

    /// Multiply-accumulates of one evaluation of one image (convolutions, linear layers, attention products).
    virtual int64_t macs(int64_t height, int64_t width) const = 0;

    /// x [B, in, H, W], time [B] (fed to the sinusoidal embedding as it is), labels [B] int64 if conditional
    /// -> [B, out, H, W]. The trunk runs in the dtype of the convolution weights, the embedding in that of
    /// its own. `dropout` is the rate to apply (0 when not training).
    virtual at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& time,
                               const at::Tensor& labels, double dropout = 0,
                               const ActivationTap& tap = nullptr) const = 0;

  protected:
    ParameterShapes shapes_;
};

/// Families whose metadata is a constructor's arguments: improved_diffusion.UNetModel,
/// guided_diffusion.UNetModel, pytorch_diffusion.Model, schedbench.Mlp.
const std::vector<std::string>& network_families();
/// Error("file") naming `where` for any other family, unknown keys and impossible values.
std::shared_ptr<const Network> make_network(const std::string& family, const nlohmann::json& config,
                                            const std::string& where);

}  // namespace schedbench
