// The law of the error delta = x0 - x0hat at one level, from which the cost of the 8-bit decoders follows for
// every variance. That cost depends on an element only through delta and on whether its byte is 0, 255 or
// between, so the three laws are enough; they are kept as counts in bins, with the first two moments of delta
// inside each bin.
//
// Bins grow with |delta|: a difference of delta matters only on the scale of the decoder's standard
// deviation, and an error of more than 7 of them costs the floor of 1e-12 anyhow (decoder.h). All sums are
// integers, so they do not depend on the order of images, blocks or ranks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "likelihood/decoder.h"

namespace schedbench {

class ErrorLaw {
  public:
    ErrorLaw() = default;
    /// For decoders with a variance of `smallest` or more and errors up to `largest`, beyond which all are
    /// taken for that large. The law then gives costs to 1e-4 bits, to 1e-6 where few errors are at the
    /// floor.
    ErrorLaw(double smallest, double largest);

    /// x0, error: n elements; 1 - |x0| < 1e-3 marks the two ends.
    void add(const double* x0, const double* error, size_t n);
    void add(const ErrorLaw& other);  ///< of the same bins

    int64_t count() const;
    /// Mean of -ln p in nats. Not for DecoderKind::density, whose cost needs the mean square only.
    double cost(double variance, DecoderKind kind) const;

    /// Bin by bin: number of errors, sum of u and of u^2, u = 4096 (|delta| - centre)/width rounded.
    using Bin = std::array<int64_t, 3>;
    const std::vector<Bin>& bins() const { return bins_; }
    std::vector<Bin>& bins() { return bins_; }

  private:
    double edge(size_t position) const;  ///< lower edge of |delta|

    double scale_ = 1;  ///< |delta| at which the first octave ends
    size_t half_ = 0;   ///< bins of one sign of one place
    std::vector<Bin>
        bins_{};  ///< [place][sign][half_]; place: byte 0, between, byte 255; sign: delta >= 0, < 0
};

}  // namespace schedbench
