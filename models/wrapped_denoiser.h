// A model that changes how or what another one answers, and passes everything else on.
#pragma once

#include "models/denoiser.h"

namespace schedbench {

class WrappedDenoiser : public Denoiser {
  public:
    explicit WrappedDenoiser(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return inner_->classes(); }
    bool has_variance() const override { return inner_->has_variance(); }
    bool differentiable() const override { return inner_->differentiable(); }
    at::Device device() const override { return inner_->device(); }
    std::string spec() const override { return inner_->spec(); }
    std::string weights_hash() const override { return inner_->weights_hash(); }

  protected:
    std::shared_ptr<const Denoiser> inner_;
};

}  // namespace schedbench
