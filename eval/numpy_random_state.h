// The legacy random numbers of NumPy (numpy.random.RandomState), as far as the conventions of published
// metric tools are defined by them: which rows form a subset, in which order logits are split.
//
// Source: M. Matsumoto and T. Nishimura, "Mersenne Twister" (1998), seeded by a single integer; NumPy
// reference, RandomState.permutation and .choice: the exchange shuffle from the last element down, its index
// drawn by masking to the next power of two and rejecting. NumPy has frozen this stream.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace schedbench {

class NumpyRandomState {
  public:
    explicit NumpyRandomState(uint32_t seed) : generator_(seed) {}
    /// RandomState.permutation(n): 0 <= n < 2^32.
    std::vector<int64_t> permutation(int64_t n);
    /// RandomState.choice(n, size, replace=False); size <= n.
    std::vector<int64_t> choice(int64_t n, int64_t size);

  private:
    std::mt19937 generator_;
};

}  // namespace schedbench
