// Native networks from safetensors files, wrapped as a Denoiser: the preconditioning between the
// variance-exploding form x = x0 + sigma n and what the network was trained on.
//
//   prediction eps: eps_theta(x / sqrt(1 + sigma^2), t),  x0hat = x - sigma eps_theta          (Ho et al.
//   2020) prediction edm: c_skip x + c_out F(c_in x, ln(sigma)/4)                                    (Karras
//   et al. 2022, table 1)
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"
#include "models/network.h"
#include "models/network_parameters.h"
#include "models/unet.h"

namespace schedbench {

/// What a weight file's metadata says beside the network: what it predicts, and at which levels it may be
/// asked.
struct Preconditioning {
    enum class Prediction { eps, edm };
    Prediction prediction = Prediction::eps;
    Spec process;                    ///< noise process, completed
    bool rescale_timesteps = false;  ///< the index is fed as t * 1000 / T (improved-diffusion's default)
    double sigma_data = 0.5;         ///< edm only
    int64_t image_size = 32;

    /// `image_size`: the network's own, for files that do not say one; 0: 32.
    static Preconditioning from_metadata(const std::map<std::string, std::string>& metadata,
                                         int64_t image_size, const std::string& where);
    void to_metadata(std::map<std::string, std::string>& metadata) const;
};

/// The same with the network that this program trains: improved-diffusion's U-Net.
struct NetworkDescription : Preconditioning {
    UNetConfig config;
    int64_t image_channels() const { return config.in_channels; }
    bool learned_variance() const { return config.out_channels == 2 * config.in_channels; }

    static NetworkDescription from_metadata(const std::map<std::string, std::string>& metadata,
                                            const std::string& where);
    void to_metadata(std::map<std::string, std::string>& metadata) const;
};

/// x0hat and raw variance of a network with given parameters: differentiable, so that training and sampling
/// share it.
DenoiserOutput network_denoise(const Preconditioning& preconditioning, const Network& net,
                               const Parameters& parameters, const at::Tensor& x, const at::Tensor& levels,
                               const at::Tensor& model_time, const at::Tensor& labels, double dropout = 0);

class NativeDenoiser final : public Denoiser {
  public:
    NativeDenoiser(Preconditioning preconditioning, std::shared_ptr<const Network> net, Parameters parameters,
                   std::string spec, std::string hash, std::map<std::string, std::string> metadata = {});
    NativeDenoiser(const NetworkDescription& description, Parameters parameters, std::string spec,
                   std::string hash, std::map<std::string, std::string> metadata = {});

    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override;
    int64_t classes() const override { return net_->classes(); }
    bool has_variance() const override { return net_->learned_variance(); }
    bool differentiable() const override { return true; }
    at::Device device() const override { return device_of(parameters()); }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override;
    std::string spec() const override { return spec_; }
    std::string weights_hash() const override { return hash_; }

    const Preconditioning& description() const { return description_; }
    const Network& network() const { return *net_; }
    /// The same with convolutions and attention in bfloat16; before the first evaluation.
    void use_bf16() { parameters_.use_bf16(); }
    /// The same in float64; before the first evaluation.
    void use_float64() { parameters_.use_float64(); }

    const Parameters& parameters() const { return parameters_.in_use(); }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

  private:
    Preconditioning description_;
    std::shared_ptr<const Network> net_;
    NoiseProcess process_;
    NetworkParameters parameters_;
    std::string spec_, hash_;
    std::map<std::string, std::string> metadata_;
};

const std::vector<SpecEntry>& native_entries();

/// The network of a weight file, of whichever family its metadata names: NativeDenoiser or EdmDenoiser.
std::shared_ptr<const Denoiser> load_native(const Spec& completed, const std::string& where);

/// As checked_parameters() of the network's shapes.
Parameters checked_parameters(const Network& net, const std::map<std::string, at::Tensor>& tensors,
                              const std::string& where);

}  // namespace schedbench
