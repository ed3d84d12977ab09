// The training loop: Adam, exponential moving average of the weights, checkpoints that continue bit-equal.
//
// Everything random in step k comes from the counter-based noise with (seed, training, step, ...), and the
// whole state (weights, moments, average, sampler history, loss curve) is in the checkpoint, so a killed run
// that is started again ends with the same bytes as one that was left alone (same device, threads and
// library).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "likelihood/probe_source.h"
#include "train/adaptive_schedule.h"
#include "train/objective.h"
#include "train/trainable_network.h"

namespace schedbench {

struct TrainOptions {
    Objective objective = Objective::edm;
    int64_t steps = 10000;  ///< optimiser steps in all
    int64_t batch = 128;    ///< images a step
    double learning_rate =
        1e-3;  ///< peak; rises linearly over `warmup` steps, falls linearly to 0 over the last `decay`
    int64_t warmup = 200;
    double decay = 0.3;          ///< fraction of the steps
    double ema = 0.999;          ///< decay of the average a step, rising as (1 + k) / (10 + k) at the start
    double clip_gradient = 1.0;  ///< largest norm of the gradient
    std::string device = "cpu";  ///< of weights and passes; what is drawn, is drawn on the host
    bool bf16 = false;           ///< convolutions in bfloat16; master weights, norms and Adam in float32
    std::string schedule;  ///< adaptive:... or fixed:..., completed; "": levels as the objective draws them
    uint64_t seed = 0;
    int64_t checkpoint_every = 500;  ///< steps
    std::string checkpoint;          ///< path of the state file; removed by nobody
    double progress_every = 5;       ///< seconds between progress calls
};

struct TrainProgress {
    int64_t step = 0, steps = 0;
    int64_t first_step = 0;  ///< where a continued training began this time
    double loss = 0;         ///< running mean since the last report
    double images_per_second = 0;
    int64_t schedule_updates = 0;  ///< of an adaptive schedule, so far
};

struct TrainResult {
    Parameters ema;                                 ///< the weights to ship
    std::vector<std::pair<int64_t, double>> curve;  ///< (step, mean loss since the previous point)
    double seconds = 0;                             ///< over all parts of the run
    std::optional<AdaptiveSchedule> schedule;       ///< as it stands at the end
};

/// Trains from scratch, or continues from options.checkpoint if that file exists and was made with the same
/// settings (else Error("run")). `on_checkpoint` (may be null) gets the averaged weights after each
/// checkpoint.
TrainResult train_network(const TrainableNetwork& net, const ProbeSource& data, const TrainOptions& options,
                          const std::function<void(const TrainProgress&)>& on_progress,
                          const std::function<void(int64_t step, const Parameters& ema)>& on_checkpoint);

}  // namespace schedbench
