// Networks of the EDM project (Karras et al. 2022, arXiv 2206.00364) from safetensors files with the original
// parameter names, family "edm.precond": a network (SongUNet, DhariwalUNet) in one of the four wrappers.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/spec.h"
#include "models/denoiser.h"
#include "models/edm_network.h"
#include "models/edm_precond.h"
#include "models/network_parameters.h"

namespace schedbench {

/// A wrapper and its network, without parameters.
class EdmModel {
  public:
    /// `config`: the wrapper's constructor arguments by their original names, `class` and `model_type` among
    /// them. Unknown keys and impossible values are Error("file") naming `where`.
    static EdmModel from_json(const nlohmann::json& config, const std::string& where);

    const EdmPrecond& precond() const { return precond_; }
    const EdmNetwork& network() const { return *network_; }
    ParameterShapes parameter_shapes() const;  ///< the network's, and the table u of iDDPMPrecond
    /// checked_parameters() of a weight file's tensors, and the buffers: resampling filters must be the ones
    /// of the config, and iDDPMPrecond's table u becomes the wrapper's.
    Parameters load(const std::map<std::string, at::Tensor>& tensors, const std::string& where);

    /// The wrapper's own table moves too.
    void move_to(at::Device device) { precond_.move_to(device); }

    struct Output {
        at::Tensor raw;       ///< F, [B, out, S, S]
        at::Tensor denoised;  ///< D, [B, C, S, S]
        at::Tensor c_noise;   ///< what the network was told, [B]
    };
    /// x [B, C, S, S], sigma [B], classes [B or 1, label_dim] (one-hot rows, or undefined for a zero row),
    /// augment [B, augment_dim] or undefined. Everything is converted to the dtype of the parameters first,
    /// float32 for those of a file, as the reference does; `c_noise` replaces the wrapper's. `dropout`: the
    /// rate to apply (0 when not training).
    Output operator()(const Parameters& parameters, const at::Tensor& x, const at::Tensor& sigma,
                      const at::Tensor& classes, const at::Tensor& augment = {},
                      const ActivationTap& tap = nullptr, const at::Tensor& c_noise = {},
                      double dropout = 0) const;

  private:
    EdmModel(EdmPrecond precond, std::shared_ptr<const EdmNetwork> network)
        : precond_(std::move(precond)), network_(std::move(network)) {}
    EdmPrecond precond_;
    std::shared_ptr<const EdmNetwork> network_;
};

class EdmDenoiser final : public Denoiser {
  public:
    /// `config` as for EdmModel, `process` in place of the wrapper's own: continuous, a range of its levels.
    EdmDenoiser(const nlohmann::json& config, const std::map<std::string, at::Tensor>& tensors,
                const std::optional<Spec>& process, std::string spec, std::string hash,
                const std::string& where);

    /// Continuous wrappers compute c_noise from `levels` as the reference does; iDDPMPrecond is told
    /// `model_time`, which is the index of its table entry, or lies between two with TimeRule::fractional.
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override;
    int64_t classes() const override { return model_.network().config().label_dim; }
    bool has_variance() const override;
    bool differentiable() const override { return true; }
    at::Device device() const override { return device_of(parameters()); }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override;
    std::string spec() const override { return spec_; }
    std::string weights_hash() const override { return hash_; }

    /// The same with convolutions and attention in bfloat16; before the first evaluation.
    void use_bf16() { parameters_.use_bf16(); }
    /// The same in float64; before the first evaluation.
    void use_float64() { parameters_.use_float64(); }

    const EdmModel& model() const { return model_; }
    const Parameters& parameters() const { return parameters_.in_use(); }

  private:
    EdmModel model_;
    NetworkParameters parameters_;
    NoiseProcess process_;
    std::string spec_, hash_;
};

/// The wrapper that a config's `class` names; Error("file") if it names none.
EdmPrecond::Kind precond_of(const nlohmann::json& config, const std::string& where);

/// The `config` of a weight file with the wrapper `name` (edm, vp, ve, iddpm) in place of its own; arguments
/// of the old wrapper are left out, those of the new one have their defaults.
nlohmann::json with_precond(nlohmann::json config, const std::string& name, const std::string& where);

}  // namespace schedbench
