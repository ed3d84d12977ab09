#include "samplers/knot_walk.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"

namespace schedbench {

namespace {

std::string shape_text(at::IntArrayRef sizes) {
    std::string out;
    for (int64_t size : sizes) out += (out.empty() ? "" : "x") + std::to_string(size);
    return "[" + out + "]";
}

}  // namespace

KnotWalk::KnotWalk(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                   const at::Tensor& labels, const StepObserver& observer)
    : denoiser_(denoiser),
      schedule_(schedule),
      observer_(observer),
      latent_(noise.latent().to(at::kDouble)),
      labels_(labels.defined() ? labels.to(latent_.device()) : labels) {
    SCHEDBENCH_ASSERT(schedule.steps() >= 1 && schedule.model_time.size() == schedule.effective.size());
    SCHEDBENCH_ASSERT(latent_.device().type() == denoiser.device().type());
    const std::vector<int64_t> shape = denoiser.shape();
    if (latent_.dim() < 1 || latent_.sizes().slice(1) != at::IntArrayRef(shape))
        throw Error("shape",
                    "latents are " + shape_text(latent_.sizes()) + ", but a sample of the model is " +
                        shape_text(shape),
                    denoiser.spec());
    if (labels_.defined() && (labels_.dim() != 1 || labels_.size(0) != latent_.size(0)))
        throw Error("shape",
                    "labels are " + shape_text(labels_.sizes()) + " for a batch of " +
                        std::to_string(latent_.size(0)),
                    denoiser.spec());
    if (labels_.defined() && denoiser.classes() == 0)
        throw Error("option", "labels were given to a model without classes", denoiser.spec());
    if (!labels_.defined() && denoiser.classes() > 0)
        throw Error(
            "option",
            "the model has " + std::to_string(denoiser.classes()) + " classes, but no labels were given",
            denoiser.spec());
}

at::Tensor KnotWalk::start() const {
    at::Tensor x = latent_ * level(0);
    if (observer_) observer_(0, x);
    return x;
}

void KnotWalk::step_done(int i, const at::Tensor& x) const {
    if (observer_) observer_(i + 1, x);
}

LocatedLevel KnotWalk::knot(int i) const {
    const auto k = static_cast<size_t>(i);
    const int index = schedule_.index.empty() ? -1 : static_cast<int>(schedule_.index[k]);
    return {schedule_.effective[k], schedule_.model_time[k], index};
}

LocatedLevel KnotWalk::locate(double sigma) const {
    return denoiser_.process().locate(
        sigma, schedule_.time_rule == "fractional" ? TimeRule::fractional : TimeRule::nearest);
}

DenoiserOutput KnotWalk::output(const at::Tensor& x, const LocatedLevel& at) const {
    const c10::NoGradGuard no_grad;  // so nothing of the whole walk is recorded
    DenoiserOutput out = denoise_at(denoiser_, x, at, labels_);
    out.x0 = out.x0.to(at::kDouble);
    if (out.variance.defined()) out.variance = out.variance.to(at::kDouble);
    return out;
}

at::Tensor KnotWalk::finish(at::Tensor x) const {
    if (!at::isfinite(x).all().item<bool>())
        throw Error("number",
                    "samples are not finite after " + std::to_string(steps()) + " steps of " + schedule_.spec,
                    denoiser_.spec(),
                    "the model returned NaN or infinity, or the sampler diverged: try more steps");
    return x;
}

}  // namespace schedbench
