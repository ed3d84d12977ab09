// DDPM++ and NCSN++ (Song et al. 2021, arXiv 2011.13456) in EDM's form and with its parameter names, class
// SongUNet (Karras et al. 2022, arXiv 2206.00364, appendix F.1):
//
//   DDPM++  embedding_type=positional, encoder_type=standard, resample_filter=[1,1]
//   NCSN++  embedding_type=fourier, channel_mult_noise=2, encoder_type=residual, resample_filter=[1,3,3,1]
#pragma once

#include "models/edm_network.h"

namespace schedbench {

class SongUNet final : public EdmNetwork {
  public:
    SongUNet(EdmNetworkConfig config, const std::string& where);
    static EdmNetworkConfig defaults() { return {}; }

  private:
    at::Tensor embed_noise(const Parameters& parameters, const at::Tensor& noise_labels) const override;
    at::Tensor embed(const Parameters& parameters, const at::Tensor& noise, const at::Tensor& classes,
                     const at::Tensor& augment) const override;
    at::Tensor finish(const Parameters& parameters, const at::Tensor& h) const override;
    InitialLaw initial_law(const std::string& layer) const override;
    int64_t outer_macs() const override;

    int64_t noise_channels() const { return config_.model_channels * config_.channel_mult_noise; }
};

}  // namespace schedbench
