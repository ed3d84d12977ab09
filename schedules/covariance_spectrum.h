// The spectrum of a data covariance, and the schedule that is optimal for it.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

/// Standard deviations of the data along its principal axes, and how many axes (or what weight) each stands
/// for.
struct CovarianceSpectrum {
    std::vector<double> stds, weights;  ///< positive, equally many

    /// Error("number") at `where` unless all are positive and finite and there are as many weights as stds.
    void check(const std::string& where) const;
    /// A JSON object with the lists "stds" and "weights" (without: all 1); other keys are left alone. What is
    /// wrong with it is an Error("file").
    static CovarianceSpectrum read(const std::string& path);
};

/// The knot density that minimises the KL divergence of Euler's method on Gaussian data, to leading order in
/// 1/N. For data N(0, C), with c_k^2 and w_k the eigenvalues of C and their weights, N Euler steps of density
/// rho(sigma) leave the standard deviation along axis k with the relative error e_k/N, where up to a common
/// factor
///
///     e_k = integral of c_k^2 / ((c_k^2 + sigma^2)^2 rho(sigma)) d sigma,   KL = sum_k w_k e_k^2 + higher
///     terms,
///
/// so that rho is proportional to sqrt(sum_k w_k e_k c_k^2 / (c_k^2 + sigma^2)^2): a fixed point. One
/// eigenvalue gives rho = c/(c^2 + sigma^2), the arctan schedule (Sabour et al. 2024, theorem 3.1).
class SpectrumDensity {
  public:
    /// Iterates to the fixed point on [sigma_min, sigma_max]. Error("number") at `where` if it is not
    /// reached.
    SpectrumDensity(const CovarianceSpectrum& spectrum, double sigma_min, double sigma_max,
                    const std::string& where);
    /// The level below which a share 1 - u of the density lies, u in [0, 1].
    double level(double u) const;

  private:
    double density(double log_level) const;  ///< by ln sigma, not normalised
    double cell_integral(double from, double to) const;

    std::vector<double> log_stds_, pulls_;  ///< ln c_k and w_k e_k
    double first_ = 0, width_ = 0;          ///< ln sigma_min, and the width of a cell in ln sigma
    std::vector<double> cumulative_;        ///< integral of the density up to every cell
};

}  // namespace schedbench
