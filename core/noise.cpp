#include "core/noise.h"

#include <Random123/philox.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"

// The loops below are compiled once for each of these instruction sets and chosen when the program starts.
// All of them give equal bits: only +, -, *, / and sqrt of IEEE float32 are used, in an order that is written
// out, and this file is compiled without contraction to fused multiply-adds (core/CMakeLists.txt).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define SCHEDBENCH_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SCHEDBENCH_VECTOR_CLONES
#endif
#if defined(__FAST_MATH__)
#error "core/noise.cpp must not be compiled with -ffast-math: equal noise on every machine rests on it"
#endif

namespace schedbench {
namespace {

/// Blocks of four words handled at a time; the four arrays of words stay in the first cache.
constexpr size_t kBlocks = 128;

struct Words {
    alignas(64) uint32_t w0[kBlocks], w1[kBlocks], w2[kBlocks], w3[kBlocks];
};

/// The counter without its block index, and the key, of one draw.
struct Stream {
    uint32_t draw, sample_low, sample_high, key0, key1;
};

Stream stream_of(NoiseKey key, uint64_t sample, uint32_t draw) {
    SCHEDBENCH_ASSERT(sample < (uint64_t{1} << 56));
    return {draw, static_cast<uint32_t>(sample),
            static_cast<uint32_t>(sample >> 32) | (static_cast<uint32_t>(key.purpose) << 24),
            static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
}

/// Philox4x32-10 (Salmon et al. 2011, section 3.3) of `count` counters that differ in the block index only.
/// The same function as noise_words(), which calls Random123; written out so that neighbouring blocks fill
/// vector registers.
SCHEDBENCH_VECTOR_CLONES
void philox_blocks(const Stream& stream, uint32_t first, size_t count, Words& out) {
    const Stream s = stream;
    for (size_t i = 0; i < count; ++i) {
        uint32_t c0 = first + static_cast<uint32_t>(i), c1 = s.draw, c2 = s.sample_low, c3 = s.sample_high;
        uint32_t key0 = s.key0, key1 = s.key1;
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round) {
            const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
            c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
            c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
            c1 = static_cast<uint32_t>(p1);
            c3 = static_cast<uint32_t>(p0);
            key0 += 0x9E3779B9, key1 += 0xBB67AE85;
        }
        out.w0[i] = c0, out.w1[i] = c1, out.w2[i] = c2, out.w3[i] = c3;
    }
}

/// (w + 1) / 2^32 rounded once to float32, in (0, 1]: both halves of the word are exact, so only their sum
/// rounds.
inline float unit_interval(uint32_t word) {
    const float high = static_cast<float>(static_cast<int32_t>(word >> 16)) * 65536.0f;
    const float low = static_cast<float>(static_cast<int32_t>((word & 0xFFFF) + 1));
    return (high + low) * 0x1p-32f;
}

/// sqrt(-2 ln u) for u in [2^-32, 1]. u = 2^e (1 + f) with 1 + f in [0.707, 1.414]; with s = f / (2 + f),
/// ln(1 + f) = 2 atanh(s) = f - s (f - 2 s^2 P(s^2)), where P is a minimax fit of (atanh(s)/s - 1)/s^2
/// (relative error 3e-7, which weighs 3e-9 in the logarithm).
inline float normal_radius(float u) {
    const uint32_t bits = std::bit_cast<uint32_t>(u);
    const uint32_t shifted = bits - 0x3F3504F3u;  // sqrt(1/2): the exponent turns over there
    const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
    const float f = std::bit_cast<float>((shifted & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float p = (0.1479048053f * z + 0.1999437707f) * z + 0.3333334256f;
    const float e = static_cast<float>(exponent);
    // ln 2 in two parts: e times the first is exact.
    const float log = e * 0x1.62ep-1f + (f - (s * (f - 2.0f * z * p) - e * 0x1.0bfbe8p-15f));
    return std::sqrt(-2.0f * log);
}

struct Turn {
    float cos, sin;
};

/// cos(2 pi u) and sin(2 pi u) for u in [0, 1]: 4u = q + r with q whole and r in [-1/2, 1/2], exactly;
/// polynomials in r^2 (minimax, relative errors 3e-9 and 6e-11) give the first quarter turn, q the signs and
/// which is which.
inline Turn turn(float u) {
    const float quarters = 4.0f * u;
    const int32_t q = static_cast<int32_t>(quarters + 0.5f);
    const float r = quarters - static_cast<float>(q);
    const float z = r * r;
    const float sine =
        r * 0x1.921fb6p+0f +
        r * (z * ((-0.0046016259f * z + 0.07968002267f) * z - 0.6459634595f) - 0x1.777a5dp-25f);
    const float cosine =
        1.0f + z * (((0.0009033565463f * z - 0.02085993315f) * z + 0.2536691822f) * z - 1.23370054f);
    const bool swap = (q & 1) != 0;
    const float c = swap ? sine : cosine, s = swap ? cosine : sine;
    // Quadrants 1 and 2 turn the sign of the cosine, 2 and 3 that of the sine.
    const uint32_t sign_c = (static_cast<uint32_t>(q + 1) & 2u) << 30,
                   sign_s = (static_cast<uint32_t>(q) & 2u) << 30;
    return {std::bit_cast<float>(std::bit_cast<uint32_t>(c) ^ sign_c),
            std::bit_cast<float>(std::bit_cast<uint32_t>(s) ^ sign_s)};
}

/// Box-Muller: words (0, 1) and (2, 3) of each block make elements (0, 1) and (2, 3).
SCHEDBENCH_VECTOR_CLONES
void normals_of_words(const Words& words, size_t count, float* __restrict out) {
    for (size_t i = 0; i < count; ++i) {
        const float ra = normal_radius(unit_interval(words.w0[i])),
                    rb = normal_radius(unit_interval(words.w2[i]));
        const Turn a = turn(unit_interval(words.w1[i])), b = turn(unit_interval(words.w3[i]));
        out[4 * i] = ra * a.cos;
        out[4 * i + 1] = ra * a.sin;
        out[4 * i + 2] = rb * b.cos;
        out[4 * i + 3] = rb * b.sin;
    }
}

}  // namespace

std::array<uint32_t, 4> noise_words(NoiseKey key, uint64_t sample, uint32_t draw, uint32_t block) {
    const Stream s = stream_of(key, sample, draw);
    const r123::Philox4x32::ctr_type counter = {{block, s.draw, s.sample_low, s.sample_high}};
    const r123::Philox4x32::key_type philox_key = {{s.key0, s.key1}};
    const auto words = r123::Philox4x32()(counter, philox_key);
    return {words[0], words[1], words[2], words[3]};
}

void fill_normals(NoiseKey key, uint64_t sample, uint32_t draw, std::span<float> out) {
    const Stream stream = stream_of(key, sample, draw);
    Words words;
    for (size_t start = 0; start < out.size(); start += 4 * kBlocks) {
        const size_t left = out.size() - start;
        const size_t blocks = std::min(kBlocks, (left + 3) / 4);
        philox_blocks(stream, static_cast<uint32_t>(start / 4), blocks, words);
        if (left >= 4 * blocks) {
            normals_of_words(words, blocks, out.data() + start);
        } else {
            float last[4 * kBlocks];
            normals_of_words(words, blocks, last);
            std::copy_n(last, left, out.data() + start);
        }
    }
}

void fill_uniforms(NoiseKey key, uint64_t sample, uint32_t draw, std::span<float> out) {
    for (size_t i = 0; i < out.size(); i += 4) {
        const auto words = noise_words(key, sample, draw, static_cast<uint32_t>(i / 4));
        for (size_t j = 0; j < std::min<size_t>(4, out.size() - i); ++j) out[i + j] = unit_interval(words[j]);
    }
}

uint64_t noise_index(NoiseKey key, uint64_t sample, uint32_t draw, uint64_t bound) {
    const auto words = noise_words(key, sample, draw, 0);
    const uint64_t word = (static_cast<uint64_t>(words[0]) << 32) | words[1];
    __extension__ using uint128 = unsigned __int128;
    return static_cast<uint64_t>((static_cast<uint128>(word) * bound) >> 64);
}

}  // namespace schedbench
