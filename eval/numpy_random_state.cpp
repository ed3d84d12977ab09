#include "eval/numpy_random_state.h"

#include <numeric>
#include <utility>

#include "core/error.h"

namespace schedbench {

std::vector<int64_t> NumpyRandomState::permutation(int64_t n) {
    SCHEDBENCH_ASSERT(n >= 0 && n <= int64_t{0xffffffff});
    std::vector<int64_t> out(static_cast<size_t>(n));
    std::iota(out.begin(), out.end(), int64_t{0});
    for (size_t i = out.size(); i-- > 1;) {
        size_t mask = i;
        for (const int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
        size_t j = 0;
        do j = generator_() & mask;
        while (j > i);
        std::swap(out[i], out[j]);
    }
    return out;
}

std::vector<int64_t> NumpyRandomState::choice(int64_t n, int64_t size) {
    SCHEDBENCH_ASSERT(size >= 0 && size <= n);
    std::vector<int64_t> out = permutation(n);
    out.resize(static_cast<size_t>(size));
    return out;
}

}  // namespace schedbench
