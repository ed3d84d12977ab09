// The variance channels that the reference runs on analytic models have.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/denoiser.h"

namespace schedbench {

/// The reference's variance channels are tanh of its own (variance-preserving) x.
class TanhVariance final : public Denoiser {
  public:
    explicit TanhVariance(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        const double level = levels[0].item<double>();
        out.variance = at::tanh(x / std::sqrt(1 + level * level));
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "tanh-variance"; }

  private:
    std::shared_ptr<const Denoiser> inner_;
};

}  // namespace schedbench
