// Training objectives: a loss for a batch of clean images, from counter-based noise alone (so that an
// interrupted run continues bit-equal).
//
//   simple  E |eps - eps_theta|^2                                             Ho et al. 2020, eq. 14
//   hybrid  L_simple + 0.001 T L_vlb, the mean frozen in the second term      Nichol & Dhariwal 2021, eq. 16
//   vlb     T L_vlb with t drawn by the loss-second-moment sampler            Nichol & Dhariwal 2021,
//   section 3.3 edm     lambda(sigma) |D - x0|^2, ln sigma ~ N(-1.2, 1.2^2)               Karras et al. 2022,
//   table 1
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "train/trainable_network.h"

namespace schedbench {

enum class Objective { simple, hybrid, vlb, edm };
Objective parse_objective(const std::string& name, const std::string& where);
std::string objective_name(Objective objective);

/// Draws t with probability proportional to sqrt(E[L_t^2]) over each t's last ten losses; uniform until every
/// t has ten.
class LossSecondMoment {
  public:
    static constexpr int64_t kHistory = 10;
    explicit LossSecondMoment(int64_t table_size);
    bool warmed_up() const;
    /// Probabilities p_1..p_T (index 0 is t = 1), mixed with 0.001 of the uniform distribution.
    std::vector<double> probabilities() const;
    void update(int64_t t, double loss);
    /// State for checkpoints: [T, 10] losses and [T] counts, float64.
    at::Tensor losses, counts;
};

struct TrainingBatch {
    // On the device of the network:
    at::Tensor x0;      ///< [B, C, H, W] float32 in [-1, 1]
    at::Tensor labels;  ///< [B] int64, or undefined
    at::Tensor noise;   ///< like x0, standard normal
    // On the host:
    at::Tensor uniform;  ///< [B] float64 in (0, 1]: chooses t
    at::Tensor normal;   ///< [B] float64: chooses sigma (edm)
    at::Tensor sigma,
        model_time;  ///< [B] float64: levels of a training schedule (simple and edm); undefined: drawn
};

/// What the network saw and said in the pass of a loss, for whoever can use it again.
struct TrainingPass {
    at::Tensor x, x0;  ///< x0 + sigma n and D(x), [B, C, H, W], without a graph
};

/// Error("option") for an objective whose terms belong to the entries of a table, so that levels cannot be
/// chosen.
void check_free_levels(Objective objective, const std::string& where);

/// Mean loss of the batch, differentiable with respect to `parameters`. `moments` is used and updated by vlb
/// only. `pass` (may be null) is filled.
at::Tensor objective_loss(Objective objective, const TrainableNetwork& net, const NoiseProcess& process,
                          const Parameters& parameters, const TrainingBatch& batch, LossSecondMoment& moments,
                          double dropout, TrainingPass* pass = nullptr);

}  // namespace schedbench
