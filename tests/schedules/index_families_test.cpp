// Schedules that choose entries of a table, or positions between them, against published values and their
// formulas.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "schedules/iddpm_table.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

using Indices = std::vector<int64_t>;

NoiseProcess process(const std::string& spec) {
    return NoiseProcess(Spec::parse(spec));
}

Schedule build(const std::string& spec, const std::string& noise, int steps, bool allow_fewer = false) {
    return build_schedule(Spec::parse(spec), process(noise), {steps, TimeRule::fractional, allow_fewer},
                          "--schedule");
}

std::string message_of(const std::string& spec, const std::string& noise, int steps) {
    try {
        build(spec, noise, steps);
    } catch (const Error& e) {
        return e.message();
    }
    return "no error";
}

/// Published levels, to the digits that are printed for them, and a 0 at the end.
void expect_printed(const Schedule& s, const std::vector<double>& printed) {
    ASSERT_EQ(s.steps(), static_cast<int>(printed.size()));
    EXPECT_EQ(s.effective.back(), 0);
    for (size_t i = 0; i < printed.size(); ++i)
        EXPECT_NEAR(s.effective[i], printed[i], 0.5001e-4) << s.spec << " knot " << i;
}

TEST(IndexFamilies, PublishedLevelsOfTheStableDiffusionTable) {
    expect_printed(build("normal", "scaled-linear", 10),
                   {14.6146, 7.8399, 4.6092, 2.9183, 1.9502, 1.3449, 0.9324, 0.6250, 0.3687, 0.0292});
    expect_printed(build("sgm-uniform", "scaled-linear", 10),
                   {14.6146, 8.3072, 5.0924, 3.3251, 2.2797, 1.6156, 1.1629, 0.8319, 0.5712, 0.3437});
    expect_printed(build("simple", "scaled-linear", 10),
                   {14.6146, 8.3028, 5.0878, 3.3211, 2.2765, 1.6129, 1.1606, 0.8299, 0.5693, 0.3417});
    const Schedule beta = build("beta-index", "scaled-linear", 10);
    expect_printed(beta, {14.6146, 11.5428, 7.3718, 4.3728, 2.6152, 1.6129, 1.0273, 0.6549, 0.3955, 0.1991});
    EXPECT_EQ(beta.index,
              (Indices{1000, 960, 877, 766, 638, 500, 363, 235, 124, 41, 0}));  // 499 from 0: the tie
}

TEST(IndexFamilies, BetaIndexClosedForms) {
    // Beta(1/2, 1/2): F^-1(p) = sin^2(pi p/2); Beta(1, b): 1 - (1-p)^(1/b).
    for (int steps : {1, 3, 7, 20}) {
        const Schedule arcsine = build("beta-index:alpha=0.5,beta=0.5", "cosine:T=4000", steps);
        const Schedule power = build("beta-index:alpha=1,beta=3", "cosine:T=4000", steps);
        for (int i = 0; i < steps; ++i) {
            const double p = 1 - static_cast<double>(i) / steps;
            const double root = std::sin(std::acos(-1.0) * p / 2);
            EXPECT_EQ(arcsine.index[static_cast<size_t>(i)], 1 + std::lround(3999 * root * root));
            EXPECT_EQ(power.index[static_cast<size_t>(i)], 1 + std::lround(3999 * (1 - std::cbrt(1 - p))));
        }
    }
    // Merged entries are an error, or recorded.
    EXPECT_NE(message_of("beta-index", "cosine:T=40", 30).find("chosen twice"), std::string::npos);
    const Schedule fewer = build("beta-index", "cosine:T=40", 30, true);
    EXPECT_LT(fewer.steps(), 30);
    EXPECT_EQ(fewer.requested_steps, 30);
    // A middle tie goes down for every even table.
    for (int table : {50, 1000, 4000})
        EXPECT_EQ(build("beta-index", "cosine:T=" + std::to_string(table), 2).index[1], table / 2);
}

TEST(IndexFamilies, StridesAgainstTheirFormulas) {
    for (int table : {7, 50, 1000, 4000})
        for (int steps = 1; steps <= std::min(table, 60); ++steps) {
            const std::string noise = "cosine:T=" + std::to_string(table);
            const Schedule exact = build("ddim-uniform-exact", noise, steps);
            ASSERT_EQ(exact.steps(), steps);
            for (int k = 0; k < steps; ++k)
                EXPECT_EQ(exact.index[static_cast<size_t>(steps - 1 - k)], 1 + k * table / steps);
            const Schedule simple = build("simple", noise, steps);
            for (int i = 0; i < steps; ++i) {
                // Where i T/N is whole, its double may fall short of it by one place (see simple.cpp).
                const int64_t whole = table - static_cast<int64_t>(i) * table / steps;
                const int64_t index = simple.index[static_cast<size_t>(i)];
                EXPECT_TRUE(index == whole || (index == whole + 1 && i * table % steps == 0))
                    << table << " " << steps;
            }
        }
    EXPECT_EQ(build("simple", "linear:T=1000", 38).index[19], 501);  // 19 (1000/38) = 499.99999999999994
}

