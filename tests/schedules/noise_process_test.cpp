#include "schedules/noise_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"

namespace schedbench {
namespace {

NoiseProcess process(const std::string& spec) {
    return NoiseProcess(Spec::parse(spec));
}

TEST(NoiseProcess, KnownEndsOfPublishedTables) {
    // Ends of the published tables to the digits that are printed for them.
    EXPECT_NEAR(process("linear").sigma_min(), 0.0100005, 1e-7);
    EXPECT_NEAR(process("linear").sigma_max(), 157.407, 1e-3);
    EXPECT_NEAR(process("linear").abar(1000), 4.03583e-5, 1e-10);
    EXPECT_NEAR(process("scaled-linear").sigma_min(), 0.02916716, 1e-8);
    EXPECT_NEAR(process("scaled-linear").sigma_max(), 14.6146412, 1e-7);
}

TEST(NoiseProcess, CosineTelescopesToItsClosedForm) {
    const NoiseProcess cosine = process("cosine:T=1000");
    auto f = [](double u) { return std::pow(std::cos((u + 0.008) / 1.008 * std::acos(-1.0) / 2), 2); };
    for (int t : {1, 2, 10, 500, 900, 990}) EXPECT_NEAR(cosine.abar(t), f(t / 1000.0) / f(0), 1e-12) << t;
    // one_minus_abar keeps its digits: b_1 = beta_1 exactly
    EXPECT_DOUBLE_EQ(cosine.one_minus_abar(1), cosine.beta(0, 1));
    EXPECT_NEAR(cosine.beta(999, 1000), 0.999, 1e-12);
}

TEST(NoiseProcess, SigmoidExponentialAndLaplaceTables) {
    const NoiseProcess sigmoid = process("sigmoid:T=1000");
    for (int i : {1, 2, 500, 501, 1000}) {
        const double v = -6 + 12.0 * (i - 1) / 999;
        EXPECT_NEAR(sigmoid.beta(i - 1, i), 0.0001 + 0.0199 * std::exp(v) / (1 + std::exp(v)), 1e-15) << i;
    }
    // The betas of both ends add up to beta-start + beta-end: the sigmoid is odd around its middle.
    for (int i = 1; i <= 500; ++i)
        EXPECT_NEAR(sigmoid.beta(i - 1, i) + sigmoid.beta(1000 - i, 1001 - i), 0.0201, 1e-14);
    const NoiseProcess exponential = process("exponential:T=1000");
    for (int i : {1, 10, 500, 1000}) EXPECT_NEAR(exponential.log_abar(i), -0.012 * i, 1e-12);
    EXPECT_NEAR(process("exponential:T=1").abar(1), 0.001, 1e-15);  // the cap
    for (int table : {10, 1000, 1001, 4000}) {
        const NoiseProcess laplace = process("laplace:T=" + std::to_string(table));
        // abar_i = a(i/T)/a(0) with a = 1/sqrt(1 + 1/snr): snr = 1/sqrt(2t + 1e-6) before the middle, its
        // mirror after.
        auto a = [](double t) {
            const double m = t <= 0.5 ? 2 * t + 1e-6 : 1 / (2 - 2 * t + 1e-6);
            return 1 / std::sqrt(1 + std::sqrt(m));
        };
        for (int i = 1; i <= table; ++i) {
            EXPECT_GT(laplace.sigma(i), laplace.sigma(i - 1));
            EXPECT_NEAR(laplace.abar(i) * a(0) / a(static_cast<double>(i) / table), 1, 1e-10) << i;
        }
    }
    EXPECT_THROW(process("sigmoid:beta-end=2"), Error);
    EXPECT_THROW(process("sigmoid:beta-start=nan"), Error);
    EXPECT_THROW(process("exponential:T=0"), Error);
}

TEST(NoiseProcess, IdentitiesOfTheChain) {
    for (const char* spec : {"linear:T=50", "cosine:T=50", "scaled-linear", "betas:values=[0.1,0.2,0.3]",
                             "sigmoid:T=50", "exponential:T=50", "laplace:T=50"}) {
        const NoiseProcess p = process(spec);
        const int last = p.table_size();
        EXPECT_EQ(p.sigma(0), 0);
        EXPECT_TRUE(std::isinf(p.snr(0)) && p.snr(0) > 0);
        for (int t = 1; t <= last; ++t) {
            EXPECT_NEAR(p.sigma(t) * p.sigma(t) * p.snr(t), 1, 1e-13);
            EXPECT_GT(p.sigma(t), p.sigma(t - 1));
            EXPECT_NEAR(p.abar(t) + p.one_minus_abar(t), 1, 1e-15);
            for (int s = 0; s < t; s += 1 + last / 5) {
                EXPECT_NEAR(1 - p.beta(s, t), p.abar(t) / p.abar(s), 1e-14);
                // 1/btil = 1/beta_{t|s} (1 - beta_{t|s}) + 1/b_s
                if (s > 0) {
                    const double precision = (1 - p.beta(s, t)) / p.beta(s, t) + 1 / p.one_minus_abar(s);
                    EXPECT_NEAR(p.posterior_variance(s, t) * precision, 1, 1e-12);
                }
            }
        }
    }
}

TEST(NoiseProcess, NearestAndFractionalIndexAgainstASearchOfTheTable) {
    const NoiseProcess p = process("linear:T=100");
    std::mt19937 rng(3);
    std::uniform_real_distribution<double> log_level(std::log(p.sigma_min() / 2),
                                                     std::log(p.sigma_max() * 2));
    for (int i = 0; i < 2000; ++i) {
        const double level = std::exp(log_level(rng));
        int best = 1;
        for (int t = 2; t <= 100; ++t)
            if (std::abs(p.sigma(t) - level) < std::abs(p.sigma(best) - level)) best = t;
        EXPECT_EQ(p.nearest_index(level), best);
        const double position = p.fractional_index(level);
        if (level > p.sigma_min() && level < p.sigma_max()) {
            const int below = static_cast<int>(position);
            const double u = position - below;
            const double back =
                below == 100
                    ? p.sigma(100)
                    : std::exp((1 - u) * std::log(p.sigma(below)) + u * std::log(p.sigma(below + 1)));
            EXPECT_NEAR(back / level, 1, 1e-12);
        } else {
            EXPECT_EQ(position, level < 1 ? 1 : 100);
        }
    }
    for (int t = 1; t <= 100; ++t) {
        EXPECT_EQ(p.nearest_index(p.sigma(t)), t);
        EXPECT_EQ(p.fractional_index(p.sigma(t)), t);
        const LocatedLevel kept = p.locate(p.sigma(t), TimeRule::fractional);
        EXPECT_EQ(kept.index, t);
        EXPECT_EQ(kept.model_time, t - 1);
    }
    // A tie goes to the smaller index: half way between exact levels.
    const double middle = p.sigma(1) + (p.sigma(2) - p.sigma(1)) / 2;
    if (middle - p.sigma(1) == p.sigma(2) - middle) {
        EXPECT_EQ(p.nearest_index(middle), 1);
    }
}

TEST(NoiseProcess, LocatesLevelsAndRejectsWrongOnes) {
    const NoiseProcess edm = process("continuous");
    EXPECT_FALSE(edm.discrete());
    EXPECT_EQ(edm.table_size(), 0);
    EXPECT_DOUBLE_EQ(edm.locate(3).model_time, std::log(3) / 4);
    EXPECT_EQ(edm.locate(3).level, 3);
    EXPECT_TRUE(std::isnan(edm.locate(0).model_time));
    EXPECT_EQ(edm.locate(0).index, 0);
    for (double level : {-1.0, std::nan(""), static_cast<double>(INFINITY)})
        EXPECT_THROW(edm.locate(level), Error);
    for (const char* spec :
         {"linear:T=0", "linear:T=8", "betas:values=[]", "betas:values=[0.5,1]", "betas",
          "continuous:sigma-min=3,sigma-max=2", "continuous:sigma-max=inf", "liner", "cosine:t=8"})
        EXPECT_THROW(process(spec), Error) << spec;
}

}  // namespace
}  // namespace schedbench
