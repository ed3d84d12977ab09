// What one thread of the noise kernel does, for host code too: a test runs it over all threads on the CPU.
#pragma once

#include "core/noise_arithmetic.h"

namespace schedbench {

struct NoiseJob {
    float* out;          ///< [rows, elements]
    const int64_t* ids;  ///< [rows]
    int64_t rows, elements;
    uint64_t seed;
    uint32_t purpose, draw;

    /// Blocks of four elements of one sample, the last one perhaps cut.
    SCHEDBENCH_HOST_DEVICE int64_t blocks() const { return (elements + 3) / 4; }

    /// Block `block` of row `row`, as fill_normals() of core/noise.h makes it.
    SCHEDBENCH_HOST_DEVICE void run(int64_t row, int64_t block) const {
        const uint64_t id = static_cast<uint64_t>(ids[row]);
        const noise_arithmetic::FourWords counter{static_cast<uint32_t>(block), draw,
                                                  static_cast<uint32_t>(id),
                                                  static_cast<uint32_t>(id >> 32) | (purpose << 24)};
        const noise_arithmetic::FourNormals n = noise_arithmetic::normals_of(noise_arithmetic::philox(
            counter, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)));
        float* const first = out + row * elements + block * 4;
        const int64_t left = elements - block * 4;
        first[0] = n.n0;
        if (left > 1) first[1] = n.n1;
        if (left > 2) first[2] = n.n2;
        if (left > 3) first[3] = n.n3;
    }
};

}  // namespace schedbench
