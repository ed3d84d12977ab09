// KnotWalk: what every sampler does with the knots of a schedule: start from the latents, call the model at a
// knot, check the result. Arithmetic is float64 whatever the model returns.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/denoiser.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"

namespace schedbench {

class KnotWalk {
  public:
    /// Error("shape") if the noise or the labels do not fit the model.
    KnotWalk(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
             const at::Tensor& labels, const StepObserver& observer);

    int steps() const { return schedule_.steps(); }
    const std::string& schedule() const { return schedule_.spec; }
    double level(int i) const { return schedule_.effective[static_cast<size_t>(i)]; }
    at::Tensor start() const;  ///< x at the first knot: latent * sigma_0, a tensor of its own
    /// To be called after step i (0..N-1) with x at knot i + 1.
    void step_done(int i, const at::Tensor& x) const;
    LocatedLevel knot(int i) const;
    /// The level that the model offers for a sigma which is no knot (churn), under the schedule's own time
    /// rule.
    LocatedLevel locate(double sigma) const;
    DenoiserOutput output(const at::Tensor& x, const LocatedLevel& at) const;  ///< float64
    at::Tensor denoised(const at::Tensor& x, int i) const { return output(x, knot(i)).x0; }
    at::Tensor finish(at::Tensor x) const;  ///< Error("number") if x is not finite

  private:
    const Denoiser& denoiser_;
    const Schedule& schedule_;
    const StepObserver& observer_;
    at::Tensor latent_, labels_;
};

}  // namespace schedbench
