// What most samplers are: one evaluation a step, and a step that is linear in x and in the outputs of the
// last few knots,
//
//     x' = keep x + sum_j history[j] h_{i-j} + noise z,
//
// where h is the denoised x0hat or the slope d = (x - x0hat) / sigma. All coefficients follow from the
// levels, so a family is a function from levels to coefficients; it is run here, with one pass over x a term.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "samplers/sampler.h"

namespace schedbench {

struct StepWeights {
    double keep = 1;              ///< of x
    std::vector<double> history;  ///< of h_i, h_{i-1}, ...; never more than there are (i + 1)
    double noise = 0;             ///< of the standard normal draw of this step; 0 = nothing is drawn
};

/// What of the model's output is remembered.
enum class HistoryKind { denoised, slope };

/// Weights of every step. levels: sigma_0 > ... > sigma_N >= 0, at least two.
using MultistepWeights = std::vector<StepWeights> (*)(const std::vector<double>& levels,
                                                      const Spec& completed);

/// `stochastic`: the weights of some schedule have noise.
std::unique_ptr<Sampler> make_linear_multistep(Spec completed, HistoryKind kind, MultistepWeights weights,
                                               bool stochastic = false);

}  // namespace schedbench
