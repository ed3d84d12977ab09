// Do the error bars of the Frechet distance cover what they say? Repeats of whole experiments on populations
// whose true distance is known in closed form. A small version runs with the tests; the full one is
//     SCHEDBENCH_REPEATS=2000 build/tests/eval/test_coverage
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "eval/comparison.h"
#include "eval/frechet.h"
#include "numbers.h"

namespace schedbench {
namespace {

int repeats() {
    const char* text = std::getenv("SCHEDBENCH_REPEATS");
    return text != nullptr ? std::max(20, std::atoi(text)) : 40;
}

/// Standardised noise [n, d]: independent entries of mean 0 and variance 1.
using Noise = std::function<at::Tensor(int64_t n, int64_t d, uint64_t stream)>;

at::Tensor gaussian(int64_t n, int64_t d, uint64_t stream) {
    return normals(n, d, stream);
}

/// Student's t with 10 degrees of freedom: the eighth moment is finite, the tenth is not.
at::Tensor heavy_tailed(int64_t n, int64_t d, uint64_t stream) {
    const at::Tensor z = normals(n, 11 * d, stream);
    const at::Tensor chi = z.narrow(1, d, 10 * d).reshape({n, d, 10}).square().sum(2);
    return z.narrow(1, 0, d) / (chi / 10).sqrt() / std::sqrt(10.0 / 8);
}

/// x = mean + L noise.
struct Population {
    at::Tensor mean, factor;
    Moments moments() const { return {mean, at::mm(factor, factor.t()), 0}; }
    at::Tensor sample(const at::Tensor& noise) const { return mean + at::mm(noise, factor.t()); }
};

Population population(int64_t d, double shift, double scale, double correlation) {
    const at::Tensor i = at::arange(d, at::kDouble);
    const at::Tensor spread = scale * (1 + i / static_cast<double>(d)).sqrt();
    const at::Tensor covariance =
        at::outer(spread, spread) * at::pow(correlation, (i.unsqueeze(0) - i.unsqueeze(1)).abs());
    return {shift * (i + 1).cos(), at::linalg_cholesky(covariance)};
}

struct Interval {
    RunningMean value;
    std::vector<std::pair<double, double>> all;  ///< value, standard error
    void add(double v, double se) {
        value.add(v);
        all.emplace_back(v, se);
    }
    double coverage(double truth) const {
        double covered = 0;
        for (const auto& [v, se] : all) covered += std::abs(v - truth) <= 1.959964 * se ? 1 : 0;
        return covered / static_cast<double>(all.size());
    }
    double sd() const { return std::sqrt(value.variance()); }
};

/// The plain distance of many repeats and the two ways to take its bias off.
struct Repeats {
    Interval raw, jackknife, closed;
    FrechetResult add(const at::Tensor& x, const FrechetReference& reference) {
        FrechetResult f = frechet(x, reference);
        raw.add(f.at_n.value, f.at_n.se);
        closed.add(f.debiased.value, f.debiased.se);
        const auto j = frechet(x, reference, {"fd", ReferenceRole::sampled, DebiasMethod::jackknife});
        jackknife.add(j.debiased.value, j.debiased.se);
        return f;
    }
};

/// 93 to 97 % where there are 2,000 repeats; fewer cannot tell so well.
void expect_coverage(double coverage, const char* what, double most = 0.97) {
    const double slack = repeats() >= 2000 ? 0 : 3.5 * std::sqrt(0.05 * 0.95 / repeats());
    EXPECT_GE(coverage, 0.93 - slack) << what;
    EXPECT_LE(coverage, most + slack) << what;
}

struct Case {
    const char* name;
    int64_t d;
    Noise noise;
};
const Case kCases[] = {{"Gaussian, d = 8", 8, gaussian},
                       {"Gaussian, d = 32", 32, gaussian},
                       {"Student t10, d = 16", 16, heavy_tailed}};

TEST(Coverage, DistancesAboveZero) {
    for (const Case& c : kCases) {
        const int64_t n = 60 * c.d;
        const Population a = population(c.d, 0.30, 1.1, 0.5), b = population(c.d, 0.28, 1.12, 0.45),
                         reference = population(c.d, 0, 1, 0.3);
        const double true_a = frechet_distance(a.moments(), reference.moments()),
                     true_b = frechet_distance(b.moments(), reference.moments());
        Interval raw_difference, difference;
        Repeats all;
        uint64_t stream = 5000;
        for (int r = 0; r < repeats(); ++r) {
            const at::Tensor z = c.noise(n, c.d, ++stream), w = c.noise(n, c.d, ++stream);
            const at::Tensor x = a.sample(z), y = b.sample(0.9 * z + std::sqrt(1 - 0.81) * w);
            const auto ref = FrechetReference::of_features(reference.sample(c.noise(n, c.d, ++stream)));
            const auto fa = all.add(x, ref), fb = frechet(y, ref);
            const auto pair = paired_difference({fa.at_n.value, fa.influence, fa.influence_ref},
                                                {fb.at_n.value, fb.influence, fb.influence_ref}, "d");
            raw_difference.add(pair.difference.value, pair.difference.se);
            difference.add(fa.debiased.value - fb.debiased.value, pair.difference.se);
        }
        const double at_n = all.raw.coverage(all.raw.value.mean), jack = all.jackknife.coverage(true_a),
                     form = all.closed.coverage(true_a), paired = difference.coverage(true_a - true_b),
                     raw_paired = raw_difference.coverage(raw_difference.value.mean);
        std::printf(
            "%s, n = m = %lld, true distance %.3f, %d repeats: coverage of the distance at n %.3f, true "
            "distance by jackknife %.3f, by closed form %.3f; of paired differences at n %.3f, true %.3f "
            "(SD %.4f of a distance, %.4f of a difference)\n",
            c.name, static_cast<long long>(n), true_a, repeats(), at_n, jack, form, raw_paired, paired,
            all.raw.sd(), difference.sd());
        expect_coverage(at_n, c.name);
        expect_coverage(jack, c.name);
        expect_coverage(form, c.name);
        expect_coverage(raw_paired, c.name);
        expect_coverage(paired, c.name);
    }
}

TEST(Coverage, DistanceZero) {
    for (const Case& c : kCases) {
        const int64_t n = 60 * c.d;
        const Population p = population(c.d, 0.3, 1, 0.4);
        Repeats all;
        uint64_t stream = 900000;
        for (int r = 0; r < repeats(); ++r) {
            const at::Tensor x = p.sample(c.noise(n, c.d, ++stream));
            const auto ref = FrechetReference::of_features(p.sample(c.noise(n, c.d, ++stream)));
            all.add(x, ref);
        }
        std::printf("%s, distance 0: coverage by jackknife %.3f, by closed form %.3f\n", c.name,
                    all.jackknife.coverage(0), all.closed.coverage(0));
        const double slack = repeats() >= 2000 ? 0 : 3.5 * std::sqrt(0.05 * 0.95 / repeats());
        EXPECT_GE(all.jackknife.coverage(0), 0.95 - slack) << c.name;
        EXPECT_GE(all.closed.coverage(0), 0.95 - slack) << c.name;
    }
}

TEST(Coverage, BiasOfTheDebiasedValue) {
    for (const Case& c : kCases) {
        const int64_t n = 16 * c.d;
        const Population a = population(c.d, 0.30, 1.1, 0.5), reference = population(c.d, 0, 1, 0.3);
        const double truth = frechet_distance(a.moments(), reference.moments());
        Repeats all;
        uint64_t stream = 2000000;
        for (int r = 0; r < repeats(); ++r) {
            const at::Tensor x = a.sample(c.noise(n, c.d, ++stream));
            const auto ref = FrechetReference::of_features(reference.sample(c.noise(n, c.d, ++stream)));
            all.add(x, ref);
        }
        const auto bias = [&](const Interval& i) { return (i.value.mean - truth) / i.sd(); };
        std::printf("%s, n = 16 d: bias in SD: raw %.2f, jackknife %.3f, closed form %.3f\n", c.name,
                    bias(all.raw), bias(all.jackknife), bias(all.closed));
        const double slack = repeats() >= 2000 ? 0 : 3.5 / std::sqrt(repeats());
        EXPECT_LE(std::abs(bias(all.jackknife)), 0.25 + slack) << c.name;
        EXPECT_LE(std::abs(bias(all.closed)), 0.25 + slack) << c.name;
    }
}

}  // namespace
}  // namespace schedbench
