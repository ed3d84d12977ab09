#include "schedules/index_strides.h"

#include <algorithm>
#include <cmath>

namespace schedbench {

namespace {

/// k n / d rounded to the nearest integer, ties to even, in exact arithmetic.
int64_t round_ratio(int64_t numerator, int64_t denominator) {
    const int64_t quotient = numerator / denominator, twice = 2 * (numerator % denominator);
    if (twice != denominator) return quotient + (twice > denominator ? 1 : 0);
    return quotient + quotient % 2;
}

}  // namespace

std::vector<int64_t> even_indices(int64_t table_size, int64_t count) {
    if (count == 1) return {1};
    std::vector<int64_t> out;
    const double stride = static_cast<double>(table_size - 1) / static_cast<double>(count - 1);
    double position = 1;  // accumulated, as published; nearbyint rounds half to even
    for (int64_t k = 0; k < count; ++k, position += stride)
        out.push_back(static_cast<int64_t>(std::nearbyint(position)));
    return out;
}

std::vector<int64_t> even_kt_indices(int64_t table_size, int64_t count) {
    std::vector<int64_t> out;
    for (int64_t k = 1; k <= count; ++k) out.push_back(round_ratio(k * table_size, count));
    return out;
}

std::vector<int64_t> quadratic_indices(int64_t table_size, int64_t count) {
    std::vector<int64_t> out;
    for (int64_t k = 1; k <= count; ++k)
        out.push_back(
            std::max(round_ratio(table_size * k * k, count * count), out.empty() ? 1 : out.back() + 1));
    return out;
}

std::vector<int64_t> ddim_uniform_indices(int64_t table_size, int64_t count) {
    std::vector<int64_t> out;
    const int64_t stride = std::max<int64_t>(table_size / count, 1);
    for (int64_t t = 0; t < table_size; t += stride) out.push_back(t);
    return out;
}

std::vector<int64_t> ddim_quad_indices(int64_t table_size, int64_t count) {
    if (count == 1) return {0};
    std::vector<int64_t> out;
    const double last = std::sqrt(static_cast<double>(table_size) * 0.8);
    const double stride = last / static_cast<double>(count - 1);
    for (int64_t k = 0; k < count; ++k) {
        const double root = k + 1 == count ? last : static_cast<double>(k) * stride;
        out.push_back(static_cast<int64_t>(root * root));
    }
    return out;
}

std::vector<int64_t> linspace_indices(int64_t table_size, int64_t count, bool multistep) {
    const int64_t points = multistep ? count + 1 : count;
    if (points == 1) return {0};
    std::vector<int64_t> out;
    const double last = static_cast<double>(table_size - 1), stride = last / static_cast<double>(points - 1);
    for (int64_t k = multistep ? 1 : 0; k < points; ++k)
        out.push_back(
            static_cast<int64_t>(std::nearbyint(k + 1 == points ? last : static_cast<double>(k) * stride)));
    return out;
}

std::vector<int64_t> leading_indices(int64_t table_size, int64_t count, bool multistep) {
    std::vector<int64_t> out;
    const int64_t stride = table_size / (multistep ? count + 1 : count), first = multistep ? 1 : 0;
    for (int64_t k = 0; k < count; ++k) out.push_back((k + first) * stride);
    return out;
}

std::vector<int64_t> trailing_indices(int64_t table_size, int64_t count) {
    // numpy.arange(T, 0, -T/N): its length is ceil((0 - T) / step) and its values T + k ((T + step) - T), in
    // double.
    const double top = static_cast<double>(table_size), step = -top / static_cast<double>(count);
    const double delta = (top + step) - top;
    const int64_t length = static_cast<int64_t>(std::ceil((0 - top) / step));
    std::vector<int64_t> out;
    for (int64_t k = length - 1; k >= 0; --k)
        out.push_back(static_cast<int64_t>(std::nearbyint(top + static_cast<double>(k) * delta)) - 1);
    return out;
}

std::vector<int64_t> from_one(std::vector<int64_t> zero_based) {
    for (int64_t& index : zero_based) ++index;
    return zero_based;
}

}  // namespace schedbench
