// The arithmetic of the statistics pass on one image: everything that is done beside the network, in a few
// passes over contiguous float64 arrays that the compiler vectorises. Per element it costs about as much as
// one exponential.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "schedules/learned_variance.h"

namespace schedbench {

/// x0hat, clipped to [-1, 1] if asked for, x0 - x0hat and its square, of n elements.
struct Errors {
    std::vector<double> hat, error, square;
};
void find_errors(const double* x0, const double* hat, bool clip, size_t n, Errors& out);

/// sum (a - b)^2
double squared_distance(const double* a, const double* b, size_t n);

/// sum of -ln P of the 8-bit decoder with the tanh form (decoder.h), nats; inverse: [n] 1/sd of each element.
double tanh_decoder_sum(const double* x0, const double* error, const double* inverse, size_t n);

/// Where the errors fall in the bins of an ErrorLaw (error_law.h): y = 1 + |error| inverse has its bin in the
/// bits of its exponent and the first `bits_per_octave` of its mantissa, and its place inside the bin, -2048
/// to 2048, in the next twelve, rounded. bin = (2 place + sign) half + position, with the positions beyond
/// half - 1 put at the end of it.
void law_positions(const double* x0, const double* error, double inverse, int bits_per_octave, uint64_t half,
                   size_t n, uint64_t* bin, int64_t* step);

/// inverse[i] = exp(-(v_i ln_large + (1 - v_i) ln_small)/2), of the learned variance (learned_variance.h)
void learned_inverse_sd(const double* v, double ln_large, double ln_small, double* inverse, size_t n);

/// Sums of e^{-lambda v} and e^{-lambda v} w for weights w, at the 24 nodes of one level. Instead of 24
/// exponentials an element it sums at most 36 Chebyshev polynomials of v over [-0.1, 1.1], of which the
/// exponentials are combinations (Jacobi and Anger: e^{-lambda r x} = I_0 + 2 sum (-1)^k I_k(lambda r)
/// T_k(x)); elements outside are summed one by one. Relative error below 1e-11 for lambda up to 12.
class LaplaceSums {
  public:
    explicit LaplaceSums(const LaplaceValues& lambda);
    struct Sums {
        LaplaceValues plain{}, first{}, second{};
        double v = 0;
    };
    /// v, first, second: [n]
    Sums operator()(const double* v, const double* first, const double* second, size_t n) const;

  private:
    LaplaceValues lambda_;
    std::vector<LaplaceValues> weight_;  ///< [polynomial][node]
};

}  // namespace schedbench
