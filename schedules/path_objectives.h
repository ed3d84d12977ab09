// Costs of paths other than the evidence bound that the same dynamic programme minimises.
#pragma once

#include <vector>

#include "schedules/dynamic_programme.h"
#include "schedules/noise_process.h"

namespace schedbench {

/// Weight w of the objective L_w(t,s) = -(integral from s to t of w(u) SNR'(u) du) M_t of Watson et al. 2021,
/// appendix A.3, time u in units of T.
enum class ErrorWeight {
    unit,  ///< w = -1/SNR': L = (t - s)/T M_t, the squared error of x0. Also their "MSE reweighting", which
           ///< gives better FID than the bound
    snr,  ///< w = -SNR/SNR': L = M_t/T sum_{u=s+1}^{t} SNR_u, the squared error of the noise (L_simple). SNR
          ///< is taken at the right end of every cell of the chain, the only end at which it is finite in the
          ///< first. They report no success with it
};

/// error: [T+1] M_t. The first edge is s = 0 of the same formula: no decoder enters. Error("shape"),
/// Error("number") as in ElboChain.
PathCosts reweighted_error_costs(const NoiseProcess& process, const std::vector<double>& error,
                                 ErrorWeight weight);

/// The path of Bao et al. 2022 (arXiv 2201.06503, section 4 and code "dp_seg"): the least sum of
///     J(s,t) = ln(sigma*^2/btil) = ln(1 + (SNR_s - SNR_t)(b_t/abar_t)(1 - Gamma_t))
/// with exactly K nodes from t_1 = 1 to T. An estimate Gamma_t > 1 cannot be right; if t is the first such
/// entry, the last B = 2(T - t + 1) entries are left out of the programme and K - ceil((1 - 0.8 B/T) K) of
/// the nodes, at least one, are spread evenly over them: round(T - k B/K2), half to even.
struct AnalyticDpmPath {
    std::vector<int> nodes;  ///< t_1 = 1 < ... < t_K = T
    double cost = 0;         ///< sum of J over the nodes that the programme chose
    int first_excess = 0;    ///< first entry with Gamma > 1, or 0
    int even_steps = 0;      ///< K2, or 0
    RowMethod method = RowMethod::plain;
};

/// gamma: [T+1]. Error("number") for K outside 2..T, a Gamma_t that is negative or not finite, or an excess
/// so early that the rule leaves no room for the programme.
AnalyticDpmPath analytic_dpm_path(const NoiseProcess& process, const std::vector<double>& gamma, int steps);

}  // namespace schedbench
