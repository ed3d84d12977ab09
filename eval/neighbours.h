// How well two sets of features cover each other, by balls around points that reach to their k-th neighbour
// of their own set (the point itself not counted):
//     precision  share of generated points in a ball of some reference point,   k = 3, distance <= radius
//     recall     share of reference points in a ball of some generated point,   k = 3, distance <= radius
//                (Kynkaanniemi et al. 2019, arXiv 1904.06991, eq. 1 to 3)
//     density    number of reference balls that hold a generated point, mean over them, / k,  k = 5, <
//     coverage   share of reference points whose ball holds a generated point,                k = 5, <
//                (Naeem et al. 2020, arXiv 2002.09797, eq. 4 to 6)
//
// Distances come from float32 matrix products in strips, with a bound of their rounding error; every pair
// that the bound cannot decide is decided by the float64 sum of squared differences. So the results are those
// of exact arithmetic, ties included. Memory beside the features: less than 150 MB, whatever n and m.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/estimate.h"

namespace schedbench {

/// The error. With the balls fixed, the counted points are independent: variance v = p (1 - p)/n for the
/// shares (n: their number), var(terms)/n for the density. Balls are random too and shared by many points, so
///     SE^2 = v max(1, var(F_b)/mean(v_b)),  F_b, v_b from up to 20 disjoint blocks of both sets:
/// the ratio of the two variances changes little with the number of samples, the metrics themselves do. Where
/// fewer than five blocks of 30 fit, the jackknife below instead, with a warning.
/// The influences are, on the side of the counted points, term - mean; on the side that makes the balls those
/// of leaving one point out, with all that follows (its ball goes, those that reached to it grow to their
/// next neighbour): psi_i = (m - 1)(mean_l F_(-l) - F_(-i)). A variance of such sums is an upper bound (Efron
/// and Stein 1981), about twice the true SE; differences made of them err on the large side.
struct NeighbourMetric {
    Estimate estimate;
    std::vector<double> influence;      ///< [n] phi of each generated sample, mean about 0
    std::vector<double> influence_ref;  ///< [m] psi of each reference sample
};

struct NeighbourMetrics {
    NeighbourMetric precision, recall, density, coverage;
};

struct NeighbourOptions {
    int64_t precision_k = 3;  ///< precision and recall
    int64_t density_k = 5;    ///< density and coverage
    std::string suffix{};     ///< of the names: "precision" + suffix, ...
};

/// generated [n, d], reference [m, d], float32 or float64. Error("shape"); Error("number") for NaN, infinity,
/// a set whose rows are all equal (its balls have no size), and fewer than k + 2 rows; Error("option") for k
/// < 1.
NeighbourMetrics neighbour_metrics(const at::Tensor& generated, const at::Tensor& reference,
                                   const NeighbourOptions& options = {});

}  // namespace schedbench
