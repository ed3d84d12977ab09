// Schedules that choose entries of a discrete noise table. Indices here run 1..T; papers and libraries that
// count from 0 are shifted by one. The rounding of each published procedure is kept to the letter, because a
// list that differs in one entry is another schedule.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "schedules/index_strides.h"
#include "schedules/schedule_family.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

/// k n / d rounded to the nearest integer, ties to even, in exact arithmetic.
int64_t round_ratio(int64_t numerator, int64_t denominator) {
    const int64_t quotient = numerator / denominator, twice = 2 * (numerator % denominator);
    if (twice != denominator) return quotient + (twice > denominator ? 1 : 0);
    return quotient + quotient % 2;
}

std::vector<int64_t> shifted(std::vector<int64_t> zero_based) {
    for (int64_t& index : zero_based) ++index;
    return zero_based;
}

std::vector<int64_t> even(const FamilyContext& c) {
    return even_indices(c.process.table_size(), c.count);
}
std::vector<int64_t> even_kt(const FamilyContext& c) {
    return even_kt_indices(c.process.table_size(), c.count);
}
std::vector<int64_t> quadratic(const FamilyContext& c) {
    return quadratic_indices(c.process.table_size(), c.count);
}
std::vector<int64_t> ddim_uniform(const FamilyContext& c) {
    return shifted(ddim_uniform_indices(c.process.table_size(), c.count));
}
std::vector<int64_t> ddim_quad(const FamilyContext& c) {
    return shifted(ddim_quad_indices(c.process.table_size(), c.count));
}
std::vector<int64_t> linspace(const FamilyContext& c) {
    return shifted(linspace_indices(c.process.table_size(), c.count, c.spec.flag("multistep")));
}
std::vector<int64_t> leading(const FamilyContext& c) {
    const int64_t offset = c.spec.integer("offset");
    std::vector<int64_t> out =
        shifted(leading_indices(c.process.table_size(), c.count, c.spec.flag("multistep")));
    for (int64_t& index : out) index += offset;
    return out;
}
std::vector<int64_t> trailing(const FamilyContext& c) {
    std::vector<int64_t> out = shifted(trailing_indices(c.process.table_size(), c.count));
    // At some counts the published procedure returns one entry too many, -1 counted from 0: that is the data
    // itself.
    if (out.front() == 0) out.erase(out.begin());
    return out;
}

const SpecParam kMultistep = {"multistep", Type::flag, "false",
                              "true: the form of the multistep solvers, which leave out index 1"};

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

const std::vector<ScheduleFamily>& index_families() {
    static const std::vector<ScheduleFamily> list = {
        {index_entry({"even",
                      "from index 1 to T in equal strides, rounded half to even",
                      "Nichol and Dhariwal 2021, section 4 (respacing)",
                      {}}),
         "index", nullptr, even},
        {index_entry({"even-kt",
                      "round(k T/N), half to even: the data is node 0",
                      "Watson et al. 2021, section 4",
                      {}}),
         "index", nullptr, even_kt},
        {index_entry({"quadratic",
                      "round(T (k/N)^2), repeated entries moved up by one",
                      "Watson et al. 2021, section 4",
                      {}}),
         "sqrt index", nullptr, quadratic},
        {index_entry({"ddim-uniform",
                      "1, 1 + s, 1 + 2s, ... with s = floor(T/N); exact only if N divides T",
                      "Song et al. 2020 (DDIM), appendix D.2",
                      {}}),
         "index", nullptr, ddim_uniform},
        {index_entry({"ddim-quad",
                      "squares of an even grid up to sqrt(0.8 T), truncated; never reaches T",
                      "Song et al. 2020 (DDIM), appendix D.2",
                      {}}),
         "sqrt index", nullptr, ddim_quad},
        {index_entry({"linspace",
                      "even from index 1 to T, rounded half to even",
                      "Lin et al. 2023, table 2",
                      {kMultistep}}),
         "index", nullptr, linspace},
        {index_entry({"leading",
                      "multiples of floor(T/N) from index 1; never reaches T",
                      "Lin et al. 2023, table 2",
                      {kMultistep, {"offset", Type::integer, "0", "added to every index"}}}),
         "index", nullptr, leading},
        {index_entry({"trailing",
                      "from T downwards in strides of T/N, rounded half to even",
                      "Lin et al. 2023, table 2",
                      {}}),
         "index", nullptr, trailing},
    };
    return list;
}

}  // namespace schedbench
