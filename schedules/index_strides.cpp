#include "schedules/index_strides.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace schedbench {

namespace {

/// k n / d rounded to the nearest integer, ties to even, in exact arithmetic.
int64_t round_ratio(int64_t numerator, int64_t denominator) {
    const int64_t quotient = numerator / denominator, twice = 2 * (numerator % denominator);
    if (twice != denominator) return quotient + (twice > denominator ? 1 : 0);
    return quotient + quotient % 2;
}

int64_t section_count(const std::string& text, const std::string& sections, const std::string& where) {
    int64_t count = 0;
    const char* end = text.data() + text.size();
    const auto [stop, fault] = std::from_chars(text.data(), end, count);
    if (fault != std::errc() || stop != end || count < 1)
        throw Error("spec",
                    "sections=" + sections + " is not a respacing: \"" + text + "\" is no positive count",
                    where, "say sections=10, sections='10,5,3' or sections=ddim25");
    return count;
}

std::vector<int64_t> whole_stride(int64_t table_size, int64_t count, const std::string& where) {
    for (int64_t stride = 1; stride < table_size; ++stride) {
        if ((table_size + stride - 1) / stride != count) continue;
        std::vector<int64_t> out;
        for (int64_t t = 0; t < table_size; t += stride) out.push_back(t);
        return out;
    }
    throw Error("spec",
                "sections=ddim" + std::to_string(count) + ": no whole stride takes that many of the " +
                    std::to_string(table_size) + " entries",
                where, "choose a count that divides T, or sections=" + std::to_string(count));
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

std::vector<int64_t> respacing_indices(int64_t table_size, const std::string& sections,
                                       const std::string& where) {
    if (sections.starts_with("ddim"))
        return whole_stride(table_size, section_count(sections.substr(4), sections, where), where);
    std::vector<int64_t> counts;
    for (size_t begin = 0, comma = 0; comma != std::string::npos; begin = comma + 1) {
        comma = sections.find(',', begin);
        counts.push_back(section_count(sections.substr(begin, comma - begin), sections, where));
    }
    const int64_t parts = static_cast<int64_t>(counts.size());
    std::vector<int64_t> out;
    int64_t start = 0;
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t size = table_size / parts + (part < table_size % parts ? 1 : 0);
        const int64_t count = counts[static_cast<size_t>(part)];
        if (size < count)
            throw Error("spec",
                        "sections=" + sections + ": part " + std::to_string(part + 1) + " of the table has " +
                            std::to_string(size) + " entries, fewer than the " + std::to_string(count) +
                            " asked for",
                        where, "ask for fewer");
        const double stride = count > 1 ? static_cast<double>(size - 1) / static_cast<double>(count - 1) : 1;
        double position = 0;  // accumulated, as published; nearbyint rounds half to even
        for (int64_t k = 0; k < count; ++k, position += stride)
            out.push_back(start + static_cast<int64_t>(std::nearbyint(position)));
        start += size;
    }
    return out;
}

std::vector<int64_t> from_one(std::vector<int64_t> zero_based) {
    for (int64_t& index : zero_based) ++index;
    return zero_based;
}

}  // namespace schedbench
