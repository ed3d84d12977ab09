// Plan: the cells of a suite, resolved to what each will need, before any work starts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "harness/suite.h"
#include "models/denoiser.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"

namespace schedbench {

struct PlannedModel {
    Spec spec;                                 ///< as the suite names it
    std::shared_ptr<const Denoiser> raw;       ///< for learning and likelihoods: asked in host memory
    std::shared_ptr<const Denoiser> denoiser;  ///< for sampling: clipped if the suite says so
    std::string id;                            ///< short hash of denoiser->spec()
};

struct PlannedCell {
    size_t model = 0, sampler = 0;  ///< indices into the plan's lists
    Spec schedule_spec;             ///< completed
    bool learned = false;           ///< the knots are not known before learning
    int budget = 0;                 ///< 0: steps were asked for
    int steps = 0, nfe = 0;         ///< nfe counted on a null model

    // Known at once for handcrafted schedules, after learning for the others (resolve_cell).
    Schedule schedule;
    std::string id;        ///< samples identity, hashed
    std::string settings;  ///< JSON: everything the identity was taken over
};

struct Plan {
    std::vector<PlannedModel> models;
    std::vector<std::unique_ptr<Sampler>> samplers;
    std::vector<PlannedCell> cells;
    int64_t evaluations = 0;  ///< of one image, over all cells and images
    int64_t disk_bytes = 0;   ///< of the finished run file, about
};

/// Loads the models and works out all cells. Errors name the suite's keys.
Plan make_plan(const Suite& suite, const RuntimeSettings& runtime);

/// Sets schedule, id and settings.
void resolve_cell(PlannedCell& cell, Schedule schedule, const Plan& plan, const Suite& suite,
                  const RuntimeSettings& runtime);

/// How a schedule of this spec ends, for steps_within_budget: a step to level 0 may cost a sampler less.
std::string budget_end_rule(const Spec& schedule);

}  // namespace schedbench
