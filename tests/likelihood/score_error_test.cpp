#include "likelihood/score_error.h"

#include <gtest/gtest.h>

#include <cmath>

namespace schedbench {
namespace {

std::shared_ptr<const ExactTarget> gaussian(const std::string& c) {
    return make_exact(Spec::parse("exact:gaussian,c=" + c + ",dim=3"));
}

// For N(0, a^2) against data N(0, c^2): sigma^2 E|s_a - s_c|^2 = d sigma^2 (c^2 + sigma^2) (1/(a^2 + sigma^2)
// - 1/(c^2 + sigma^2))^2.
double closed_form(double a, double c, double sigma) {
    const double qa = a * a + sigma * sigma, qc = c * c + sigma * sigma;
    return 3 * sigma * sigma * qc * std::pow(1 / qa - 1 / qc, 2);
}

TEST(ScoreError, EqualsTheClosedFormOfTwoGaussians) {
    const auto target = gaussian("0.5"), other = gaussian("0.7");
    const ScoreError error = score_error(*other, *target, 21, 4000, 1);
    ASSERT_EQ(error.sigma.size(), 21u);
    double expected = 0;
    const double step = std::log(error.sigma.back() / error.sigma.front()) / 20;
    for (size_t l = 0; l < error.sigma.size(); ++l) {
        const double value = closed_form(0.7, 0.5, error.sigma[l]);
        EXPECT_NEAR(error.at_level[l].mean, value, 4.5 * error.at_level[l].standard_error())
            << error.sigma[l];
        expected += value * step * (l == 0 || l == 20 ? 0.5 : 1);
    }
    EXPECT_NEAR(error.total.mean, expected, 4 * error.total.standard_error());
    EXPECT_LT(error.total.standard_error(), 0.05 * expected);
}

// The relative entropy of two Gaussians N(0, c^2) from N(0, a^2) is that of the paths, less what the starts
// differ.
TEST(ScoreError, IsTheRelativeEntropyOfTheDataInNats) {
    const auto target = gaussian("0.5"), other = gaussian("0.7");
    const ScoreError error = score_error(*other, *target, 81, 6000, 2);
    const double r = 0.25 / 0.49, entropy = 3 * 0.5 * (r - 1 - std::log(r));
    EXPECT_NEAR(error.total.mean, entropy, 4 * error.total.standard_error() + 5e-3 * entropy);
}

TEST(ScoreError, OfTheTargetItselfIsRounding) {
    const auto target = make_exact(Spec::parse("exact:cantor,depth=3,width=0.01"));
    EXPECT_LT(score_error(*target, *target, 11, 500, 0).total.mean, 1e-6);
}

}  // namespace
}  // namespace schedbench
