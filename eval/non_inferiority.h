// Has a change made a metric worse? A gate as a non-inferiority test: D is how much worse the new value is
// than the baseline's (positive is worse), SE its standard error, t the tolerance.
//
//     PASS          D + z_pass SE < t       worse by t or more is rejected at level `pass` (1.645 for 5 %)
//     FAIL          not PASS, and D - z_fail SE > 0    "not worse" is rejected at level `fail` (2.33 for 1 %)
//     INCONCLUSIVE  neither: more samples are needed
//
// Several tests together: the gate passes only where every test passes, so that a change which is worse by
// its tolerance anywhere slips through with probability at most `pass`, without correction
// (intersection-union: Berger 1982). FAIL takes the p-values of all tests adjusted by Holm's procedure, so
// that a change that is worse nowhere fails anywhere with probability at most `fail`. With several looks at
// growing samples, both levels are divided by their number (Bonferroni).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace schedbench {

struct GateLevels {
    double pass = 0.05, fail = 0.01;
    int looks = 1;  ///< at how many sample sizes the gate may be asked
    double pass_level() const { return pass / looks; }
    double fail_level() const { return fail / looks; }
};

/// The z with P(Z > z) = p of a standard normal. 0 < p < 1.
double upper_quantile(double p);

struct NonInferiorityTest {
    double worse = 0;      ///< D
    double se = 0;         ///< of D; 0: exact
    double tolerance = 0;  ///< t > 0
};

enum class Decision { pass, fail, inconclusive };

struct NonInferiority {
    Decision decision = Decision::inconclusive;
    double upper = 0;   ///< D + z_pass SE
    double lower = 0;   ///< D - z_fail SE, not adjusted for the number of tests
    double p_pass = 1;  ///< of "worse by t or more"
    double p_fail = 1;  ///< of "not worse", adjusted by Holm
};

/// One result a test, in their order.
std::vector<NonInferiority> non_inferiority(std::span<const NonInferiorityTest> tests,
                                            const GateLevels& levels = {});

/// The chance that one test passes where the truth is `worse`: Phi((t - worse)/SE - z_pass).
double pass_chance(double tolerance, double worse, double se, const GateLevels& levels = {});

/// The chance that an inconclusive test is decided (PASS or FAIL) once its standard error is `se_then`, given
/// what was seen: the later D is normal around the present one with variance se^2 - se_then^2 (flat prior).
/// `tests`: how many are held together; FAIL then counts at fail/tests, which Holm never falls below.
double decision_chance(const NonInferiorityTest& test, double se_then, const GateLevels& levels = {},
                       size_t tests = 1);

struct FurtherImages {
    int64_t images = 0;  ///< beside the n that are there, a multiple of `block`
    double chance = 0;   ///< of a decision then
};
/// The fewest further images that decide the test with the given chance, where
/// SE^2(N) = sample_variance n/N + fixed_variance. Nothing if no number (up to 10,000 n) does: then the
/// error of the reference has to fall.
std::optional<FurtherImages> further_images(const NonInferiorityTest& test, double sample_variance,
                                            double fixed_variance, int64_t n, int64_t block = 1,
                                            double chance = 0.9, const GateLevels& levels = {},
                                            size_t tests = 1);

}  // namespace schedbench
