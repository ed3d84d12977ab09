#include "schedules/iddpm_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

/// abar_j as the original forms it: an integer tensor times a Python number is single precision, from there
/// on all is. The sine is the correctly rounded one; that of a vendor's library may differ in the last place,
/// which moves single levels by up to 1.3e-5 (relative).
float single_abar(int64_t j, int64_t table_size, double c2) {
    const float quarter = static_cast<float>(0.5 * std::numbers::pi);
    const float angle =
        quarter * static_cast<float>(j) / static_cast<float>(table_size) / static_cast<float>(c2 + 1);
    const float root = static_cast<float>(std::sin(static_cast<double>(angle)));
    return root * root;
}

}  // namespace

std::vector<double> iddpm_levels(int64_t table_size, double c1, double c2, IddpmTable kind,
                                 const std::string& where) {
    if (table_size < 1 || table_size > 1'000'000)
        throw Error("number", "M must lie between 1 and 1000000, not " + std::to_string(table_size), where,
                    "M is the number of entries of the table");
    if (!(c1 > 0 && c1 < 1))
        throw Error("number", "C1 must lie between 0 and 1, not " + format_number(c1), where,
                    "published: C1=0.001");
    if (!(c2 > 0) || !std::isfinite(c2))
        throw Error("number", "C2 must be positive, not " + format_number(c2), where, "published: C2=0.008");
    std::vector<double> levels(static_cast<size_t>(table_size) + 1, 0);
    const double step = 0.5 * std::numbers::pi / static_cast<double>(table_size) / (1 + c2);
    double square = 0;
    for (int64_t j = table_size; j >= 1; --j) {
        if (kind == IddpmTable::float32) {
            const float ratio = single_abar(j - 1, table_size, c2) / single_abar(j, table_size, c2);
            const double level = levels[static_cast<size_t>(j)];
            levels[static_cast<size_t>(j - 1)] = std::sqrt(
                (level * level + 1) / static_cast<double>(std::max(ratio, static_cast<float>(c1))) - 1);
            continue;
        }
        // 1 - sin^2 a/sin^2 b = sin(b - a) sin(b + a)/sin^2 b for neighbouring angles a < b: no difference of
        // numbers near 1.
        const double b = step * static_cast<double>(j), sine = std::sin(b);
        const double lost = std::min(
            std::sin(step) * std::sin(step * static_cast<double>(2 * j - 1)) / (sine * sine), 1 - c1);
        square = (square + lost) / (1 - lost);
        levels[static_cast<size_t>(j - 1)] = std::sqrt(square);
    }
    return levels;
}

}  // namespace schedbench
