#include "likelihood/error_law.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "likelihood/image_terms.h"

namespace schedbench {

namespace {

constexpr int kBitsPerOctave = 5;  // 32 bins while 1 + |delta|/scale doubles
constexpr size_t kMaxOctaves = 16;
constexpr double kSteps = 4096;  // places inside a bin

/// Bins in y = 1 + |delta|/scale, which are the same for every law: the bits of a double in [1, 2^16) count
/// octaves, and places inside an octave, from those of 1 on. Lower edge of bin p.
double grid_edge(size_t p) {
    return std::bit_cast<double>((static_cast<uint64_t>(p) << (52 - kBitsPerOctave)) +
                                 std::bit_cast<uint64_t>(1.0));
}

}  // namespace

ErrorLaw::ErrorLaw(double smallest, double largest) : scale_(4 * std::sqrt(smallest)) {
    SCHEDBENCH_ASSERT(smallest > 0 && largest > 0);
    const double octaves = std::ceil(std::log2(1 + largest / scale_));
    half_ = std::clamp<size_t>(static_cast<size_t>(octaves), 1, kMaxOctaves) << kBitsPerOctave;
    bins_.resize(6 * half_, Bin{});
}

double ErrorLaw::edge(size_t position) const {
    return (grid_edge(position) - 1) * scale_;
}

void ErrorLaw::add(const double* x0, const double* error, size_t n) {
    constexpr size_t kChunk = 256;
    std::array<uint64_t, kChunk> position;
    std::array<int64_t, kChunk> step;
    for (size_t first = 0; first < n; first += kChunk) {
        const size_t count = std::min(kChunk, n - first);
        law_positions(x0 + first, error + first, 1 / scale_, kBitsPerOctave, half_, count, position.data(),
                      step.data());
        for (size_t i = 0; i < count; ++i) {
            Bin& bin = bins_[position[i]];
            ++bin[0];
            bin[1] += step[i];
            bin[2] += step[i] * step[i];
        }
    }
}

void ErrorLaw::add(const ErrorLaw& other) {
    SCHEDBENCH_ASSERT(other.bins_.size() == bins_.size() && other.scale_ == scale_);
    for (size_t i = 0; i < bins_.size(); ++i)
        for (size_t j = 0; j < 3; ++j) bins_[i][j] += other.bins_[i][j];
}

int64_t ErrorLaw::count() const {
    int64_t sum = 0;
    for (const Bin& bin : bins_) sum += bin[0];
    return sum;
}

double ErrorLaw::cost(double variance, DecoderKind kind) const {
    // Inside a bin: three points with the mean and variance that were found, and the higher moments of a flat
    // law.
    static const double spread = std::sqrt(1.8);
    const double inverse = 1 / std::sqrt(variance);
    double sum = 0;
    int64_t total = 0;
    for (size_t i = 0; i < bins_.size(); ++i) {
        const auto [count, first, second] = bins_[i];
        if (count == 0) continue;
        const size_t place = i / (2 * half_), p = i % half_;
        const double sign = i / half_ % 2 == 0 ? 1 : -1, step = (edge(p + 1) - edge(p)) / kSteps;
        const double n = static_cast<double>(count), mean = static_cast<double>(first) / n;
        const double width = std::sqrt(std::max(0.0, static_cast<double>(second) / n - mean * mean));
        const double centre = (edge(p) + edge(p + 1)) / 2 + mean * step, reach = spread * width * step;
        const auto at = [&](double magnitude) {
            return element_cost(static_cast<BytePlace>(place), sign * magnitude, inverse, kind);
        };
        sum += n * (width > 0 ? (8 * at(centre) + 5 * (at(centre - reach) + at(centre + reach))) / 18
                              : at(centre));
        total += count;
    }
    SCHEDBENCH_ASSERT(total > 0);
    return sum / static_cast<double>(total);
}

}  // namespace schedbench
