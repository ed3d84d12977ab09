// Levels that are learned while the network is trained (Williams, Campbell, Doucet, Syed 2024, arXiv
// 2412.07877, algorithm 2; details of the estimator as in the first author's code, notes 3).
//
// The network is trained at T levels, each equally often. Of every sample at level t > 0 the training pass is
// used again: one more evaluation at the next cleaner level, at the same x and without a gradient, gives one
// value of the corrector cost. When every interval has more than `least` of them, the levels are updated by
// equal length, blended with gamma, and the counts begin again.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "core/spec_schema.h"
#include "learn/noise_path.h"
#include "schedules/learned_schedule.h"

namespace schedbench {

/// adaptive:... and fixed:..., the schedules that `train` takes.
const std::vector<SpecEntry>& training_schedule_entries();
/// All defaults written out. Error("spec"), Error("number").
Spec complete_training_schedule(const Spec& spec, const NoiseProcess& process, const std::string& where);

/// Everything that has one entry a level, of one length always.
struct InstalledLevels {
    std::vector<double> sigma;       ///< [T] rising
    std::vector<double> model_time;  ///< [T] what the network is told
    std::vector<PathPoint> point;    ///< [T]
    std::vector<RunningMean> cost;   ///< [T-1] of the intervals, since they were installed
};

struct ScheduleUpdate {
    int64_t step = 0;               ///< after this many optimiser steps
    double length = 0, energy = 0;  ///< of the levels before the update
    std::vector<double> quantiles;  ///< kQuantiles + 1 levels after it, at equal parts of the index
    static constexpr int kQuantiles = 16;
};

class AdaptiveSchedule {
  public:
    /// A completed spec.
    AdaptiveSchedule(const Spec& spec, const NoiseProcess& process);

    const InstalledLevels& installed() const { return installed_; }
    /// Replaces levels, conditioning times, points and counts in one step. Error("number") for levels that do
    /// not rise or leave the process's range; then everything is as it was.
    void install(const std::vector<double>& sigma);

    /// The level of a uniform number in (0, 1]: 0 .. T-1, each equally likely.
    size_t choose(double uniform) const;
    /// One value of the cost of [level - 1, level], level >= 1. Error("number") unless finite.
    void add(size_t level, double cost);
    /// v^2 of the same interval.
    double squared_velocity(size_t level) const;
    bool adapts() const { return adapts_; }
    /// Updates the levels if they adapt, the burn-in is over and every interval has its values. True if it
    /// did.
    bool update(int64_t step);
    const std::vector<ScheduleUpdate>& log() const { return log_; }

    /// State for checkpoints, float64, names beginning with "schedule/". restore() takes all of it or throws.
    std::map<std::string, at::Tensor> state() const;
    void restore(const std::map<std::string, at::Tensor>& tensors, const std::string& where);

    /// One line if the levels have left the clean end, "" if not: under weight=entered a step into a small
    /// level is priced by that level alone, so updates of few levels widen it without end (notes 2.5). Found
    /// where the cleanest step of the last update is more than three mean steps long under weight=geometric.
    std::string advice() const;

    /// The curve of the last update (Error("run") before the first), for knots of any number; provenance has
    /// the log.
    LearnedSchedule learned() const;
    /// Of long trainings about a hundred updates, the first and the last among them; levels to six digits.
    nlohmann::json log_json() const;

  private:
    InstalledLevels tables(const std::vector<double>& sigma) const;

    Spec spec_;
    NoiseProcess process_;
    bool adapts_ = false;
    PathForm form_ = PathForm::ve;
    Velocity velocity_;
    UpdateOptions options_;
    int64_t least_ = 0, burn_in_ = 0;
    InstalledLevels installed_;
    std::vector<ScheduleUpdate> log_;
    std::vector<double> measured_sigma_, measured_cost_;  ///< behind the last update
};

}  // namespace schedbench
