// The optimal coupling of two Gaussians N(mu1, S1) and N(mu2, S2), in the factored form that everything about
// the Frechet distance (Dowson and Landau 1982) follows from.
//
// With any factors S1 = L1 L1^T, S2 = L2 L2^T and the singular value decomposition L1^T L2 = A diag(s) B^T:
//     Tr (S1 S2)^(1/2) = sum s           (S1 S2 and (L1^T L2)(L1^T L2)^T share their non-zero eigenvalues)
//     P = L2 B,  T  = P diag(1/s) P^T    the map from population 1 to 2: T S1 T = S2
//     Q = L1 A,  T' = Q diag(1/s) Q^T    the map back
// No matrix square root of a product, no added epsilon, never a complex number.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "eval/features.h"

namespace schedbench {

struct Transport {
    double mean_term = 0, trace1 = 0, trace2 = 0;  ///< |mu1 - mu2|^2, Tr S1, Tr S2
    double root_trace = 0;                         ///< S = Tr (S1 S2)^(1/2) = sum of s
    at::Tensor singular;             ///< s, float64 [r], r <= d; those below the floor are left out
    at::Tensor to_second, to_first;  ///< P and Q, float64 [d, r]; undefined where only the distance was asked
    std::string route;               ///< "eigenvalues" or "singular values"

    /// |mu1 - mu2|^2 + Tr S1 + Tr S2 - 2 S; rounding below 0 is cut off.
    double distance() const;
    /// H = sum_ij s_i s_j / (s_i + s_j), which the bias of the distance needs.
    double harmonic_sum() const;
};

/// Singular values below this share of the largest are directions where the map is not defined (a population
/// without spread there): they take part in the distance but not in the maps.
inline constexpr double kTransportFloor = 1e-9;

enum class TransportParts { distance, maps };

/// From moments alone. Both covariances positive definite and s_min / s_max above 1e-4: Cholesky and
/// symmetric eigenvalues of L1^T S2 L1 (cheapest). Otherwise singular values of L1^T L2, with L from Cholesky
/// or, where it is singular, from its eigenvectors without those of spread 0.
Transport gaussian_transport(const Moments& first, const Moments& second, TransportParts parts);

/// The same where the features themselves are at hand (either may be undefined). On the second route they
/// give exact factors: L = R^T / sqrt(n - 1) of the QR decomposition of the centred rows, or the centred rows
/// where n < d.
Transport gaussian_transport(const Moments& first, const at::Tensor& first_features, const Moments& second,
                             const at::Tensor& second_features, TransportParts parts);

}  // namespace schedbench
