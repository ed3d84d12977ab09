#include "schedules/beta_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr double kCap = 0.999;  ///< of every beta that is made from abar

int steps_of(const Spec& spec, const std::string& where) {
    const long long steps = spec.integer("T");
    if (steps < 1 || steps > 1'000'000)
        throw Error("number", "T must lie between 1 and 1000000, not " + std::to_string(steps), where,
                    "T is the number of entries of the noise table");
    return static_cast<int>(steps);
}

/// numpy.linspace: first + i * (last - first) / (n - 1).
double linspace(double first, double last, int n, int i) {
    if (n == 1) return first;
    return first + static_cast<double>(i) * (last - first) / static_cast<double>(n - 1);
}

/// beta = 1 - cos^2 b / cos^2 a with a, b the angles of i - 1 and i; written as sin(b - a) sin(b + a) / cos^2
/// a because the difference of two numbers near 1 would lose 5 digits at the clean end.
double cosine_beta(const Spec& spec, int steps, int i) {
    const double s = spec.number("s"), quarter = std::numbers::pi / 2 / (1 + s);
    const double a = (static_cast<double>(i - 1) / steps + s) * quarter;
    const double b = (static_cast<double>(i) / steps + s) * quarter;
    return std::min(std::sin(b - a) * std::sin(b + a) / (std::cos(a) * std::cos(a)), spec.number("max-beta"));
}

/// To the letter: the square root, which makes this the signal's factor and not its square, and the 1e-6 are
/// the original's. At the middle sgn is +1.
double laplace_abar(double t) {
    const double log_snr = -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::abs(0.5 - t) + 1e-6);
    const double snr = std::exp(log_snr);
    return std::sqrt(snr / (1 + snr));
}

double beta_of(const Spec& spec, int steps, int i) {
    if (spec.name == "cosine") return cosine_beta(spec, steps, i);
    if (spec.name == "exponential") return std::min(-std::expm1(-12.0 / steps), kCap);
    if (spec.name == "laplace")
        return std::min(1 - laplace_abar(static_cast<double>(i) / steps) /
                                laplace_abar(static_cast<double>(i - 1) / steps),
                        kCap);
    const double first = spec.number("beta-start"), last = spec.number("beta-end");
    if (spec.name == "linear") return linspace(first, last, steps, i - 1) * (1000.0 / steps);
    if (spec.name == "sigmoid")
        return first + (last - first) / (1 + std::exp(-linspace(-6, 6, steps, i - 1)));
    const double root = linspace(std::sqrt(first), std::sqrt(last), steps, i - 1);
    return root * root;
}

}  // namespace

std::vector<double> make_betas(const Spec& spec, const std::string& where) {
    if (spec.name == "betas") return spec.numbers("values");
    const int steps = steps_of(spec, where);
    std::vector<double> betas;
    for (int i = 1; i <= steps; ++i) betas.push_back(beta_of(spec, steps, i));
    return betas;
}

}  // namespace schedbench
