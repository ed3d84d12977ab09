// How well schedules sample a target whose density is known: which of its modes are found, and how likely the
// samples are. The model is the exact score or a network that was trained on draws of the target.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/plan.h"
#include "likelihood/score_error.h"
#include "models/exact.h"

namespace schedbench {

struct MeanLogLikelihood {
    double mean = 0, se = 0;  ///< nats a sample, under the exact density
};

/// A model with the target it stands for and what the samples are compared with.
struct ModeReference {
    std::shared_ptr<const Denoiser> model;
    std::shared_ptr<const ExactTarget> target;
    at::Tensor share;              ///< [K] of the target's own draws, by nearest mean of a component
    MeanLogLikelihood likelihood;  ///< of the target's own draws
    ScoreError error;              ///< of a network; empty for an exact score
};

/// The target of exact:..., or of a network the one whose draws it was trained on (its weight file's metadata
/// say so). Error("option") for other models.
ModeReference mode_reference(const PlannedModel& model, int64_t draws, uint64_t seed);

struct ModeRow {
    size_t model = 0;  ///< index into the plan's models
    std::string schedule, sampler;
    int steps = 0, nfe = 0;
    int64_t found = 0, modes = 0;  ///< found: at least half of the samples that the mode should have
    MeanLogLikelihood samples;
};

/// Samples every cell of the plan; schedules score-optimal are learned from each model with draws of its
/// target.
std::vector<ModeRow> recover_modes(Plan& plan, const std::vector<ModeReference>& references,
                                   const Suite& suite, const std::function<void(size_t done)>& on_cell);

}  // namespace schedbench
