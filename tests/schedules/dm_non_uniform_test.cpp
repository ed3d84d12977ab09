#include "schedules/dm_non_uniform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>

namespace schedbench {
namespace {

const double kFirst = -std::log(80.0), kLast = -std::log(0.002);

std::vector<double> uniform(int steps, double first = kFirst, double last = kLast) {
    std::vector<double> out;
    for (int i = 0; i <= steps; ++i) out.push_back(first + (last - first) * i / steps);
    return out;
}

/// The bound written down from its definition, with integrals by Simpson's rule.
double bound_by_quadrature(const std::vector<double>& lambda, NetworkError error) {
    const int steps = static_cast<int>(lambda.size()) - 1;
    auto at = [&](int n) { return lambda[static_cast<size_t>(n)]; };
    auto weight = [&](int n) {
        const double level = std::exp(-at(n)), alpha = 1 / std::sqrt(1 + level * level),
                     sigma = level * alpha;
        return (error == NetworkError::latent ? sigma * sigma : sigma) / alpha;
    };
    std::vector<double> knots(lambda.size(), 0);
    double total = 0;
    for (int s = 0; s < steps; ++s) {
        const int order = s == 0 || s == steps - 1 ? 1 : s == 1 || s == steps - 2 ? 2 : 3;
        double squares = 0;
        for (int n = s; n > s - order; --n) {
            auto integrand = [&](double x) {
                double value = std::exp(x);
                for (int m = s; m > s - order; --m)
                    if (m != n) value *= (x - at(m)) / (at(n) - at(m));
                return value;
            };
            const int cells = 400;
            const double h = (at(s + 1) - at(s)) / cells;
            double integral = 0;
            for (int i = 0; i < cells; ++i) {
                const double x = at(s) + h * i;
                integral += h / 6 * (integrand(x) + 4 * integrand(x + h / 2) + integrand(x + h));
            }
            const double part = weight(n) * integral;
            if (order == 1)
                total += std::abs(part);
            else if (s >= 3)
                knots[static_cast<size_t>(n)] += part;
            else
                squares += part * part;
        }
        total += std::sqrt(squares);
    }
    for (double sum : knots) total += std::abs(sum);
    return total;
}

TEST(DmNonUniform, LagrangeWeightsIntegrateTheExponential) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<> log_gap(std::log(1e-4), std::log(5.0));
    for (int trial = 0; trial < 2000; ++trial) {
        const double h = std::exp(log_gap(random)), a = std::exp(log_gap(random)),
                     b = std::exp(log_gap(random));
        for (int order : {1, 2, 3}) {
            const auto w = exponential_lagrange_weights(order, h, a, b);
            // Exact on polynomials below the order: on 1, t and t^2, with knots at 0, -a, -a - b.
            const double scale = std::abs(w[0]) + std::abs(w[1]) + std::abs(w[2]);
            EXPECT_NEAR(w[0] + w[1] + w[2], std::expm1(h), 1e-13 * scale);
            if (order < 3) {
                EXPECT_EQ(w[2], 0);
            }
            if (h < 0.1) continue;  // closed forms of the test cancel
            const double first = h * std::exp(h) - std::expm1(h), second = h * h * std::exp(h) - 2 * first;
            if (order > 1) {
                EXPECT_NEAR(-a * w[1] - (a + b) * w[2], first, 1e-12 * scale * (a + b + h));
            }
            if (order > 2) {
                EXPECT_NEAR(a * a * w[1] + (a + b) * (a + b) * w[2], second,
                            1e-12 * scale * std::pow(a + b + h, 2));
            }
        }
    }
}

TEST(DmNonUniform, BoundEqualsItsDefinition) {
    std::mt19937_64 random(5);
    for (int steps : {1, 2, 3, 4, 5, 6, 7, 8, 12, 20})
        for (const NetworkError error : {NetworkError::latent, NetworkError::pixel})
            for (int trial = 0; trial < 3; ++trial) {
                std::vector<double> lambda = uniform(steps);
                for (size_t i = 1; i + 1 < lambda.size(); ++i)
                    lambda[i] +=
                        std::uniform_real_distribution<>(-0.4, 0.4)(random) * (kLast - kFirst) / steps;
                const double expected = bound_by_quadrature(lambda, error);
                EXPECT_NEAR(dm_non_uniform_bound(lambda, error) / expected, 1, 1e-8) << steps;
            }
}

TEST(DmNonUniform, MinimumIsBelowTheStartAndItsNeighbourhood) {
    std::mt19937_64 random(7);
    std::normal_distribution<> normal;
    for (int steps : {2, 3, 5, 7, 10, 15, 20, 40})
        for (const NetworkError error : {NetworkError::latent, NetworkError::pixel}) {
            const std::vector<double> start = uniform(steps), best = minimise_dm_non_uniform(start, error);
            const double value = dm_non_uniform_bound(best, error);
            EXPECT_LE(value, dm_non_uniform_bound(start, error)) << steps;
            if (steps > 2) {  // two steps of weight level: the middle is best already
                EXPECT_LT(value, 0.95 * dm_non_uniform_bound(start, error)) << steps;
            }
            EXPECT_EQ(best.front(), start.front());
            EXPECT_EQ(best.back(), start.back());
            EXPECT_EQ(best, minimise_dm_non_uniform(start, error)) << "deterministic";
            double lowest = value;
            for (int trial = 0; trial < 1000; ++trial) {
                // One knot or all of them, by 1e-5 to 1e-1 of a gap.
                std::vector<double> other = best;
                const double size = std::pow(10, -std::uniform_real_distribution<>(1, 5)(random));
                const size_t only = random() % best.size();
                for (size_t i = 1; i + 1 < best.size(); ++i)
                    if (trial % 2 == 0 || i == only)
                        other[i] +=
                            size * normal(random) * std::min(best[i + 1] - best[i], best[i] - best[i - 1]);
                if (!std::is_sorted(other.begin(), other.end())) continue;
                lowest = std::min(lowest, dm_non_uniform_bound(other, error));
            }
            EXPECT_GE(lowest, value * (1 - 1e-7)) << steps;
            std::printf("steps %d: bound %.6g, uniform %.6g, neighbours lower by %.2g\n", steps, value,
                        dm_non_uniform_bound(start, error), 1 - lowest / value);
        }
}

TEST(DmNonUniform, ThreeAndFourStepsAgreeWithAGrid) {
    for (const NetworkError error : {NetworkError::latent, NetworkError::pixel}) {
        const int cells = 1500;
        const double width = (kLast - kFirst) / cells;
        double lowest = INFINITY;
        std::vector<double> at;
        for (int i = 1; i < cells; ++i)
            for (int j = i + 1; j < cells; ++j) {
                const std::vector<double> lambda{kFirst, kFirst + width * i, kFirst + width * j, kLast};
                const double value = dm_non_uniform_bound(lambda, error);
                if (value < lowest) lowest = value, at = lambda;
            }
        const std::vector<double> best = minimise_dm_non_uniform(uniform(3), error);
        EXPECT_LE(dm_non_uniform_bound(best, error), lowest);
        EXPECT_GT(dm_non_uniform_bound(best, error), lowest * (1 - 1e-3));
        for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(best[i], at[i], 2 * width) << i;
    }
}

TEST(DmNonUniform, FiftyStepsTakeLessThanASecond) {
    for (const NetworkError error : {NetworkError::latent, NetworkError::pixel})
        for (int steps : {50, 100}) {
            const auto begin = std::chrono::steady_clock::now();
            minimise_dm_non_uniform(uniform(steps), error);
            const double seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            std::printf("dmn, %d steps: %.3f s\n", steps, seconds);
            EXPECT_LT(seconds, steps == 50 ? 5 : 30);  // a loaded machine
        }
}

}  // namespace
}  // namespace schedbench
