// The learned reverse variance of Nichol and Dhariwal 2021 (arXiv 2102.09672, eq. 15),
//     sigma_i^2 = exp(v_i ln beta_{t|s} + (1 - v_i) ln btil(s,t)),
// with v per pixel and channel. v does not depend on s, and ln(btil/sigma_i^2) = -lambda v_i with lambda =
// ln(b_t/b_s), so the mean KL of every step from t is known from two functions of one variable,
//     L(t,s) = (phi_t(lambda) - 1 + lambda E v)/2 + (SNR_s - SNR_t) psi_t(lambda)/2,
//     phi_t(lambda) = E e^{-lambda v},   psi_t(lambda) = E e^{-lambda v} (x0 - x0hat)^2,
// Laplace transforms of the law of v. They are kept at Chebyshev nodes; with v in [0, 1] the polynomial
// through 24 of them is exact to about 1e-10 for every chain in use (lambda up to 11.5).
#pragma once

#include <array>
#include <vector>

#include "schedules/noise_process.h"

namespace schedbench {

constexpr int kLaplaceNodes = 24;
using LaplaceValues = std::array<double, kLaplaceNodes>;

/// Means over images, noise and dimensions. Entry 0 is not used; at t = 1 all nodes are 0.
struct LearnedVarianceStatistics {
    std::vector<LaplaceValues> phi, psi;  ///< [T+1] values at laplace_nodes(process, t); psi[t][0] = M_t
    std::vector<double> mean_v;           ///< [T+1] E v
};

/// The nodes of entry t: lambda_j = ln(b_t/b_1) (1 - cos(pi j/23))/2, rising from 0 to the lambda of the
/// longest step.
LaplaceValues laplace_nodes(const NoiseProcess& process, int t);

/// The transforms between the nodes, by barycentric interpolation.
class LearnedVarianceCost {
  public:
    /// error: [T+1] M_t. Error("shape") for other lengths; Error("number"), naming the entry, for values that
    /// are not finite, phi(0) other than 1, psi(0) other than M_t to 1e-6 relative, or a negative psi.
    LearnedVarianceCost(const NoiseProcess& process, const LearnedVarianceStatistics& statistics,
                        const std::vector<double>& error);
    /// L(t,s) for lambda = ln(b_t/b_s) and snr_step = SNR_s - SNR_t.
    double edge(int t, double lambda, double snr_step) const;

  private:
    struct Entry {
        LaplaceValues remainder;  ///< (phi - 1)/lambda + E v: phi - 1 + lambda E v would lose its digits at
                                  ///< small lambda
        LaplaceValues psi;
        double length;  ///< ln(b_t/b_1)
    };
    LaplaceValues position_, weight_;  ///< nodes on [0, 1] and their barycentric weights
    std::vector<Entry> entries_;       ///< [T+1]
};

}  // namespace schedbench
