// A network as the training loop sees it, whatever its family: parameters by their names, what they start
// from, and the differentiable denoiser that sampling uses as well.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/mlp.h"
#include "models/native.h"

namespace schedbench {

class TrainableNetwork {
  public:
    virtual ~TrainableNetwork() = default;

    virtual const ParameterShapes& parameter_shapes() const = 0;
    /// Float32, by the laws of the original. Deterministic in `seed`.
    virtual Parameters initial_parameters(uint64_t seed) const = 0;
    /// False for what the weight file holds but training leaves alone.
    virtual bool is_trained(const std::string&) const { return true; }

    virtual std::vector<int64_t> shape() const = 0;  ///< of an image: {C, H, W}
    virtual int64_t classes() const = 0;             ///< 0 = unconditional
    virtual int64_t macs() const = 0;                ///< multiply-accumulates of one evaluation of one image
    virtual const Spec& process() const = 0;         ///< noise process, completed
    virtual double sigma_data() const = 0;           ///< of edm's weighting
    virtual double dropout() const = 0;              ///< rate in training

    /// As Denoiser, with given parameters and differentiable with respect to them; `dropout`: the rate to
    /// apply.
    virtual DenoiserOutput denoise(const Parameters& parameters, const at::Tensor& x,
                                   const at::Tensor& levels, const at::Tensor& model_time,
                                   const at::Tensor& labels, double dropout = 0) const = 0;

    /// What its weight file says, for load_native().
    virtual std::map<std::string, std::string> metadata() const = 0;
    virtual std::shared_ptr<const Denoiser> denoiser(const Parameters& parameters) const = 0;
};

/// improved-diffusion's U-Net.
std::shared_ptr<const TrainableNetwork> trainable_unet(const NetworkDescription& description);

/// A multilayer perceptron for vectors [dims, 1, 1].
std::shared_ptr<const TrainableNetwork> trainable_mlp(const Preconditioning& preconditioning,
                                                      const MlpConfig& config);

/// A network of the EDM project (SongUNet: DDPM++ and NCSN++; DhariwalUNet) in EDMPrecond. `config`: the
/// wrapper's constructor arguments, as in a weight file; Error("file") naming `where` for impossible ones and
/// other wrappers.
std::shared_ptr<const TrainableNetwork> trainable_edm(const nlohmann::json& config, const std::string& where);

}  // namespace schedbench
