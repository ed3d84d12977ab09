// Is a difference real? Paired differences between two cells whose samples share their random numbers, and
// which of many cells cannot be told from the best.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/estimate.h"

namespace schedbench {

/// One side of a comparison: a value and what each sample adds to its error (phi, for a mean: x_i - mean).
struct PairedSide {
    double value = 0;
    std::span<const double> influence;  ///< [n], by sample id
    std::span<const double>
        influence_ref{};  ///< [m], by reference sample; empty where the reference counts as exact
    double se = std::numeric_limits<double>::quiet_NaN();  ///< as stored: counts where nothing is shared
};

/// What two sides have in common.
struct SharedErrors {
    size_t samples = 0;      ///< the first so many samples of both are the same ones (random numbers, labels)
    bool reference = false;  ///< the reference samples are the same, in the same order
};

struct PairedDifference {
    Estimate difference;            ///< value a - b; warning set where n or m is below 30
    double correlation = 0;         ///< of the errors of a and b; NaN where one of them has none
    double unpaired_se = 0;         ///< what the error would be without shared samples: sqrt(se_a^2 + se_b^2)
    double sample_variance = 0;     ///< the part of se^2 that falls as 1/n when samples are added to both
    double reference_variance = 0;  ///< the part that stays
    bool resolved(double z = 1.959964) const;  ///< the interval value +- z se does not hold 0
};

/// SE^2 = var(phi_a - phi_b)/n + var(psi_a - psi_b)/m. Both sides must be over the same sample ids (and the
/// same reference samples) in the same order; different lengths are an Error("shape"), fewer than two samples
/// an Error("number").
PairedDifference paired_difference(const PairedSide& a, const PairedSide& b, const std::string& name);

/// The same for sides that share all, some or none of their errors, also with different n:
///     SE^2 = var(phi_a)/n_a + var(phi_b)/n_b - 2 k cov(phi_a, phi_b)/(n_a n_b) + the same of the references,
/// k of the samples being shared. Where nothing is shared, or a side has no influence values, SE^2 = se_a^2 +
/// se_b^2 of the stored errors (of the influence values where no error is stored).
PairedDifference difference_of(const PairedSide& a, const PairedSide& b, const SharedErrors& shared,
                               const std::string& name);

/// p-values adjusted by Holm's step-down procedure (Holm 1979): reject where the adjusted value is <= alpha,
/// and the chance of any false rejection is at most alpha, whatever the dependence. Same order as given.
std::vector<double> holm_adjust(std::span<const double> p_values);

struct BestAndTies {
    size_t best = 0;         ///< index of the best value; the first of equals
    std::vector<bool> tied;  ///< cannot be told from the best (true for the best itself)
    std::vector<double>
        p_value;  ///< of "equal to the best", two-sided, adjusted; 1 for the best, NaN for NaN values
};

/// Which cells cannot be told from the best. Holm over *all* pairs, not over the k - 1 comparisons with the
/// best: the best was picked after looking, and with k - 1 comparisons eight equal cells give a false
/// difference in more than one family in ten. So with probability at least 1 - alpha no cell equal to the
/// best is marked as different. `paired_se(i, j)`, i < j, gives the standard error of value_i - value_j; NaN
/// means that it is not known, and the two count as equal. NaN values are never best and never tied.
BestAndTies holm_ties(std::span<const double> values, const std::function<double(size_t, size_t)>& paired_se,
                      double alpha = 0.05, bool smaller_is_better = true);

}  // namespace schedbench
