#include "core/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace schedbench {
namespace {

// Known answers of Random123's own kat_vectors file for philox4x32-10.
TEST(Noise, WordsArePhilox4x32With10Rounds) {
    // key 0, counter 0 needs purpose 0, which has no name: cast it.
    const auto zero = noise_words({0, static_cast<NoisePurpose>(0)}, 0, 0, 0);
    EXPECT_EQ(zero, (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    const auto pi = noise_words({0x299f31d0a4093822, static_cast<NoisePurpose>(0x03)}, 0x00707344'13198a2eULL,
                                0x85a308d3, 0x243f6a88);
    EXPECT_EQ(pi, (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Noise, ElementsDoNotDependOnTheLengthOfTheDraw) {
    std::vector<float> whole(5000), part;
    fill_normals({42, NoisePurpose::latent}, 7, 3, whole);
    for (size_t n : {size_t{1}, size_t{3}, size_t{511}, size_t{512}, size_t{513}, size_t{4999}}) {
        part.assign(n, 0);
        fill_normals({42, NoisePurpose::latent}, 7, 3, part);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(part[i], whole[i]) << n << " " << i;
    }
}

// The contract of noise.h in double precision, from the words themselves.
std::array<double, 4> exact_normals(const std::array<uint32_t, 4>& words) {
    std::array<double, 4> out;
    for (size_t pair = 0; pair < 4; pair += 2) {
        const double u1 = static_cast<float>((words[pair] + 1.0) * 0x1p-32);
        const double u2 = static_cast<float>((words[pair + 1] + 1.0) * 0x1p-32);
        const double r = std::sqrt(-2 * std::log(u1));
        // cos and sin of 2 pi u2, about the nearest quarter turn so that zeros keep their relative accuracy.
        const double quarter = std::nearbyint(4 * u2), rest = (4 * u2 - quarter) * std::numbers::pi / 2;
        const double c = std::cos(rest), s = std::sin(rest);
        const int turns = static_cast<int>(quarter) % 4;
        const double cosines[4] = {c, -s, -c, s}, sines[4] = {s, c, -s, -c};
        out[pair] = r * cosines[turns];
        out[pair + 1] = r * sines[turns];
    }
    return out;
}

TEST(Noise, NormalsAreWithinFourUnitsInTheLastPlaceOfTheExactValue) {
    const NoiseKey key = {0x123456789abcdefULL, NoisePurpose::step};
    std::vector<float> normals(1 << 21);
    double worst = 0;
    for (uint64_t sample : {uint64_t{0}, (uint64_t{1} << 56) - 1}) {
        fill_normals(key, sample, 9, normals);
        for (uint32_t block = 0; block < normals.size() / 4; ++block) {
            const auto exact = exact_normals(noise_words(key, sample, 9, block));
            for (size_t j = 0; j < 4; ++j) {
                const double ulp = std::ldexp(1.0, std::max(-126, std::ilogb(exact[j])) - 23);
                worst =
                    std::max(worst, std::abs(static_cast<double>(normals[4 * block + j]) - exact[j]) / ulp);
            }
        }
    }
    EXPECT_LT(worst, 4);
    RecordProperty("worst_ulp", std::to_string(worst));
}

TEST(Noise, MomentsAndIndependenceOfStreams) {
    constexpr size_t n = 400000;
    std::vector<float> a(n), b(n);
    fill_normals({1, NoisePurpose::latent}, 0, 0, a);
    for (int stream = 0; stream < 4; ++stream) {
        fill_normals({stream == 0 ? 2u : 1u, stream == 1 ? NoisePurpose::step : NoisePurpose::latent},
                     stream == 2, stream == 3, b);
        double m1 = 0, m2 = 0, m3 = 0, m4 = 0, cross = 0;
        for (size_t i = 0; i < n; ++i) {
            const double x = b[i];
            ASSERT_TRUE(std::isfinite(x));
            m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x,
                cross += x * static_cast<double>(a[i]);
        }
        const double s = 1 / std::sqrt(static_cast<double>(n));
        EXPECT_NEAR(m1 / n, 0, 5 * s);
        EXPECT_NEAR(m2 / n, 1, 5 * s * std::sqrt(2.0));
        EXPECT_NEAR(m3 / n, 0, 5 * s * std::sqrt(15.0));
        EXPECT_NEAR(m4 / n, 3, 5 * s * std::sqrt(96.0));
        EXPECT_NEAR(cross / n, 0, 5 * s);
    }
}

TEST(Noise, IndicesAreUniform) {
    std::vector<int> counts(10);
    for (uint64_t i = 0; i < 100000; ++i) ++counts[noise_index({5, NoisePurpose::selection}, i, 0, 10)];
    for (int count : counts) EXPECT_NEAR(count, 10000, 5 * std::sqrt(9000.0));
}

}  // namespace
}  // namespace schedbench