TEST(IndexFamilies, SmoothstepAndLcm) {
    const Schedule smooth = build("smoothstep", "linear:T=1000", 8);
    for (int i = 0; i < 8; ++i) {  // (8-i)^2 (24 - 2(8-i)) / 512, exact
        const int v = 8 - i;
        EXPECT_EQ(smooth.index[static_cast<size_t>(i)], 1 + (2 * 999 * v * v * (24 - 2 * v) + 512) / 1024);
    }
    EXPECT_EQ(build("smoothstep", "linear:T=1000", 2).index[1], 501);  // 499.5 goes up
    EXPECT_EQ(build("lcm", "scaled-linear", 4).index, (Indices{1000, 760, 500, 260, 0}));
    EXPECT_EQ(build("lcm", "scaled-linear", 8).index, (Indices{1000, 880, 760, 640, 500, 380, 260, 140, 0}));
    EXPECT_EQ(build("lcm:origin-steps=100", "scaled-linear", 3).index, (Indices{1000, 670, 340, 0}));
    EXPECT_NE(message_of("lcm:origin-steps=30", "scaled-linear", 4).find("origin-steps=30"),
              std::string::npos);
    EXPECT_NE(message_of("lcm", "linear:T=25", 4).find("origin-steps=50"), std::string::npos);
}

TEST(IndexFamilies, RespacingTakesTextOrList) {
    const Schedule text = build("respacing:sections='10,5,3'", "linear:T=1000", 0);
    const Schedule list = build("respacing:sections=[10,5,3]", "linear:T=1000", 18);
    EXPECT_EQ(text.hash(), list.hash());
    EXPECT_EQ(text.spec, list.spec);
    EXPECT_EQ(build(text.spec, "linear:T=1000", 0).hash(), text.hash());
    EXPECT_EQ(build("respacing:sections=ddim25", "linear:T=1000", 0).steps(), 25);
    EXPECT_EQ(build("respacing:sections=10", "linear:T=1000", 0).index,
              build("even", "linear:T=1000", 10).index);
    EXPECT_TRUE(has_own_count(Spec::parse("respacing:sections=10")));
    EXPECT_NE(message_of("respacing:sections=10", "linear:T=1000", 7).find("10 steps, not the 7"),
              std::string::npos);
    for (const char* bad : {"0", "ten", "10,,3", "-3", "ddim", "ddim3x", "2.5", "10,"})
        EXPECT_NE(message_of("respacing:sections='" + std::string(bad) + "'", "linear:T=1000", 0).find(bad),
                  std::string::npos)
            << bad;
    EXPECT_NE(message_of("respacing", "linear", 3).find("sections"), std::string::npos);
}

TEST(IndexFamilies, NormalKeepsItsEndsAndTakesARange) {
    const NoiseProcess p = process("scaled-linear");
    const Schedule s = build("normal:end=sigma-min,sigma-min=0.1,sigma-max=10", "scaled-linear", 12);
    EXPECT_EQ(s.effective.front(), 10);
    EXPECT_EQ(s.effective.back(), 0.1);
    const double stride = s.model_time[0] - s.model_time[1];
    for (size_t i = 1; i < s.effective.size(); ++i)
        EXPECT_NEAR(s.model_time[i - 1] - s.model_time[i], stride, 1e-9);
    // N + 1 positions, the last replaced by 0.
    const Schedule replaced = build("normal:end=replace", "scaled-linear", 9),
                   sgm = build("sgm_uniform", "scaled-linear", 9);
    for (size_t i = 0; i < sgm.effective.size(); ++i)
        EXPECT_NEAR(replaced.effective[i], sgm.effective[i], 1e-12);
    EXPECT_EQ(build("normal", "scaled-linear", 1).effective, (std::vector<double>{p.sigma_max(), 0}));
    EXPECT_NE(message_of("normal:sigma-max=20", "scaled-linear", 4).find("20"), std::string::npos);
}

TEST(IndexFamilies, IddpmTable) {
    // u_j = sqrt(abar_M/abar_j - 1) where nothing is clipped: cot-like closed form, j >= 1.
    const std::vector<double> u = iddpm_levels(1000, 0.001, 0.008, IddpmTable::exact, "test");
    ASSERT_EQ(u.size(), 1001u);
    EXPECT_EQ(u[1000], 0);
    const long double half = std::acos(-1.0L) / 2 / 1008;
    for (int j = 1; j < 1000; ++j) {
        const long double b = half * 1000, a = half * static_cast<long double>(j);
        const long double expected = std::sqrt(std::sin(b - a) * std::sin(b + a)) / std::sin(a);
        EXPECT_NEAR(u[static_cast<size_t>(j)] / static_cast<double>(expected), 1, 1e-13) << j;
    }
    EXPECT_NEAR(u[0], std::sqrt((u[1] * u[1] + 1) / 0.001 - 1), 1e-9);  // clipped by C1
    const std::vector<double> single = iddpm_levels(1000, 0.001, 0.008, IddpmTable::float32, "test");
    double worst = 0;
    for (size_t j = 0; j < 1000; ++j) worst = std::max(worst, std::abs(single[j] / u[j] - 1));
    EXPECT_GT(worst, 1e-5);
    EXPECT_LT(worst, 6e-4);
    // Its range is its own on EDM's continuous process, and that of a table otherwise.
    EXPECT_NEAR(build("edm-iddpm", "continuous", 10).effective[0], 80.2037, 1e-4);
    EXPECT_LE(build("edm-iddpm", "scaled-linear", 10).effective[0], 14.6147);
    EXPECT_LE(build("edm-iddpm", "continuous:sigma-min=0.02,sigma-max=50", 10).effective[0], 50);
    EXPECT_NE(message_of("edm-iddpm", "continuous", 1).find("N = 1"), std::string::npos);
    EXPECT_NE(message_of("edm-iddpm:M=20", "continuous", 30).find("M=20"), std::string::npos);
    EXPECT_NE(message_of("edm-iddpm:M=0", "continuous", 3).find("M must"), std::string::npos);
    EXPECT_NE(message_of("edm-iddpm:C1=1", "continuous", 3).find("C1"), std::string::npos);
}

}  // namespace
}  // namespace schedbench
