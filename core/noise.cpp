#include "core/noise.h"

#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace schedbench {

std::array<uint32_t, 4> noise_words(NoiseKey key, uint64_t sample, uint32_t draw, uint32_t block) {
    SCHEDBENCH_ASSERT(sample < (uint64_t{1} << 56));
    const r123::Philox4x32::ctr_type counter = {
        {block, draw, static_cast<uint32_t>(sample),
         static_cast<uint32_t>(sample >> 32) | (static_cast<uint32_t>(key.purpose) << 24)}};
    const r123::Philox4x32::key_type philox_key = {
        {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)}};
    const auto words = r123::Philox4x32()(counter, philox_key);
    return {words[0], words[1], words[2], words[3]};
}

namespace {

/// (w + 1) / 2^32 in float32: in (0, 1].
float unit_interval(uint32_t word) {
    return static_cast<float>((static_cast<double>(word) + 1.0) * 0x1p-32);
}

// The libm calls are spread over plain arrays so that the compiler may vectorise the arithmetic around them.
constexpr size_t kChunk = 256;

}  // namespace

void fill_normals(NoiseKey key, uint64_t sample, uint32_t draw, std::span<float> out) {
    float radius[kChunk], angle[kChunk];
    for (size_t start = 0; start < out.size(); start += 2 * kChunk) {
        const size_t count = std::min(2 * kChunk, out.size() - start);
        for (size_t i = 0; i < count; i += 4) {
            const auto words = noise_words(key, sample, draw, static_cast<uint32_t>((start + i) / 4));
            radius[i / 2] = unit_interval(words[0]);
            angle[i / 2] = unit_interval(words[1]);
            radius[i / 2 + 1] = unit_interval(words[2]);
            angle[i / 2 + 1] = unit_interval(words[3]);
        }
        const size_t pairs = (count + 1) / 2;
        for (size_t p = 0; p < pairs; ++p) {
            const float r = std::sqrt(-2.0f * std::log(radius[p]));
            const float theta = 2.0f * std::numbers::pi_v<float> * angle[p];
            out[start + 2 * p] = r * std::cos(theta);
            if (2 * p + 1 < count) out[start + 2 * p + 1] = r * std::sin(theta);
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
