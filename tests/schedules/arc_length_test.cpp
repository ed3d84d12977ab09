#include "schedules/arc_length.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

std::vector<double> random_rising(std::mt19937& rng, size_t n) {
    std::lognormal_distribution<double> gap(0, 2);
    std::vector<double> out{0.01};
    while (out.size() < n) out.push_back(out.back() + gap(rng));
    return out;
}

TEST(ArcLength, CubicKeepsTheShapeOfRandomData) {
    std::mt19937 rng(5);
    for (int round = 0; round < 200; ++round) {
        const size_t n = 2 + rng() % 12;
        const auto x = random_rising(rng, n), y = random_rising(rng, n);
        for (const std::string& name : interpolant_names()) {
            const LengthCurve curve(x, y, parse_interpolant(name, "test"), "test");
            double before = 0;
            for (int i = 0; i <= 500; ++i) {
                const double at = x.front() + (x.back() - x.front()) * i / 500, value = curve.sigma_at(at);
                EXPECT_GE(value, before * (1 - 1e-14));
                before = value;
            }
            for (size_t i = 0; i < n; ++i) EXPECT_NEAR(curve.sigma_at(x[i]) / y[i], 1, 1e-13);
        }
    }
}

TEST(ArcLength, CubicIsExactForStraightLinesAndThirdOrderForSmoothOnes) {
    const std::vector<double> x{0, 1, 3, 4, 7}, line{1, 3, 7, 9, 15};
    const LengthCurve straight(x, line, Interpolant::pchip_sigma, "test");
    for (double at : {0.3, 2.0, 3.5, 6.9}) EXPECT_NEAR(straight.sigma_at(at), 1 + 2 * at, 1e-14);
    double previous = 0;
    for (int n : {20, 40, 80}) {
        std::vector<double> nodes, values;
        for (int i = 0; i <= n; ++i) {
            nodes.push_back(2.0 * i / n);
            values.push_back(std::exp(nodes.back()));
        }
        const LengthCurve curve(nodes, values, Interpolant::pchip_sigma, "test");
        double worst = 0;
        for (int i = 0; i < 1000; ++i)
            worst = std::max(worst, std::abs(curve.sigma_at(0.002 * i) - std::exp(0.002 * i)));
        if (previous > 0) {
            EXPECT_GT(previous / worst, 6);
        }
        previous = worst;
    }
}

TEST(ArcLength, UpdateWithGaussianCostsReachesTheClosedForm) {
    // VE, v = sigma: Lambda(t) = 2 (asinh(t/c) - t / sqrt(c^2 + t^2)). One update on a fine grid must give
    // knots at equal Lambda (score_optimal notes, section 5); the error falls as the grid gets finer.
    const double c = 0.5;
    auto length = [&](double t) { return 2 * (std::asinh(t / c) - t / std::hypot(t, c)); };
    double previous = 1e9;
    for (int n : {100, 1000, 10000}) {
        std::vector<double> grid, costs;
        for (int i = 0; i <= n; ++i) {
            const double u = static_cast<double>(i) / n, first = std::pow(0.002, 1.0 / 7),
                         last = std::pow(80.0, 1.0 / 7);
            grid.push_back(std::pow(first + u * (last - first), 7));
        }
        for (int i = 0; i < n; ++i) {
            const double low = grid[static_cast<size_t>(i)], high = grid[static_cast<size_t>(i) + 1];
            const double q_low = c * c + low * low, q_high = c * c + high * high,
                         gap = (high - low) * (high + low);
            costs.push_back(low * low * gap * gap / (q_low * q_low * q_high));
        }
        UpdateOptions options;
        options.steps_out = 10;
        const auto knots = update_schedule(grid, costs, options);
        double worst = 0;
        for (int i = 1; i < 10; ++i) {
            const double share =
                (length(knots[static_cast<size_t>(i)]) - length(0.002)) / (length(80) - length(0.002));
            worst = std::max(worst, std::abs(share - i / 10.0));
        }
        EXPECT_LT(worst, previous / 5);
        previous = worst;
    }
    EXPECT_LT(previous, 2e-4);
}

