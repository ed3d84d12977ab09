// Terms of the evidence bound of a discrete chain, from a few statistics per entry. With M_t, the mean
// squared error of the denoiser, and N_t, the decoder's cost, the bound of every path is known (notation of
// Bao et al. 2022 and Watson et al. 2021). All costs are in nats per dimension. With z = SNR_s - SNR_t and
// rho = btil/sigma^2 the KL of a step from t to s is (rho - 1 - ln rho)/2 + rho z M_t/2.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "schedules/dynamic_programme.h"
#include "schedules/learned_variance.h"
#include "schedules/noise_process.h"

namespace schedbench {

/// Variance of the reverse step from t to s; A^2 = abar_s beta_{t|s}^2 / b_t^2.
enum class ElboVariance {
    posterior,           ///< btil(s,t): "small", fixedsmall
    beta,                ///< beta_{t|s}: "large", fixedlarge
    corrected_analytic,  ///< btil + A^2 M_t: the best variance that is the same in all dimensions, for this
                         ///< denoiser and the data on which M_t was measured
    analytic,  ///< btil + A^2 clip((b_t/abar_t)(1 - Gamma_t), 0, 1): the best one for an exact denoiser and
               ///< data in [-1, 1] (Bao et al. 2022, arXiv 2201.06503, theorem 1 and section 3.1)
    learned,   ///< per pixel, between the first two (learned_variance.h)
};

std::string variance_name(ElboVariance variance);  ///< "posterior", "beta", "corrected-analytic", ...
/// Error("spec") for another name.
ElboVariance parse_variance(const std::string& name, const std::string& where);

struct ElboStatistics {
    std::vector<double>
        error;  ///< [T+1] M_t = E (x0 - x0hat(x_t))^2, mean over dimensions; entry 0 is not used
    std::vector<double> decoder;  ///< [T+1] N_t = -E ln p(x0 | x_t) with a variance that depends on t alone
    double second_moment = 0;     ///< mean of x0^2
    std::vector<double> gamma;  ///< [T+1] Gamma_t = E |eps_hat(x_t)|^2 per dimension, or empty: no `analytic`
    std::optional<LearnedVarianceStatistics> learned;
    /// [T+1] the M_t that set the corrected analytic variance and the optimal variance of the first step, where
    /// they were found on other data than `error`; empty: `error` itself.
    std::vector<double> fitted_error{};
};

/// Which variance the decoder has.
enum class FirstStepRule {
    table,    ///< the one with which ElboStatistics::decoder was measured
    path,     ///< btil(t_1, t_2), the first of the respaced chain (Nichol and Dhariwal 2021, code); needs two
              ///< nodes
    optimal,  ///< M_t (fitted_error), the best for a Gaussian density
};
/// N_t as a function of the decoder's variance.
using DecoderCost = std::function<double(int t, double variance)>;

struct FirstStep {
    FirstStepRule rule = FirstStepRule::table;
    /// Not used by `table`. For `optimal` it may be empty: the Gaussian density, N_t = ln(2 pi e M_t)/2.
    DecoderCost cost{};
};

class ElboChain {
  public:
    /// process: discrete with T entries. Error("number") for a value that is not finite, a negative M_t or
    /// Gamma_t, Error("shape") for another length.
    ElboChain(const NoiseProcess& process, ElboStatistics statistics);
    ElboChain(const NoiseProcess& process, std::vector<double> error, std::vector<double> decoder,
              double second_moment)
        : ElboChain(process, ElboStatistics{std::move(error), std::move(decoder), second_moment, {}, {}, {}}) {}

    int table_size() const { return static_cast<int>(statistics_.error.size()) - 1; }
    const std::vector<double>& error() const { return statistics_.error; }
    const std::vector<double>& decoder() const { return statistics_.decoder; }
    /// The M_t that set fitted variances.
    const std::vector<double>& fitted_error() const {
        return statistics_.fitted_error.empty() ? statistics_.error : statistics_.fitted_error;
    }

    /// Error("run") if the statistics lack what this variance needs.
    void require(ElboVariance variance) const;
    /// KL of the step from t to s, 1 <= s < t <= T.
    double edge(ElboVariance variance, int s, int t) const;
    /// d edge / d M_t = rho z/2, for error bars. Not for the learned variance, whose rho differs between
    /// dimensions.
    double error_slope(ElboVariance variance, int s, int t) const;
    /// Cost of the decoder from t_1; t_2 = 0 if there is none.
    double first_cost(const FirstStep& first, int t1, int t2) const;
    /// KL(q(x_t | x0) || N(0, 1)), for a path that ends at t.
    double prior(int t) const;
    /// first_cost + edges + prior at the last node. path: rising, at least one node, two for
    /// FirstStepRule::path.
    double path_cost(ElboVariance variance, const std::vector<int>& path, const FirstStep& first = {}) const;

    /// What the dynamic programme minimises: everything but the prior at T, which all paths share. The
    /// functions in it refer to this chain, which must outlive them.
    PathCosts costs(ElboVariance variance, const FirstStep& first = {}) const;
    /// Optimal paths to T for 1 .. max_steps steps; the costs leave out the prior.
    BudgetPaths best_paths(ElboVariance variance, int max_steps, const FirstStep& first = {}) const;

  private:
    /// abar_s - abar_t = b_t - b_s, without subtracting numbers that are nearly equal.
    double difference(int s, int t) const;
    /// c of the variances btil + A^2 c.
    double added_variance(ElboVariance variance, int t) const;
    std::optional<CrossingForm> crossing_form(ElboVariance variance) const;

    std::vector<double> log_abar_, abar_, noise_;  ///< [T+1]; noise_ = b_t = 1 - abar_t
    ElboStatistics statistics_;
    std::vector<double> analytic_;  ///< [T+1] clip((b_t/abar_t)(1 - Gamma_t), 0, 1), or empty
    std::optional<LearnedVarianceCost> learned_;
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
