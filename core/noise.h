// Counter-based noise: value = g(run seed, purpose, sample id, draw, element), and nothing else enters, so a
// draw does not depend on batch size, rank, order or device.
//
// Philox4x32-10 (Salmon et al. 2011, through Random123): key = run seed (low, high word), counter = (element
// / 4, draw, sample id low word, sample id high word (24 bits) with the purpose in its top 8 bits).
//
// The value contract. A word w is the uniform u = (w + 1) / 2^32, rounded once to float32, in (0, 1]. Words
// (0, 1) and (2, 3) of a block are (u1, u2) of two normals each, by Box-Muller: r cos(2 pi u2), then r sin(2
// pi u2), with r = sqrt(-2 ln u1). Logarithm, sine and cosine are the project's own float32 polynomials, made
// of IEEE operations in a fixed order: bits do not depend on the C library, the compiler, the instruction
// set, or the length of the draw, and lie within 4 units in the last place of the exact value for these u1,
// u2. Another device must meet the same 4 units, not the same bits. The angle is reduced exactly (u2 is a
// fraction of a turn).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace schedbench {

/// Keeps streams of different use apart under one seed.
enum class NoisePurpose : uint8_t {
    latent = 1,
    step = 2,
    probe = 3,
    label = 4,
    training = 5,
    initialisation = 6,
    selection = 7
};

struct NoiseKey {
    uint64_t seed = 0;
    NoisePurpose purpose = NoisePurpose::latent;
};

/// The four raw words of block `block` (elements 4*block .. 4*block+3) of one draw. sample < 2^56.
std::array<uint32_t, 4> noise_words(NoiseKey key, uint64_t sample, uint32_t draw, uint32_t block);

/// out[e] = standard normal of element e of (sample, draw), float32.
void fill_normals(NoiseKey key, uint64_t sample, uint32_t draw, std::span<float> out);

/// out[e] = uniform in (0, 1] of element e of (sample, draw), multiples of 2^-24... 2^-32 rounded to float32.
void fill_uniforms(NoiseKey key, uint64_t sample, uint32_t draw, std::span<float> out);

/// An unbiased integer in [0, bound): word 0 of the draw by multiply-shift of 64 bits (bias below 2^-32).
uint64_t noise_index(NoiseKey key, uint64_t sample, uint32_t draw, uint64_t bound);

}  // namespace schedbench
