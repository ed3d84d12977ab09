// How far a learned score is from the exact one, along the path of noise levels.
#pragma once

#include <vector>

#include "core/estimate.h"
#include "models/denoiser.h"
#include "models/exact.h"

namespace schedbench {

struct ScoreError {
    std::vector<double> sigma;  ///< [L] rising, uniform in ln sigma
    std::vector<RunningMean>
        at_level;       ///< [L] sigma^2 |s_theta - s|^2 = |D_theta - D|^2 / sigma^2 of the draws
    RunningMean total;  ///< its integral over ln sigma (trapezoids), draw by draw: nats
};

/// E_{x ~ p_sigma} of the squared difference of the scores at `levels` levels over the range of both
/// processes. The integral over ln sigma is the relative entropy between the two reverse-time diffusions with
/// the same start (Girsanov; Song et al. 2021, arXiv 2101.09258, theorem 1), in nats. Every draw is seen at
/// all levels, with its own noise. Error("shape") if the model's samples have not as many elements as the target's,
/// Error("number") if it returns what is not finite.
ScoreError score_error(const Denoiser& model, const ExactTarget& target, int levels, int64_t draws,
                       uint64_t seed);

}  // namespace schedbench
