// The phi functions of exponential integrators (Hochbruck & Ostermann 2010, Acta Numerica 19, eqs. 2.10-2.11):
//
//     phi_0(z) = e^z,   phi_{k+1}(z) = (phi_k(z) - 1/k!) / z   =>   phi_k(z) = sum_n z^n / (n + k)!
//
// With lambda = -ln sigma and h = ln(a / b), the step a -> b of a denoised value that is a polynomial in lambda
// has closed form:
//
//     int_0^h e^{s - h} s^k ds = k! h^{k+1} phi_{k+1}(-h)
#pragma once

#include <cmath>

namespace schedbench {

/// phi_k(z), k >= 1, finite z.
inline double phi(int k, double z) {
    if (std::abs(z) < 1) {  // the recursion loses |z|^-k
        double term = 1;
        for (int n = 2; n <= k; ++n) term /= n;
        double sum = term;
        for (int n = 1; std::abs(term) > 1e-18 * std::abs(sum); ++n) sum += term *= z / (n + k);
        return sum;
    }
    double value = std::expm1(z) / z, inverse_factorial = 1;
    for (int n = 1; n < k; ++n) {
        inverse_factorial /= n;
        value = (value - inverse_factorial) / z;
    }
    return value;
}

/// h = ln(a / b) for a > b > 0, exact also for levels that are close.
inline double log_step(double a, double b) {
    return std::log1p((a - b) / b);
}

}  // namespace schedbench
