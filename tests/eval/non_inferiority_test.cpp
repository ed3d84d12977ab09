// The gate's statistics: decisions at their borders, and by simulation what it promises: a change that is
// worse by the tolerance passes at most as often as the level says, one that is not worse fails at most as
// often, power is as predicted, and after the further images that it asks for it decides as often as it said.
// SCHEDBENCH_GATE_REPEATS=20000 runs the simulations longer (default 2,000).
#include "eval/non_inferiority.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "eval/comparison.h"
#include "eval/frechet.h"

namespace schedbench {
namespace {

int repeats() {
    const char* text = std::getenv("SCHEDBENCH_GATE_REPEATS");
    return text ? std::atoi(text) : 2000;
}

/// A bound for a share that is at most p: p and three standard errors.
double at_most(double p, int n) {
    return p + 3 * std::sqrt(p * (1 - p) / n);
}

/// Metrics that are means over images, of an old and a new generator with correlated errors.
class Generators {
  public:
    explicit Generators(unsigned seed) : random_(seed) {}

    /// n more images: new = worse + rho shared + sqrt(1 - rho^2) own noise.
    void add(size_t n, double worse) {
        constexpr double kRho = 0.9;
        for (size_t i = 0; i < n; ++i) {
            const double shared = heavy(), own = heavy();
            old_.push_back(shared);
            new_.push_back(worse + kRho * shared + std::sqrt(1 - kRho * kRho) * own);
        }
    }
    /// SE of the difference at n images, in truth.
    static double se(size_t n) {
        return std::sqrt((0.1 * 0.1 + 1 - 0.9 * 0.9) * kVariance / static_cast<double>(n));
    }
    PairedDifference difference() const {
        const auto centred = [](const std::vector<double>& values, double& mean) {
            mean = 0;
            for (double value : values) mean += value / static_cast<double>(values.size());
            std::vector<double> out = values;
            for (double& value : out) value -= mean;
            return out;
        };
        double mean_new = 0, mean_old = 0;
        const auto phi_new = centred(new_, mean_new), phi_old = centred(old_, mean_old);
        return paired_difference({mean_new, phi_new}, {mean_old, phi_old}, "mean");
    }
    NonInferiorityTest test(double tolerance) const {
        const auto d = difference();
        return {d.difference.value, d.difference.se, tolerance};
    }

  private:
    /// Not normal: a normal one, now and then twice as wide.
    double heavy() { return normal_(random_) * (uniform_(random_) < 0.1 ? 2 : 1); }
    static constexpr double kVariance = 0.9 + 0.1 * 4;

