#include "likelihood/image_terms.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#define SCHEDBENCH_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))

namespace schedbench {

namespace {

constexpr size_t kLanes = 16;   // running sums that the vectoriser may keep apart
constexpr size_t kChunk = 256;  // elements between two looks at the logarithm
constexpr double kHalfBin = 1.0 / 255, kFloor = 1e-12;
constexpr size_t kPolynomials = 36;             // at most
constexpr double kCentre = 0.5, kRadius = 0.6;  // range of v that the polynomials cover

/// e^x for |x| <= 700 to 1e-15: 2^k times the Taylor polynomial on |r| <= ln(2)/2.
inline double exponential(double x) {
    constexpr double magic = 0x1.8p52;  // adding it rounds to an integer, which then stands in the low bits
    const double shifted = x * 0x1.71547652b82fep0 + magic;
    const double k = shifted - magic;
    const double r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
    double p = 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    return p * std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
}

/// The exponent of the tanh form: Phi(z) = 1/(1 + e^{-u}), u = 2 sqrt(2/pi) (z + 0.044715 z^3).
inline double steep(double z) {
    return 1.5957691216057308 * z * (1 + 0.044715 * z * z);
}

inline double bounded(double x) {
    const double low = x < -700 ? -700 : x;
    return low > 700 ? 700 : low;
}

/// P of each element, at least the floor.
SCHEDBENCH_VECTOR_CLONES
void probabilities(const double* x0, const double* error, const double* inverse, double* out, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        // Between the ends P does not change under a reflection, after which both exponentials are small
        // numbers.
        const double size = std::abs(error[i]), far = (size + kHalfBin) * inverse[i],
                     near = (size - kHalfBin) * inverse[i];
        const bool lower = x0[i]<-0.999, upper = x0[i]> 0.999, open = lower | upper;
        const double towards = lower ? error[i] : -error[i];
        const double single = steep((towards + kHalfBin) * inverse[i]);
        const double a = exponential(bounded(open ? single : -steep(near)));
        const double all = exponential(bounded(-steep(far)));
        const double b = open ? 0 : all;
        const double p = (a - b) / ((1 + a) * (1 + b));
        out[i] = p > kFloor ? p : kFloor;
    }
}

SCHEDBENCH_VECTOR_CLONES
void inverse_sd(const double* v, double slope, double offset, double* out, size_t n) {
    for (size_t i = 0; i < n; ++i) out[i] = exponential(bounded(slope * v[i] + offset));
}

SCHEDBENCH_VECTOR_CLONES
double distance_sum(const double* a, const double* b, size_t n) {
    double lane[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (size_t l = 0; l < kLanes; ++l) lane[l] += (a[i + l] - b[i + l]) * (a[i + l] - b[i + l]);
    double sum = 0;
    for (; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    for (double part : lane) sum += part;
    return sum;
}

SCHEDBENCH_VECTOR_CLONES
void errors(const double* __restrict x0, const double* __restrict hat, double limit,
            double* __restrict clipped, double* __restrict error, double* __restrict square, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const double low = hat[i] < -limit ? -limit : hat[i];
        clipped[i] = low > limit ? limit : low;
        error[i] = x0[i] - clipped[i];
        square[i] = error[i] * error[i];
    }
}

SCHEDBENCH_VECTOR_CLONES
void positions(const double* __restrict x0, const double* __restrict error, double inverse, int shift,
               uint64_t half, size_t n, uint64_t* __restrict bin, int64_t* __restrict step) {
    const uint64_t one = std::bit_cast<uint64_t>(1.0), inside = (uint64_t{1} << shift) - 1;
    for (size_t i = 0; i < n; ++i) {
        const uint64_t bits = std::bit_cast<uint64_t>(1 + std::abs(error[i]) * inverse) - one;
        const uint64_t position = bits >> shift;
        const uint64_t rounded = ((bits & inside) + (uint64_t{1} << (shift - 13))) >> (shift - 12);
        const bool beyond = position >= half;
        const uint64_t place = static_cast<uint64_t>(x0[i] >= -0.999) + static_cast<uint64_t>(x0[i] > 0.999);
        bin[i] = (2 * place + static_cast<uint64_t>(error[i] < 0)) * half + (beyond ? half - 1 : position);
        step[i] = beyond ? 2048 : static_cast<int64_t>(rounded) - 2048;
    }
}

/// 16 products of 16: each is at least 1e-192.
SCHEDBENCH_VECTOR_CLONES
void multiply(const double* p, double* product) {
    for (size_t l = 0; l < kLanes; ++l) product[l] = p[l];
    for (size_t row = kLanes; row < kChunk; row += kLanes)
        for (size_t l = 0; l < kLanes; ++l) product[l] *= p[row + l];
}

using Lanes = std::array<double, kLanes>;
struct alignas(64) Moments {
    std::array<Lanes, kPolynomials> plain, first, second;
};
struct alignas(64) Elements {
    Lanes x, first, second;  ///< x = (v - centre)/radius, two weights
};

/// Adds the first polynomials of 16 elements.
SCHEDBENCH_VECTOR_CLONES
void add_polynomials(const Elements& e, size_t polynomials, Moments& m) {
    alignas(64) double before[kLanes], now[kLanes], twice[kLanes], first[kLanes], second[kLanes];
    for (size_t l = 0; l < kLanes; ++l) {
        before[l] = e.x[l];  // T_{-1} = T_1
        now[l] = 1;
        twice[l] = 2 * e.x[l];
        first[l] = e.first[l];
        second[l] = e.second[l];
    }
    for (size_t k = 0; k < polynomials; ++k) {
        double *__restrict plain = m.plain[k].data(), *__restrict a = m.first[k].data(),
                           *__restrict b = m.second[k].data();
        for (size_t l = 0; l < kLanes; ++l) {
            plain[l] += now[l];
            a[l] += first[l] * now[l];
            b[l] += second[l] * now[l];
            const double next = twice[l] * now[l] - before[l];
            before[l] = now[l];
            now[l] = next;
        }
    }
}

double total(const Lanes& lanes) {
    double sum = 0;
    for (double part : lanes) sum += part;
    return sum;
}

}  // namespace

void find_errors(const double* x0, const double* hat, bool clip, size_t n, Errors& out) {
    out.hat.resize(n);
    out.error.resize(n);
    out.square.resize(n);
    const double limit = clip ? 1 : std::numeric_limits<double>::infinity();
    errors(x0, hat, limit, out.hat.data(), out.error.data(), out.square.data(), n);
}

double squared_distance(const double* a, const double* b, size_t n) {
    return distance_sum(a, b, n);
}

double tanh_decoder_sum(const double* x0, const double* error, const double* inverse, size_t n) {
    double sum = 0;
    std::array<double, kChunk> p;
    std::array<double, kLanes> product;
    for (size_t i = 0; i < n; i += kChunk) {
        const size_t count = std::min(kChunk, n - i);
        probabilities(x0 + i, error + i, inverse + i, p.data(), count);
        std::fill(p.begin() + static_cast<std::ptrdiff_t>(count), p.end(), 1.0);
        multiply(p.data(), product.data());
        for (double q : product) sum -= std::log(q);
    }
    return sum;
}

void law_positions(const double* x0, const double* error, double inverse, int bits_per_octave, uint64_t half,
                   size_t n, uint64_t* bin, int64_t* step) {
    positions(x0, error, inverse, 52 - bits_per_octave, half, n, bin, step);
}

void learned_inverse_sd(const double* v, double ln_large, double ln_small, double* inverse, size_t n) {
    inverse_sd(v, (ln_small - ln_large) / 2, -ln_small / 2, inverse, n);
}

namespace {

/// e^{-x} I_k(x) for k < kPolynomials, by the recurrence I_{k-1} = I_{k+1} + (2k/x) I_k from far above, where
/// any start will do, scaled by I_0 + 2 (I_1 + I_2 + ..) = e^x (Miller). x <= 20.
std::array<double, kPolynomials> bessel(double x) {
    std::array<double, kPolynomials> out{};
    if (x < 1e-9) {
        out[0] = 1;
        return out;
    }
    double above = 0, now = 1e-200, sum = 0;
    for (int k = 2 * static_cast<int>(kPolynomials); k >= 0; --k) {
        if (k < static_cast<int>(kPolynomials)) out[static_cast<size_t>(k)] = now;
        sum += k == 0 ? now : 2 * now;
        const double below = above + 2 * k / x * now;
        above = now;
        now = below;
        if (now < 1e200) continue;
        for (double* value : {&above, &now, &sum}) *value *= 1e-200;
        for (double& value : out) value *= 1e-200;
    }
    for (double& value : out) value /= sum;
    return out;
}

}  // namespace

LaplaceSums::LaplaceSums(const LaplaceValues& lambda) : lambda_(lambda) {
    std::array<std::array<double, kPolynomials>, kLaplaceNodes> scaled;
    for (size_t j = 0; j < lambda.size(); ++j) scaled[j] = bessel(kRadius * lambda[j]);
    // As many as the longest step needs: 1e-13 of the smallest sum there can be, e^{-lambda (centre +
    // radius)}.
    for (size_t k = 0; k < kPolynomials; ++k) {
        LaplaceValues row{};
        double largest = 0;
        for (size_t j = 0; j < lambda.size(); ++j) {
            row[j] = (k == 0 ? 1 : 2) * (k % 2 == 0 ? 1 : -1) * scaled[j][k] *
                     std::exp((kRadius - kCentre) * lambda[j]);
            largest = std::max(largest, scaled[j][k] * std::exp(2 * kRadius * lambda[j]));
        }
        if (k > 0 && largest < 1e-13) break;
        weight_.push_back(row);
    }
}

LaplaceSums::Sums LaplaceSums::operator()(const double* v, const double* first, const double* second,
                                          size_t n) const {
    Sums out;
    Moments moments{};
    int64_t idle = 0;  // lanes that held x = 0 instead of an element
    for (size_t start = 0; start < n; start += kLanes) {
        const size_t count = std::min(kLanes, n - start);
        Elements e{};
        for (size_t l = 0; l < count; ++l) {
            const double value = v[start + l], x = (value - kCentre) / kRadius;
            const bool covered = std::abs(x) <= 1;
            e.x[l] = covered ? x : 0;
            e.first[l] = covered ? first[start + l] : 0;
            e.second[l] = covered ? second[start + l] : 0;
            out.v += value;
            idle += covered ? 0 : 1;
        }
        idle += static_cast<int64_t>(kLanes - count);
        add_polynomials(e, weight_.size(), moments);
    }
    for (size_t i = 0; i < n; ++i) {
        if (std::abs((v[i] - kCentre) / kRadius) <= 1) continue;
        for (size_t j = 0; j < lambda_.size(); ++j) {
            const double e = std::exp(-lambda_[j] * v[i]);
            out.plain[j] += e;
            out.first[j] += e * first[i];
            out.second[j] += e * second[i];
        }
    }
    for (size_t k = 0; k < weight_.size(); ++k) {
        const double at_zero = k % 2 == 1 ? 0 : k % 4 == 0 ? 1 : -1;
        const double plain = total(moments.plain[k]) - at_zero * static_cast<double>(idle);
        const double a = total(moments.first[k]), b = total(moments.second[k]);
        for (size_t j = 0; j < lambda_.size(); ++j) {
            out.plain[j] += weight_[k][j] * plain;
            out.first[j] += weight_[k][j] * a;
            out.second[j] += weight_[k][j] * b;
        }
    }
    return out;
}

}  // namespace schedbench
