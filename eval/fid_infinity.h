// The Frechet distance at infinitely many generated samples, extrapolated (Chong and Forsyth 2020, arXiv
// 1911.07023): F_N of subsets of several sizes N is nearly linear in 1/N, and the intercept of a
// least-squares line is the value. The debiased distance of eval/frechet.h does the same with less variance;
// this one is for comparison with published numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "eval/frechet.h"

namespace schedbench {

struct FidInfinityOptions {
    std::string name = "fd-infinity";
    ReferenceRole reference = ReferenceRole::sampled;
    int64_t points = 15;   ///< sizes, equally spaced from `smallest` to n
    int64_t smallest = 0;  ///< 0: 5000, or n/10 where that is less
    uint64_t seed = 0;     ///< subset q: the rows with the smallest keys of stream q of this seed
};

struct FidInfinityResult {
    Estimate intercept;
    double slope = 0;                     ///< of F_N against 1/N
    std::vector<int64_t> sizes;           ///< N, rising; the last is n
    std::vector<double> distances;        ///< F_N
    std::vector<double> influence;        ///< [n] n c_i phi_i, mean 0 (see below)
    std::vector<double> influence_ref{};  ///< [m]; empty if exact or without features
};

/// To first order F_N moves by the mean influence phi of its rows, so the intercept moves by sum_i c_i phi_i,
/// c_i = sum_q w_q [i in subset q]/N_q with the weights w_q of the least-squares intercept:
///     SE^2 = var(phi) sum_i c_i^2 [+ var(psi)/m where the reference is sampled and its features are at
///     hand].
/// The scatter about the line would be no error, as the subsets overlap. The reference's own bias stays in
/// the value. Error("option") unless points >= 2, smallest >= 2 and the sizes are all different.
FidInfinityResult fid_infinity(const at::Tensor& generated, const FrechetReference& reference,
                               const FidInfinityOptions& options = {});

}  // namespace schedbench
