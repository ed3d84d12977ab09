// The error bound of multistep solvers over the knots, and the knots that minimise it: DM-NonUniform (Xue et
// al. 2024, arXiv 2402.17376). It needs noise levels only, no network.
//
// Symbols: lambda = -ln level, knots lambda_0 < ... < lambda_M (M steps); alpha = 1/sqrt(1 + level^2), sigma
// = level alpha. Step s goes from lambda_s to lambda_{s+1} and has order 1 (the first and the last), 2 (their
// neighbours) or 3; J_{s,n} is the integral over the step of e^lambda times the Lagrange polynomial of knot n
// among the knots s, s-1, (s-2) in use. With the error w_n that a network makes at knot n, the bound is
//
//     sum over steps of order 1 of |w_s J_{s,s}|  +  sum over the other steps s < 3 of (sum_n (w_n
//     J_{s,n})^2)^(1/2)
//     +  sum over knots n of |sum over the other steps s >= 3 of w_n J_{s,n}|.
#pragma once

#include <array>
#include <vector>

namespace schedbench {

/// How the error of the network's clean image grows with the level.
enum class NetworkError {
    latent,  ///< w = sigma^2/alpha
    pixel,   ///< w = sigma/alpha = level
};

/// Integral of e^t times the Lagrange polynomials of knots at 0, -a, -a - b over t in [0, h]; order 1 (a and
/// b are not used), 2 (b is not) or 3. Entry k is the weight of knot k; those from `order` on are 0.
std::array<double, 3> exponential_lagrange_weights(int order, double h, double a, double b);

/// The bound of rising lambdas [M+1], M >= 1.
double dm_non_uniform_bound(const std::vector<double>& lambda, NetworkError error);

/// Lowers the bound from the rising start [M+1]; the ends are kept. Deterministic; a local minimum (the bound
/// has kinks and need not be convex). Time grows with M^2: about 0.1 s at M = 50.
std::vector<double> minimise_dm_non_uniform(const std::vector<double>& start, NetworkError error);

}  // namespace schedbench
