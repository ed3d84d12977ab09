// The arithmetic of the noise contract (core/noise.h), for host code and for CUDA kernels alike: IEEE float32
// operations in a fixed order, and integers. It must be compiled without contraction to fused multiply-adds
// (-ffp-contract=off, nvcc -fmad=false) and with exact division and square root; then bits are equal
// everywhere.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define SCHEDBENCH_HOST_DEVICE __host__ __device__ inline
#else
#include <bit>
#include <cmath>
#define SCHEDBENCH_HOST_DEVICE inline
#endif
#if defined(__FAST_MATH__)
#error \
    "core/noise_arithmetic.h must not be compiled with -ffast-math: equal noise on every machine rests on it"
#endif

namespace schedbench::noise_arithmetic {

// The constants of Philox4x32 (Salmon et al. 2011, table 2).
constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9,
                   kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

// Box-Muller's polynomials, see radius_of() and turn().
constexpr float kLog[] = {0.1479048053f, 0.1999437707f, 0.3333334256f};
constexpr float kLn2High = 0x1.62ep-1f,
                kLn2Low = 0x1.0bfbe8p-15f;   // their sum is ln 2; e times the first is exact
constexpr uint32_t kRootHalf = 0x3F3504F3u;  // the bits of sqrt(1/2)
constexpr float kSine[] = {-0.0046016259f, 0.07968002267f, -0.6459634595f, -0x1.777a5cp-25f, 0x1.921fb6p+0f};
constexpr float kCosine[] = {0.0009033565463f, -0.02085993315f, 0.2536691822f, -1.23370054f};

SCHEDBENCH_HOST_DEVICE uint32_t bits_of(float x) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#elif defined(__CUDACC__)
    return __builtin_bit_cast(uint32_t, x);
#else
    return std::bit_cast<uint32_t>(x);
#endif
}

SCHEDBENCH_HOST_DEVICE float float_of(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#elif defined(__CUDACC__)
    return __builtin_bit_cast(float, bits);
#else
    return std::bit_cast<float>(bits);
#endif
}

SCHEDBENCH_HOST_DEVICE float root_of(float x) {
#if defined(__CUDA_ARCH__) || defined(__CUDACC__)
    return ::sqrtf(x);
#else
    return std::sqrt(x);
#endif
}

/// Four words: a counter that goes in, or the random words that come out.
struct FourWords {
    uint32_t w0, w1, w2, w3;
};

/// Philox4x32-10 (Salmon et al. 2011, section 3.3).
SCHEDBENCH_HOST_DEVICE FourWords philox(FourWords c, uint32_t key0, uint32_t key1) {
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 10
#endif
    for (int round = 0; round < kRounds; ++round) {
        const uint64_t p0 = uint64_t{kMultiplier0} * c.w0, p1 = uint64_t{kMultiplier1} * c.w2;
        c = {static_cast<uint32_t>(p1 >> 32) ^ c.w1 ^ key0, static_cast<uint32_t>(p1),
             static_cast<uint32_t>(p0 >> 32) ^ c.w3 ^ key1, static_cast<uint32_t>(p0)};
        key0 += kWeyl0;
        key1 += kWeyl1;
    }
    return c;
}

/// (w + 1) / 2^32 rounded once to float32, in (0, 1]: both halves of the word are exact, so only their sum
/// rounds.
SCHEDBENCH_HOST_DEVICE float unit_interval(uint32_t word) {
    const float high = static_cast<float>(static_cast<int32_t>(word >> 16)) * 65536.0f;
    const float low = static_cast<float>(static_cast<int32_t>((word & 0xFFFF) + 1));
    return (high + low) * 0x1p-32f;
}

/// sqrt(-2 ln u) for u in [2^-32, 1]. u = 2^e (1 + f) with 1 + f in [0.707, 1.414]; with s = f / (2 + f),
/// ln(1 + f) = 2 atanh(s) = f - s (f - 2 s^2 P(s^2)), where P is a minimax fit of (atanh(s)/s - 1)/s^2
/// (relative error 3e-7, which weighs 3e-9 in the logarithm).
SCHEDBENCH_HOST_DEVICE float normal_radius(float u) {
    const uint32_t shifted = bits_of(u) - kRootHalf;  // the exponent turns over at sqrt(1/2)
    const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
    const float f = float_of((shifted & 0x007FFFFFu) + kRootHalf) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float p = (kLog[0] * z + kLog[1]) * z + kLog[2];
    const float e = static_cast<float>(exponent);
    const float log = e * kLn2High + (f - (s * (f - 2.0f * z * p) - e * kLn2Low));
    return root_of(-2.0f * log);
}

struct Turn {
    float cos, sin;
};

/// cos(2 pi u) and sin(2 pi u) for u in [0, 1]: 4u = q + r with q whole and r in [-1/2, 1/2], exactly;
/// polynomials in r^2 (minimax, relative errors 3e-9 and 6e-11) give the first quarter turn, q the signs and
/// which is which.
SCHEDBENCH_HOST_DEVICE Turn turn(float u) {
    const float quarters = 4.0f * u;
    const int32_t q = static_cast<int32_t>(quarters + 0.5f);
    const float r = quarters - static_cast<float>(q);
    const float z = r * r;
    const float sine = r * kSine[4] + r * (z * ((kSine[0] * z + kSine[1]) * z + kSine[2]) + kSine[3]);
    const float cosine = 1.0f + z * (((kCosine[0] * z + kCosine[1]) * z + kCosine[2]) * z + kCosine[3]);
    const bool swap = (q & 1) != 0;
    const float c = swap ? sine : cosine, s = swap ? cosine : sine;
    // Quadrants 1 and 2 turn the sign of the cosine, 2 and 3 that of the sine.
    const uint32_t sign_c = (static_cast<uint32_t>(q + 1) & 2u) << 30,
                   sign_s = (static_cast<uint32_t>(q) & 2u) << 30;
    return {float_of(bits_of(c) ^ sign_c), float_of(bits_of(s) ^ sign_s)};
}

struct FourNormals {
    float n0, n1, n2, n3;
};

/// Box-Muller: words (0, 1) and (2, 3) of a block make elements (0, 1) and (2, 3).
SCHEDBENCH_HOST_DEVICE FourNormals normals_of(const FourWords& words) {
    const float ra = normal_radius(unit_interval(words.w0)), rb = normal_radius(unit_interval(words.w2));
    const Turn a = turn(unit_interval(words.w1)), b = turn(unit_interval(words.w3));
    return {ra * a.cos, ra * a.sin, rb * b.cos, rb * b.sin};
}

}  // namespace schedbench::noise_arithmetic
