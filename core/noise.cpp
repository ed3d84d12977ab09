#include "core/noise.h"

#include <Random123/philox.h>

#include <algorithm>

#include "core/error.h"
#include "core/noise_arithmetic.h"

// The loops below are compiled once for each of these instruction sets and chosen when the program starts.
// All of them give equal bits: only +, -, *, / and sqrt of IEEE float32 are used, in an order that is written
// out, and this file is compiled without contraction to fused multiply-adds (core/CMakeLists.txt).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define SCHEDBENCH_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SCHEDBENCH_VECTOR_CLONES
#endif

namespace schedbench {
namespace {

using namespace noise_arithmetic;

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

/// Of `count` counters that differ in the block index only, so that neighbouring blocks fill vector
/// registers. The same function as noise_words(), which calls Random123.
SCHEDBENCH_VECTOR_CLONES
void philox_blocks(const Stream& stream, uint32_t first, size_t count, Words& out) {
    const Stream s = stream;
    for (size_t i = 0; i < count; ++i) {
        const FourWords w =
            philox({first + static_cast<uint32_t>(i), s.draw, s.sample_low, s.sample_high}, s.key0, s.key1);
        out.w0[i] = w.w0, out.w1[i] = w.w1, out.w2[i] = w.w2, out.w3[i] = w.w3;
    }
}

SCHEDBENCH_VECTOR_CLONES
void normals_of_words(const Words& words, size_t count, float* __restrict out) {
    for (size_t i = 0; i < count; ++i) {
        const FourNormals n = normals_of({words.w0[i], words.w1[i], words.w2[i], words.w3[i]});
        out[4 * i] = n.n0;
        out[4 * i + 1] = n.n1;
        out[4 * i + 2] = n.n2;
        out[4 * i + 3] = n.n3;
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
