// The ancestral step from level a to b < a: down to sigma_down without noise, then up again with noise,
//
//     sigma_up = min(b, eta sqrt(b^2 (a^2 - b^2) / a^2)),     sigma_down = sqrt(b^2 - sigma_up^2)
//
// (k-diffusion's rule; Song et al. 2021 (DDIM), eq. 16: see ddim.cpp). sigma_up^2 at eta = 1 is the posterior
// variance of the level b given a and x0. A larger eta adds more noise, up to the cap sigma_up = b, where nothing of
// the slope is left.
#pragma once

#include <vector>

#include "samplers/linear_multistep.h"

namespace schedbench {

struct AncestralSplit {
    double up = 0, down = 0;
};
AncestralSplit ancestral_split(double a, double b, double eta);

/// x' = D + (sigma_down / a) (x - D) + sigma_up z. Reads `eta` of the spec.
std::vector<StepWeights> ancestral_weights(const std::vector<double>& levels, const Spec& completed);

}  // namespace schedbench
