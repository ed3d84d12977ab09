// Terms of the evidence bound of a discrete chain, from one pair of statistics per entry. With M_t, the mean
// squared error of the denoiser, and N_t, the decoder's cost, the bound of every path is known (notation of
// Bao et al. 2022 and Watson et al. 2021). All costs are in nats per dimension.
#pragma once

#include <functional>
#include <vector>

#include "schedules/dynamic_programme.h"
#include "schedules/noise_process.h"

namespace schedbench {

/// Variance of the reverse step from t to s.
enum class ElboVariance {
    posterior,  ///< btil(s,t): "small", fixedsmall
    beta,       ///< beta_{t|s}: "large", fixedlarge
    analytic,   ///< btil + abar_s beta_{t|s}^2 M_t / b_t^2: the best variance that is the same in all
                ///< dimensions
};

/// Cost of the decoder from t_1, when the variance depends on the second node t_2 as well.
using PathDecoder = std::function<double(int t1, int t2)>;

class ElboChain {
  public:
    /// process: discrete with T entries. error: [T+1] M_t = E (x0 - x0hat(x_t))^2, mean over dimensions;
    /// decoder: [T+1] N_t = -E ln p(x0 | x_t); entry 0 of both is not used. second_moment: mean of x0^2.
    /// Error("number") for a value that is not finite or a negative M_t, Error("shape") for another length.
    ElboChain(const NoiseProcess& process, std::vector<double> error, std::vector<double> decoder,
              double second_moment);

    int table_size() const { return static_cast<int>(error_.size()) - 1; }
    const std::vector<double>& error() const { return error_; }
    const std::vector<double>& decoder() const { return decoder_; }

    /// KL of the step from t to s, 1 <= s < t <= T.
    double edge(ElboVariance variance, int s, int t) const;
    /// KL(q(x_t | x0) || N(0, 1)), for a path that ends at t.
    double prior(int t) const;
    /// N_{t_1} + edges + prior at the last node. path: rising, at least one node. With a path decoder N_{t_1}
    /// is path_decoder(t_1, t_2) instead, and the path needs two nodes.
    double path_cost(ElboVariance variance, const std::vector<int>& path,
                     const PathDecoder& path_decoder = {}) const;

    /// Optimal paths to T for 1 .. max_steps steps; the costs leave out the prior, which is the same for all
    /// of them.
    BudgetPaths best_paths(ElboVariance variance, int max_steps) const;
    BudgetPaths best_paths(ElboVariance variance, int max_steps, const PathDecoder& path_decoder) const;
    /// The edges in the form that makes a row of the programme cost O(T log T).
    CrossingForm crossing_form(ElboVariance variance) const;

  private:
    std::vector<double> log_abar_, abar_, noise_, snr_;  ///< [T+1]; noise_ = b_t = 1 - abar_t
    std::vector<double> error_, decoder_;
    double second_moment_ = 0;
};

/// Cost of a Gaussian decoder of this variance where the mean squared error is `error`: ln(2 pi v)/2 +
/// error/(2 v).
double gaussian_decoder_cost(double error, double variance);
/// The variance of the decoder that depends on t only: btil(1,2) at t = 1, else 1 - abar_t (Bao et al. 2022,
/// code).
double table_decoder_variance(const NoiseProcess& process, int t);

/// Nats per dimension to bits per dimension. For a *density* of data scaled to [-1, 1] add log2(127.5) as
/// well.
double nats_to_bits(double nats);

}  // namespace schedbench
