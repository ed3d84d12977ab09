// Langevin steps towards the distribution at one level, p_sigma (Song et al. 2021, arXiv 2011.13456, alg. 4, with
// alpha = 1 in the VE form):
//
//     x <- x + eps s(x) + sqrt(2 eps) z,     s = (D(x; sigma) - x) / sigma^2
//     norm    eps = 2 (snr |z| / |s|)^2      of each sample by itself (the published code takes means over a batch, so
//                                            that an image would depend on its neighbours)
//     level   eps = 2 (snr sigma)^2          the same with |z| / |s| at its typical value, sigma
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "samplers/knot_walk.h"
#include "samplers/sampler.h"

namespace schedbench {

/// The draws of one step: the first is step(i), further ones extra(i, 1), extra(i, 2), ...
class StepDraws {
  public:
    StepDraws(const BlockNoise& noise, int step) : noise_(noise), step_(static_cast<uint32_t>(step)) {}
    at::Tensor next();  ///< float64

  private:
    const BlockNoise& noise_;
    uint32_t step_, drawn_ = 0;
};

enum class LangevinRule { norm, level };

/// `count` Langevin steps at knot k, whose level is positive: one evaluation and one draw each.
at::Tensor langevin(at::Tensor x, const KnotWalk& walk, int k, LangevinRule rule, double snr, int count,
                    StepDraws& draws);

/// snr of a completed spec: Error("spec") unless it is positive and finite.
double checked_snr(const Spec& completed, const std::string& where);
/// A number of Langevin steps: Error("spec") unless it is from 1 to 4095.
int checked_langevin_steps(const Spec& completed, const char* key, const std::string& where);

}  // namespace schedbench
