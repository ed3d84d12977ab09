// Weights of multistep methods that integrate the polynomial through the last slopes (Adams-Bashforth,
// Hairer, Norsett & Wanner, Solving ODEs I, III.5; with another time than sigma, Zhang & Chen 2023, arXiv
// 2204.13902, eq. 15):
//
//     x' = x + sum_j w_j d_{i-j},     w_j = int_a^b L_j(t(sigma)) d sigma
//
// a = sigma_i, b = sigma_{i+1}, L_j the Lagrange polynomial of t(sigma_i), t(sigma_{i-1}), ...: in that time
// it is the paper's integral of L_j(t) d sigma / d t.
#pragma once

#include <functional>
#include <vector>

#include "samplers/linear_multistep.h"

namespace schedbench {

/// A time in which slopes are taken to be polynomial: strictly monotone in sigma, and analytic except at
/// +-i `singular`.
struct PolynomialTime {
    std::function<double(double sigma)> of;
    double singular = 0;
    bool at_zero = true;  ///< finite at level 0; if not, a step to it is first order
};

/// For polynomials of degree points - 1 (fewer points at the start), to machine precision for points <= 20.
/// levels: sigma_0 > ... > sigma_N >= 0.
std::vector<StepWeights> lagrange_weights(const std::vector<double>& levels, int points,
                                          const PolynomialTime& time);

/// The time sigma itself.
PolynomialTime sigma_time();

}  // namespace schedbench
