#include "eval/features.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "numbers.h"

namespace schedbench {
namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

TEST(FeatureSums, ThreeImagesHaveMeanOneHalfAndCovarianceOneQuarter) {
    const auto sums = feature_sums(at::tensor({0.0, 0.5, 1.0}).reshape({3, 1}));
    EXPECT_EQ(sums.mean()[0].item<double>(), 0.5);
    EXPECT_EQ(sums.covariance()[0][0].item<double>(), 0.25);  // denominator n - 1: 1/6 otherwise
}

TEST(FeatureSums, AgreeWithTheTwoPassFormula) {
    for (const double offset : {0.0, 1e4}) {
        const at::Tensor x = (skewed_features(2500, 7, 1) + offset).to(at::kFloat);
        const auto sums = feature_sums(x);
        const at::Tensor centred = x.to(at::kDouble) - x.to(at::kDouble).mean(0);
        EXPECT_EQ(sums.n(), 2500);
        EXPECT_LT(worst(sums.mean(), x.to(at::kDouble).mean(0)), 1e-11 * (1 + offset));
        EXPECT_LT(worst(sums.covariance(), at::mm(centred.t(), centred) / 2499.0), 1e-12);
    }
}

TEST(FeatureSums, MergeEqualsOneSetAlsoWithAnotherShift) {
    const at::Tensor x = skewed_features(900, 5, 2) + 3.0;
    FeatureSums merged(x[0]);
    merged.add(x.narrow(0, 0, 300));
    FeatureSums second(at::full({5}, -2.0, at::kDouble));
    second.add(x.narrow(0, 300, 600));
    merged.merge(second);
    const auto whole = feature_sums(x);
    EXPECT_EQ(merged.n(), whole.n());
    EXPECT_LT(worst(merged.mean(), whole.mean()), 1e-13);
    EXPECT_LT(worst(merged.covariance(), whole.covariance()), 1e-12);

    merged.remove(x.narrow(0, 0, 300));
    const auto rest = feature_sums(x.narrow(0, 300, 600));
    EXPECT_LT(worst(merged.covariance(), rest.covariance()), 1e-12);
    // A copy is a value of its own.
    const FeatureSums before = merged;
    merged.add(x.narrow(0, 0, 300));
    EXPECT_EQ(before.n(), 600);
    EXPECT_LT(worst(before.covariance(), rest.covariance()), 1e-12);
    // What is stored is enough.
    const FeatureSums stored(rest.n(), rest.shift(), rest.sum(), rest.outer());
    EXPECT_TRUE(stored.covariance().equal(rest.covariance()));
}

TEST(FeatureSums, Errors) {
    const auto message = [](auto&& call) -> std::string {
        try {
            call();
        } catch (const Error& error) {
            return error.kind() + ": " + error.what();
        }
        return "";
    };
    at::Tensor x = at::zeros({4, 3});
    x[2][1] = std::numeric_limits<float>::infinity();
    EXPECT_NE(message([&] { feature_sums(x); }).find("row 2"), std::string::npos);
    EXPECT_EQ(message([&] { FeatureSums(2).add(at::zeros({4, 3})); }).substr(0, 5), "shape");
    EXPECT_EQ(message([&] { feature_sums(at::zeros({0, 3})); }).substr(0, 5), "shape");
    EXPECT_EQ(message([&] { feature_sums(at::zeros({1, 3})).covariance(); }).substr(0, 6), "number");
    EXPECT_EQ(message([&] {
                  FeatureSums(3, at::zeros({2}), at::zeros({2}), at::zeros({2, 3}));
              }).substr(0, 5),
              "shape");
}

}  // namespace
}  // namespace schedbench