    std::mt19937 random_;
    std::normal_distribution<double> normal_;
    std::uniform_real_distribution<double> uniform_;
    std::vector<double> old_, new_;
};

TEST(NonInferiority, QuantilesAreThoseOfTables) {
    EXPECT_NEAR(upper_quantile(0.05), 1.6448536, 1e-6);
    EXPECT_NEAR(upper_quantile(0.01), 2.3263479, 1e-6);
    EXPECT_NEAR(upper_quantile(0.5), 0, 1e-12);
}

TEST(NonInferiority, DecidesAtItsBorders) {
    const auto decide = [](double worse, double se, double tolerance, const GateLevels& levels = {}) {
        const NonInferiorityTest test{worse, se, tolerance};
        return non_inferiority({&test, 1}, levels)[0].decision;
    };
    // t = 1, SE = 0.1: PASS below 1 - 0.1645; not passed and above 0.233: FAIL.
    EXPECT_EQ(decide(0.835, 0.1, 1), Decision::pass);
    EXPECT_EQ(decide(0.836, 0.1, 1), Decision::fail);
    // t = 0.2, SE = 0.1: PASS below 0.0355, FAIL above 0.2326, nothing between.
    EXPECT_EQ(decide(0.035, 0.1, 0.2), Decision::pass);
    EXPECT_EQ(decide(0.036, 0.1, 0.2), Decision::inconclusive);
    EXPECT_EQ(decide(0.232, 0.1, 0.2), Decision::inconclusive);
    EXPECT_EQ(decide(0.233, 0.1, 0.2), Decision::fail);
    EXPECT_EQ(decide(-5, 1, 0.2), Decision::pass);
    // Equal bits: no error.
    EXPECT_EQ(decide(0, 0, 1e-9), Decision::pass);
    EXPECT_EQ(decide(1e-3, 0, 1e-3), Decision::fail);
    // Three looks: 1.645 becomes 2.128.
    EXPECT_EQ(decide(-0.012, 0.1, 0.2, {0.05, 0.01, 3}), Decision::inconclusive);
    EXPECT_EQ(decide(-0.013, 0.1, 0.2, {0.05, 0.01, 3}), Decision::pass);
    // Ten tests together: each fails by Holm only; passing is not corrected.
    std::vector<NonInferiorityTest> tests(10, {0.0, 0.1, 0.2});
    tests[3].worse = 0.25;
    EXPECT_EQ(non_inferiority(tests)[3].decision, Decision::inconclusive);
    EXPECT_EQ(non_inferiority(tests)[0].decision, Decision::pass);
    tests[3].worse = 0.32;
    EXPECT_EQ(non_inferiority(tests)[3].decision, Decision::fail);
}

TEST(NonInferiority, FalseAlarmsAndPowerAreAsPromised) {
    constexpr size_t kImages = 300;
    const double se = Generators::se(kImages), tolerance = 2.5 * se;
    const int n = repeats();
    int passed_at_tolerance = 0, failed_at_zero = 0, passed_at_zero = 0, failed_when_bad = 0;
    for (int i = 0; i < n; ++i) {
        Generators bad(static_cast<unsigned>(3 * i)), same(static_cast<unsigned>(3 * i + 1)),
            worst(static_cast<unsigned>(3 * i + 2));
        bad.add(kImages, tolerance), same.add(kImages, 0), worst.add(kImages, 2 * tolerance);
        const NonInferiorityTest tests[] = {bad.test(tolerance), same.test(tolerance), worst.test(tolerance)};
        const auto decide = [&](int k) { return non_inferiority({&tests[k], 1})[0].decision; };
        passed_at_tolerance += decide(0) == Decision::pass;
        passed_at_zero += decide(1) == Decision::pass;
        failed_at_zero += decide(1) == Decision::fail;
        failed_when_bad += decide(2) == Decision::fail;
    }
    const auto share = [&](int count) { return static_cast<double>(count) / n; };
    const double power = pass_chance(tolerance, 0, se);
    std::printf(
        "gate, %d repeats: passes at D = t %.4f (5 %%), fails at D = 0 %.4f (1 %%), passes at D = 0 "
        "%.4f (predicted %.4f), fails at D = 2t %.4f\n",
        n, share(passed_at_tolerance), share(failed_at_zero), share(passed_at_zero), power,
        share(failed_when_bad));
    EXPECT_LE(share(passed_at_tolerance), at_most(0.05, n));
    EXPECT_LE(share(failed_at_zero), at_most(0.01, n));
    EXPECT_NEAR(share(passed_at_zero), power, 0.01 + 3 * std::sqrt(power * (1 - power) / n));
    // D = 5 SE against the border 2.33 SE.
    EXPECT_NEAR(share(failed_when_bad), 0.9962, 0.01);
}

TEST(NonInferiority, SeveralCellsTogether) {
    constexpr size_t kImages = 100, kCells = 8;
    const double tolerance = 3 * Generators::se(kImages);
    const int n = repeats() / 2;
    int passed = 0, failed = 0;
    for (int i = 0; i < n; ++i) {
        std::vector<NonInferiorityTest> one_bad, all_same;
        for (size_t c = 0; c < kCells; ++c) {
            const auto seed = static_cast<unsigned>(2 * (static_cast<size_t>(i) * kCells + c));
            Generators bad(seed), same(seed + 1);
            bad.add(kImages, c == 2 ? tolerance : -tolerance);
            same.add(kImages, 0);
            one_bad.push_back(bad.test(tolerance));
            all_same.push_back(same.test(tolerance));
        }
        bool all = true, any = false;
        for (const NonInferiority& r : non_inferiority(one_bad)) all = all && r.decision == Decision::pass;
        for (const NonInferiority& r : non_inferiority(all_same)) any = any || r.decision == Decision::fail;
        passed += all;
        failed += any;
    }
    EXPECT_LE(static_cast<double>(passed) / n, at_most(0.05, n));
    EXPECT_LE(static_cast<double>(failed) / n, at_most(0.01, n));
}

TEST(NonInferiority, ThreeLooksKeepTheLevels) {
    constexpr size_t kBlock = 100;
    const int n = repeats();
    int passed = 0, failed = 0;
    for (int i = 0; i < n; ++i) {
        const double tolerance = 3 * Generators::se(3 * kBlock);
        Generators bad(static_cast<unsigned>(2 * i)), same(static_cast<unsigned>(2 * i + 1));
        Decision of_bad = Decision::inconclusive, of_same = Decision::inconclusive;
        for (int look = 0; look < 3; ++look) {
            bad.add(kBlock, tolerance), same.add(kBlock, 0);
            const NonInferiorityTest tests[] = {bad.test(tolerance), same.test(tolerance)};
            const GateLevels levels{0.05, 0.01, 3};
            if (of_bad == Decision::inconclusive)
                of_bad = non_inferiority({&tests[0], 1}, levels)[0].decision;
            if (of_same == Decision::inconclusive)
                of_same = non_inferiority({&tests[1], 1}, levels)[0].decision;
        }
        passed += of_bad == Decision::pass;
        failed += of_same == Decision::fail;
    }
    EXPECT_LE(static_cast<double>(passed) / n, at_most(0.05, n));
    EXPECT_LE(static_cast<double>(failed) / n, at_most(0.01, n));
}

TEST(NonInferiority, FurtherImagesDecideAsOftenAsSaid) {
    constexpr int64_t kImages = 100;
    const double se = Generators::se(kImages), tolerance = 2.5 * se;
    std::mt19937 random(7);
    std::uniform_real_distribution<double> truth(-3 * se,
                                                 6 * se);  // flat and wide, as the prediction assumes
    int asked = 0, decided = 0;
    double predicted = 0, factor = 0;
    for (int i = 0; i < 2 * repeats(); ++i) {
        const double worse = truth(random);
        Generators g(static_cast<unsigned>(1000000 + i));
        g.add(kImages, worse);
        const auto now = g.difference();
        const NonInferiorityTest test = g.test(tolerance);
        if (non_inferiority({&test, 1})[0].decision != Decision::inconclusive) continue;
        const auto further =
            further_images(test, now.sample_variance, now.reference_variance, kImages, 50, 0.9);
        ASSERT_TRUE(further.has_value());
        EXPECT_EQ(further->images % 50, 0);
        EXPECT_GE(further->chance, 0.9);
        g.add(static_cast<size_t>(further->images), worse);
        const NonInferiorityTest later = g.test(tolerance);
        decided += non_inferiority({&later, 1})[0].decision != Decision::inconclusive;
        predicted += further->chance;
        factor += static_cast<double>(further->images) / kImages;
        ++asked;
    }
    ASSERT_GT(asked, 200);
    std::printf(
        "further images: %d inconclusive of %d, %.2f times as many more on average, decided %.3f, "
        "predicted %.3f\n",
        asked, 2 * repeats(), factor / asked, static_cast<double>(decided) / asked, predicted / asked);
    EXPECT_NEAR(static_cast<double>(decided) / asked, predicted / asked, 0.02 + 3 * std::sqrt(0.09 / asked));
}

TEST(NonInferiority, NoNumberOfImagesHelpsAgainstTheReference) {
    const NonInferiorityTest test{0.5, 1.0, 1.0};
    EXPECT_TRUE(further_images(test, 1.0, 0.0, 100).has_value());
    EXPECT_FALSE(further_images(test, 0.1, 0.9, 100).has_value());
    // At SE = t/(z_pass + z_fail) nothing is left between PASS and FAIL.
    EXPECT_NEAR(decision_chance(test, 1.0 / (1.6449 + 2.3264), {}), 1, 1e-12);
    EXPECT_LT(decision_chance(test, 1.0 / (1.6449 + 2.3264) * 1.2, {}), 1);
}

// The same promise on a Frechet distance: two generators with shared randomness whose distances from N(0, I)
// differ by the tolerance.
TEST(NonInferiority, FrechetDistancesThatDifferByTheTolerance) {
    at::set_num_threads(1);
    constexpr int64_t kImages = 400, kDim = 8;
    const int n = std::max(200, repeats() / 5);
    const double shift = 0.6, tolerance = 0.05, further = std::sqrt(shift * shift + tolerance);
    at::Generator generator = at::detail::createCPUGenerator(11);
    const FrechetReference reference =
        FrechetReference::of_moments({at::zeros({kDim}, at::kDouble), at::eye(kDim, at::kDouble), 0});
    FrechetOptions options;
    options.reference = ReferenceRole::exact;
    int passed = 0;
    double se = 0;
    RunningMean spread;
    for (int i = 0; i < n; ++i) {
        const at::Tensor shared = at::randn({kImages, kDim}, generator, at::kDouble),
                         own = at::randn({kImages, kDim}, generator, at::kDouble);
        at::Tensor first = shared.clone(), second = 0.99 * shared + std::sqrt(1 - 0.99 * 0.99) * own;
        first.select(1, 0).add_(shift);
        second.select(1, 0).add_(further);
        const FrechetResult a = frechet(second, reference, options), b = frechet(first, reference, options);
        const PairedDifference d =
            paired_difference({a.at_n.value, a.influence}, {b.at_n.value, b.influence}, "fd");
        const NonInferiorityTest test{d.difference.value, d.difference.se, tolerance};
        passed += non_inferiority({&test, 1})[0].decision == Decision::pass;
        se += d.difference.se / n;
        spread.add(d.difference.value);
    }
    std::printf("Frechet distance at D = t: passes %.4f of %d; SD %.4f, SE %.4f\n",
                static_cast<double>(passed) / n, n, std::sqrt(spread.variance()), se);
    EXPECT_LE(static_cast<double>(passed) / n, at_most(0.05, n));
    EXPECT_NEAR(se / std::sqrt(spread.variance()), 1, 0.12);
}

}  // namespace
}  // namespace schedbench