TEST(ArcLength, ElementaryInverses) {
    // v = 1: Lambda = 2 (1/c - 1/sqrt(c^2 + t^2)); v = sqrt(c^2 + t^2): Lambda = ln(1 + t^2/c^2).
    const double c = 0.5;
    std::vector<double> sigma, one, root;
    for (int i = 0; i <= 4000; ++i) {
        sigma.push_back(0.002 * std::pow(40000.0, i / 4000.0));
        one.push_back(2 * (1 / c - 1 / std::hypot(c, sigma.back())));
        root.push_back(std::log1p(std::pow(sigma.back() / c, 2)));
    }
    const LengthCurve first(one, sigma, Interpolant::pchip_ln_sigma, "test"),
        second(root, sigma, Interpolant::pchip_ln_sigma, "test");
    for (int i = 1; i < 20; ++i) {
        const double a = one.front() + i * (one.back() - one.front()) / 20;
        EXPECT_NEAR(first.sigma_at(a) / std::sqrt(std::pow(1 / (1 / c - a / 2), 2) - c * c), 1, 1e-6);
        const double b = root.front() + i * (root.back() - root.front()) / 20;
        EXPECT_NEAR(second.sigma_at(b) / (c * std::sqrt(std::expm1(b))), 1, 1e-6);
    }
}

TEST(ArcLength, StraightLinesOfACoordinateAreReadOffExactly) {
    // Levels uniform in a coordinate at equal lengths: its own interpolants give them back for any number of steps.
    const double low = 0.01, high = 50;
    for (const std::string& name : interpolant_names()) {
        const Interpolant kind = parse_interpolant(name, "test", 5);
        EXPECT_EQ(interpolant_name(kind), name);
        const double first = kind.value_of(low), last = kind.value_of(high);
        std::vector<double> length, sigma;
        for (int i = 0; i <= 12; ++i) {
            length.push_back(i);
            sigma.push_back(i == 0 ? low : i == 12 ? high : kind.sigma_of(first + (last - first) * i / 12));
        }
        const std::vector<double> knots = LengthCurve(length, sigma, kind, "test").equal_pieces(7);
        for (int i = 0; i <= 7; ++i)
            EXPECT_NEAR(knots[static_cast<size_t>(i)] / kind.sigma_of(first + (last - first) * i / 7), 1, 1e-9)
                << name;
    }
    EXPECT_THROW(parse_interpolant("pchip-root", "test", 0), Error);
}

TEST(ArcLength, CapOnSingleLengths) {
    EXPECT_EQ(cumulative_length({1, 1, 1, 81}, 0.5, 0, 2), (std::vector<double>{0, 1, 2, 3, 9}));  // mean 3
    EXPECT_EQ(cumulative_length({1, 4, 9}, 0.5, 0), cumulative_length({1, 4, 9}, 0.5, 0, 100));
    EXPECT_THROW(cumulative_length({1, 1}, 0.5, 0, 0.5), Error);
    UpdateOptions capped;
    capped.cap = 1;  // all lengths at most their mean: with one dear interval the others keep theirs
    const auto knots = update_schedule({1, 2, 3, 4}, {1, 1, 1}, capped);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(knots[i], static_cast<double>(i + 1), 1e-12);
}

TEST(ArcLength, CollapseIsAFallenLengthAndAWidenedCleanEnd) {
    EXPECT_FALSE(find_collapse({{1, 2, 4}}, {3}).found);
    EXPECT_FALSE(find_collapse({{1, 2, 4}, {1, 3, 4}}, {3, 2.9}).found);
    EXPECT_FALSE(find_collapse({{1, 2, 4}, {1, 1.5, 4}}, {3, 1}).found);  // not the clean end
    const Collapse collapse = find_collapse({{1, 2, 4}, {1, 2.5, 4}, {1, 3.5, 4}}, {3, 2.5, 1});
    EXPECT_TRUE(collapse.found);
    EXPECT_NEAR(collapse.length_ratio, 1.0 / 3, 1e-15);
    EXPECT_NE(collapse.advice().find("weight=geometric"), std::string::npos);
}

TEST(ArcLength, RejectsWhatItCannotUse) {
    UpdateOptions options;
    options.gamma = 0;
    EXPECT_THROW(update_schedule({1, 2, 3}, {1, 1}, options), Error);
    options.gamma = 0.5;
    options.steps_out = 5;
    EXPECT_THROW(update_schedule({1, 2, 3}, {1, 1}, options), Error);
    EXPECT_THROW(update_schedule({0, 2, 3}, {1, 1}, {}), Error);  // ln 0
    EXPECT_THROW(parse_interpolant("spline", "--option"), Error);
    UpdateOptions zero;
    zero.steps_out = 4;
    EXPECT_EQ(update_schedule({1, 2, 3}, {0, 0}, zero).size(), 5u);
}

}  // namespace
}  // namespace schedbench
