// Edge costs whose rows are lower envelopes of functions that cross at most once. The three variances of a
// bound that depend on the error M_t alone have such a form, and so have the weighted errors of Watson et al.
// 2021 and the objective of Bao et al. 2022.
#pragma once

#include <vector>

namespace schedbench {

/// edge(s, t), 1 <= s < t <= T, of the form
///     offset[s] - offset[t] + (slope[s] - slope[t]) x[t]          (logarithm = false), or
///     scale ln(1 + (slope[s] - slope[t]) x[t]), x >= 0, scale > 0  (logarithm = true; offset is not used).
/// slope is monotone in s: it falls in the logarithmic form, it may fall or rise in the linear one. Slopes
/// and offsets are extended because edges of neighbours are small differences of large ones.
///
/// With the costs h_s of the previous row, a source s wins over an earlier one only beyond a certain query: a
/// linear source is the line h_s + offset_s + slope_s x, a logarithmic one h_s + scale ln(slope_s - y_t),
/// where y_t = slope_t
/// - 1/x_t. So a row is the envelope of its sources, each of which enters at the end when its turn comes.
struct CrossingForm {
    bool logarithm = false;
    double scale = 0.5;
    std::vector<double> x;                   ///< [T+1]; entry 0 is not used
    std::vector<long double> slope, offset;  ///< [T+1]; entry 0 is not used

    /// The queries in the direction in which later sources win: x, -x or slope - 1/x (lowest where x = 0).
    /// Entry 0 is not used.
    std::vector<double> queries() const;
    /// The condition under which the best source never moves back when t grows: queries do not fall for t >=
    /// 3 (at t = 2 there is one source only). Returns the first t that breaks it, or 0. In terms of the
    /// chain: M_t does not fall (posterior), (b_t - M_t)/b_t^2 does not rise (beta), 1/M_t - SNR_t does not
    /// rise (corrected analytic).
    int first_disorder() const;
};

}  // namespace schedbench
