#include "models/denoiser.h"

#include <ATen/ATen.h>

#include <chrono>

#include "core/error.h"

namespace schedbench {

DenoiserOutput CountingDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                            const at::Tensor& model_time, const at::Tensor& labels) const {
    const auto start = std::chrono::steady_clock::now();
    DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
    nanoseconds_ +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
            .count();
    ++calls_;
    return out;
}

namespace {

class ClipDenoiser final : public Denoiser {
  public:
    explicit ClipDenoiser(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
        out.x0 = out.x0.clamp(-1, 1);
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return inner_->classes(); }
    bool has_variance() const override { return inner_->has_variance(); }
    bool differentiable() const override { return inner_->differentiable(); }
    std::string spec() const override { return "clip:inner={" + inner_->spec() + "}"; }
    std::string weights_hash() const override { return inner_->weights_hash(); }

  private:
    std::shared_ptr<const Denoiser> inner_;
};

}  // namespace

std::shared_ptr<const Denoiser> clip_denoiser(std::shared_ptr<const Denoiser> inner) {
    return std::make_shared<ClipDenoiser>(std::move(inner));
}

DenoiserOutput denoise_at(const Denoiser& denoiser, const at::Tensor& x, const LocatedLevel& level,
                          const at::Tensor& labels) {
    SCHEDBENCH_ASSERT(level.level > 0);
    const auto options = x.options().dtype(at::kDouble).requires_grad(false);
    return denoiser(x, at::full({x.size(0)}, level.level, options),
                    at::full({x.size(0)}, level.model_time, options), labels);
}

}  // namespace schedbench
