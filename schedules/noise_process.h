// NoiseProcess: which noise levels a model knows, and the map level <-> index <-> network time.
//
// A *level* is the noise-to-signal ratio sigma = sqrt((1 - abar) / abar) in [0, infinity]. A discrete process
// is a table abar_1 .. abar_T (abar_0 = 1 is the data); a continuous one is a range of levels.
#pragma once

#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"

namespace schedbench {

/// How a level between two entries of a discrete table is told to the network.
enum class TimeRule {
    nearest,     ///< the table entry with the nearest sigma is used instead: effective level = that entry
    fractional,  ///< the level is kept; the network gets the index interpolated linearly in ln sigma
};

/// A level at which the network can be called.
struct LocatedLevel {
    double level = 0;  ///< effective sigma
    double model_time =
        0;           ///< what the network is told: zero-based index (discrete), ln(sigma)/4 (continuous)
    int index = -1;  ///< 1..T if the level is a table entry, 0 for level 0, else -1
};

class NoiseProcess {
  public:
    /// linear:T=1000  beta_i = linspace(1e-4, 0.02, T) * 1000/T     (Ho et al. 2020)
    /// cosine:T=1000  beta_i = min(1 - f(i/T)/f((i-1)/T), 0.999)    (Nichol & Dhariwal 2021, eq. 17)
    /// scaled-linear:T=1000  sqrt(beta) linear from sqrt(0.00085) to sqrt(0.012)   (latent diffusion)
    /// sigmoid:T=1000  beta = sigmoid(v) (beta-end - beta-start) + beta-start, v = linspace(-6, 6, T)
    /// exponential:T=1000  beta_i = min(1 - a(i/T)/a((i-1)/T), 0.999), a(t) = exp(-12 t)
    /// laplace:T=1000  the same with a(t) = sqrt(snr/(1 + snr)), ln snr = -sgn(1/2 - t)/2 ln(1 - 2|1/2 - t| +
    /// 1e-6) betas:values=[...]  an explicit table continuous:sigma-min=0.002,sigma-max=80 (EDM)
    static const std::vector<SpecEntry>& entries();
    explicit NoiseProcess(const Spec& spec, const std::string& where = "noise process");

    const Spec& spec() const { return spec_; }  ///< completed
    bool discrete() const { return !log_abar_.empty(); }
    int table_size() const;                         ///< T; 0 for a continuous process
    double log_abar(int t) const;                   ///< t = 0..T; log_abar(0) = 0
    double abar(int t) const;                       ///< exp(log_abar)
    double one_minus_abar(int t) const;             ///< -expm1(log_abar): no cancellation at small t
    double beta(int s, int t) const;                ///< beta_{t|s} = 1 - abar_t / abar_s, s < t
    double posterior_variance(int s, int t) const;  ///< btil(s,t) = beta_{t|s} (1 - abar_s) / (1 - abar_t)
    double snr(int t) const;                        ///< abar_t / (1 - abar_t); infinite at t = 0
    double sigma(int t) const;                      ///< level of index t; 0 at t = 0
    double sigma_min() const;                       ///< level of index 1, or lower end of the range
    double sigma_max() const;                       ///< level of index T, or upper end of the range

    int nearest_index(double level) const;        ///< |sigma_t - level| minimal, ties to the smaller t; 1..T
    double fractional_index(double level) const;  ///< in [1, T], linear in ln sigma between entries
    /// The inverse of fractional_index: the level at a position in [1, T], ln sigma linear between entries.
    double level_at(double position) const;
    /// Level 0 is located at index 0 (nothing is evaluated there). Error("number") for a negative, infinite
    /// or NaN level. On a table, a level beyond its ends gets the end's index (and, with TimeRule::nearest,
    /// the end's level).
    LocatedLevel locate(double level, TimeRule rule = TimeRule::nearest) const;
    LocatedLevel at_index(int t) const;  ///< 0..T

  private:
    Spec spec_;
    std::vector<double> log_abar_;  ///< [T+1]; empty for a continuous process
    std::vector<double> sigma_;     ///< [T+1], rising from 0; empty for a continuous process
    double sigma_min_ = 0, sigma_max_ = 0;
};

}  // namespace schedbench
