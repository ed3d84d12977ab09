// The network of Dhariwal & Nichol 2021 (ADM, arXiv 2105.05233) in EDM's form and with its parameter names,
// class DhariwalUNet (Karras et al. 2022, arXiv 2206.00364, appendix F.1).
//
// Attention has one head for every 64 channels, rounded down: below 64 channels there is none, also at the
// resolutions that ask for it.
#pragma once

#include "models/edm_network.h"

namespace schedbench {

class DhariwalUNet final : public EdmNetwork {
  public:
    DhariwalUNet(EdmNetworkConfig config, const std::string& where);
    static EdmNetworkConfig defaults();

  private:
    at::Tensor embed_noise(const Parameters& parameters, const at::Tensor& noise_labels) const override;
    at::Tensor embed(const Parameters& parameters, const at::Tensor& noise, const at::Tensor& classes,
                     const at::Tensor& augment) const override;
    at::Tensor finish(const Parameters& parameters, const at::Tensor& h) const override;
    InitialLaw initial_law(const std::string& layer) const override;
    int64_t outer_macs() const override;
};

}  // namespace schedbench
