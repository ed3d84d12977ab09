// Time of a variance-preserving process with beta(t) = beta_min + beta_d t (Song et al. 2021, arXiv 2011.13456,
// eq. 33):
//
//     sigma(t)^2 = exp(beta_d t^2 / 2 + beta_min t) - 1,   t in [eps, 1]
#pragma once

#include <string>

namespace schedbench {

struct VpTime {
    double beta_d = 19.9, beta_min = 0.1;  ///< the published process

    /// Betas for which sigma(1) = sigma_max and sigma(eps) = sigma_min (Karras et al. 2022, table 1).
    /// Error("number") at `where` for eps outside (0, 1) or a range that needs beta_d <= 0.
    static VpTime fitted(double sigma_min, double sigma_max, double eps, const std::string& where);
    double sigma(double t) const;
    double time(double sigma) const;   ///< the inverse of sigma(t)
    double slope(double t) const;      ///< d sigma / d t
};

}  // namespace schedbench
