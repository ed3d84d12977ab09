#include "eval/non_inferiority.h"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "eval/comparison.h"

namespace schedbench {

namespace {

double upper_tail(double z) {
    return std::erfc(z / std::numbers::sqrt2) / 2;
}

/// P(Z > value/se); 0 or 1 where se is 0.
double tail_of(double value, double se) {
    if (se > 0) return upper_tail(value / se);
    return value > 0 ? 0 : 1;
}

/// Whether D decides the test at this standard error.
struct Regions {
    double pass_below, fail_above;
};

Regions regions_of(double tolerance, double se, const GateLevels& levels, size_t tests) {
    const double pass_below = tolerance - upper_quantile(levels.pass_level()) * se;
    const double z_fail =
        upper_quantile(levels.fail_level() / static_cast<double>(std::max<size_t>(tests, 1)));
    return {pass_below, std::max(z_fail * se, pass_below)};
}

}  // namespace

double upper_quantile(double p) {
    SCHEDBENCH_ASSERT(p > 0 && p < 1);
    return std::numbers::sqrt2 * boost::math::erfc_inv(2 * p);
}

std::vector<NonInferiority> non_inferiority(std::span<const NonInferiorityTest> tests,
                                            const GateLevels& levels) {
    SCHEDBENCH_ASSERT(levels.looks >= 1);
    const double z_pass = upper_quantile(levels.pass_level()), z_fail = upper_quantile(levels.fail_level());
    std::vector<NonInferiority> out;
    std::vector<double> p_fail;
    for (const NonInferiorityTest& test : tests) {
        SCHEDBENCH_ASSERT(test.tolerance > 0 && test.se >= 0 && std::isfinite(test.worse));
        NonInferiority result;
        result.upper = test.worse + z_pass * test.se;
        result.lower = test.worse - z_fail * test.se;
        result.p_pass = tail_of(test.tolerance - test.worse, test.se);
        p_fail.push_back(tail_of(test.worse, test.se));
        out.push_back(result);
    }
    const std::vector<double> adjusted = holm_adjust(p_fail);
    for (size_t i = 0; i < out.size(); ++i) {
        out[i].p_fail = adjusted[i];
        if (out[i].upper < tests[i].tolerance)
            out[i].decision = Decision::pass;
        else if (adjusted[i] < levels.fail_level())
            out[i].decision = Decision::fail;
    }
    return out;
}

double pass_chance(double tolerance, double worse, double se, const GateLevels& levels) {
    return upper_tail(upper_quantile(levels.pass_level()) - (tolerance - worse) / se);
}

double decision_chance(const NonInferiorityTest& test, double se_then, const GateLevels& levels,
                       size_t tests) {
    const double moves = std::sqrt(std::max(0.0, test.se * test.se - se_then * se_then));
    const Regions then = regions_of(test.tolerance, se_then, levels, tests);
    const double above_pass = tail_of(then.pass_below - test.worse, moves),
                 above_fail = tail_of(then.fail_above - test.worse, moves);
    return std::min(1.0, 1 - above_pass + above_fail);
}

std::optional<FurtherImages> further_images(const NonInferiorityTest& test, double sample_variance,
                                            double fixed_variance, int64_t n, int64_t block, double chance,
                                            const GateLevels& levels, size_t tests) {
    SCHEDBENCH_ASSERT(n > 0 && block > 0);
    const auto chance_at = [&](int64_t total) {
        const double ratio = static_cast<double>(n) / static_cast<double>(total);
        return decision_chance(test, std::sqrt(sample_variance * ratio + fixed_variance), levels, tests);
    };
    // The chance need not rise everywhere, so sizes are tried one after the other, 2 % apart.
    for (double total = static_cast<double>(n); total < 1e4 * static_cast<double>(n); total *= 1.02) {
        const int64_t further = (std::max<int64_t>(1, std::llround(total) - n) + block - 1) / block * block;
        const double reached = chance_at(n + further);
        if (reached >= chance) return FurtherImages{further, reached};
    }
    return std::nullopt;
}

}  // namespace schedbench
