#include "eval/frechet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "eval/comparison.h"
#include "numbers.h"

namespace schedbench {
namespace {

Moments moments(const at::Tensor& mean, const at::Tensor& covariance) {
    return {mean.to(at::kDouble), covariance.to(at::kDouble), 0};
}

TEST(Frechet, DistanceOfMeansAlone) {
    const at::Tensor eye = at::eye(2048, at::kDouble);
    EXPECT_NEAR(frechet_distance(moments(at::zeros({2048}), eye), moments(at::ones({2048}), eye)), 2048,
                1e-9);
}

TEST(Frechet, TwoByTwo) {
    const at::Tensor zero = at::zeros({2}, at::kDouble);
    const at::Tensor a = at::tensor({2.0, 1.0, 1.0, 2.0}, at::kDouble).reshape({2, 2});
    const at::Tensor b = at::tensor({1.0, 0.0, 0.0, 3.0}, at::kDouble).reshape({2, 2});
    EXPECT_NEAR(frechet_distance(moments(zero, a), moments(zero, b)), 8 - 2 * std::sqrt(14.0), 1e-13);
    EXPECT_NEAR(frechet_distance(moments(zero, b), moments(zero, a)), 0.5166852264521, 1e-12);
}

TEST(Frechet, CommutingCovariances) {
    const at::Tensor rotation = std::get<0>(at::linalg_qr(normals(6, 6, 3)));
    const at::Tensor a = at::tensor({5.0, 3.0, 1.0, 0.1, 1e-6, 0.0}, at::kDouble);
    const at::Tensor b = at::tensor({2.0, 3.0, 0.0, 0.2, 1e-6, 4.0}, at::kDouble);
    const auto rotated = [&](const at::Tensor& spectrum) {
        return at::mm(rotation * spectrum, rotation.t());
    };
    const double expected = (a.sqrt() - b.sqrt()).square().sum().item<double>() + 6;
    // Singular covariances without features: rounding of the null eigenvalue is all that is lost.
    EXPECT_NEAR(frechet_distance(moments(at::zeros({6}), rotated(a)), moments(at::ones({6}), rotated(b))),
                expected, 1e-6);
    const at::Tensor a1 = a + 0.01, b1 = b + 0.02;
    const double regular = (a1.sqrt() - b1.sqrt()).square().sum().item<double>();
    EXPECT_NEAR(frechet_distance(moments(at::zeros({6}), rotated(a1)), moments(at::zeros({6}), rotated(b1))),
                regular, 1e-12);
}

TEST(Frechet, RankOne) {
    const at::Tensor u = normals(1, 9, 4)[0], v = normals(1, 9, 5)[0], zero = at::zeros({9}, at::kDouble);
    const double expected = (u.square().sum() + v.square().sum() - 2 * u.dot(v).abs()).item<double>();
    const auto result = frechet_distance(moments(zero, at::outer(u, u)), moments(zero, at::outer(v, v)));
    EXPECT_NEAR(result, expected, 1e-6);
}

TEST(Frechet, SixtyFourDimensions) {
    constexpr int64_t d = 64;
    const at::Tensor i = at::arange(d, at::kDouble);
    const at::Tensor apart = (i.unsqueeze(0) - i.unsqueeze(1)).abs();
    const at::Tensor scale = (1 + i / 64).sqrt();
    const at::Tensor a = at::pow(0.5, apart), b = at::pow(0.8, apart) * at::outer(scale, scale);
    EXPECT_NEAR(frechet_distance(moments(at::zeros({d}), a), moments(0.01 * i, b)), 23.082410850448, 1e-11);
}

TEST(Frechet, FiveRowsOfFour) {
    const at::Tensor x = at::zeros({5, 4}, at::kDouble), y = at::zeros({5, 4}, at::kDouble);
    for (int64_t a = 0; a < 5; ++a) {
        for (int64_t b = 0; b < 4; ++b) {
            x[a][b] = static_cast<double>((3 * a + 2 * b) % 7) / 7;
            y[a][b] = static_cast<double>((5 * a + 3 * b + 1) % 11) / 11;
        }
    }
    EXPECT_NEAR(frechet_distance(x, y), 0.169207730879004, 1e-13);
}

TEST(Frechet, IdentityIsZeroForAnyShape) {
    for (const auto& [n, d] :
         std::vector<std::pair<int64_t, int64_t>>{{500, 16}, {6, 16}, {17, 16}, {16, 16}, {2, 3}, {300, 1}}) {
        const at::Tensor x = skewed_features(n, d, 7);
        const double distance = frechet_distance(x, x);
        EXPECT_GE(distance, 0);
        EXPECT_LT(distance, 1e-9) << n << "x" << d;
        const auto m = feature_sums(x).moments();
        EXPECT_LT(frechet_distance(m, m), 1e-8) << n << "x" << d;
    }
    // Populations that are one point, from features and from statistics alone.
    const at::Tensor point = at::ones({9, 4}, at::kDouble), x = skewed_features(9, 4, 7);
    const Moments at_point = feature_sums(point).moments(), m = feature_sums(x).moments();
    EXPECT_EQ(frechet_distance(at_point, at_point), 0);
    const double expected = ((m.mean - 1).square().sum() + m.covariance.trace()).item<double>();
    EXPECT_NEAR(frechet_distance(m, at_point), expected, 1e-12);
    EXPECT_NEAR(frechet(x, FrechetReference::of_moments(at_point)).at_n.value, expected, 1e-12);
    EXPECT_NEAR(frechet(point, FrechetReference::of_moments(m)).at_n.value, expected, 1e-12);
}

// Both routes on the same numbers, and the closed form for fewer samples than features: with X1 X2^T at hand
// the singular values of that n x m matrix are the root trace.
TEST(Frechet, FewerSamplesThanFeatures) {
    for (const auto& [n, m] :
         std::vector<std::pair<int64_t, int64_t>>{{12, 10}, {12, 200}, {200, 10}, {33, 33}}) {
        const at::Tensor x = skewed_features(n, 32, 8), y = 1.2 * skewed_features(m, 32, 9) + 0.1;
        const at::Tensor xc = x - x.mean(0), yc = y - y.mean(0);
        const double root = at::linalg_svdvals(at::mm(xc, yc.t())).sum().item<double>() /
                            std::sqrt(static_cast<double>((n - 1) * (m - 1)));
        const double expected =
            ((x.mean(0) - y.mean(0)).square().sum() + xc.square().sum() / static_cast<double>(n - 1) +
             yc.square().sum() / static_cast<double>(m - 1))
                .item<double>() -
            2 * root;
        EXPECT_NEAR(frechet_distance(x, y), expected, 1e-11 * expected) << n << " " << m;
        EXPECT_NEAR(frechet(x, FrechetReference::of_features(y)).at_n.value, expected, 1e-11 * expected);
        EXPECT_NEAR(frechet_distance(y, x), expected, 1e-11 * expected) << n << " " << m;
    }
}

TEST(Transport, MapsCarryOneCovarianceToTheOther) {
    const at::Tensor x = skewed_features(400, 10, 10), y = 0.7 * skewed_features(300, 10, 11);
    const Moments a = feature_sums(x).moments(), b = feature_sums(y).moments();
    for (const bool spread : {false, true}) {
        Moments a1 = a, b1 = b;
        const at::Tensor scale = at::logspace(0, spread ? -3.5 : 0, 10, 10.0, at::kDouble);
        if (spread) {  // ratio of scales beyond the first route
            a1.covariance = a.covariance * at::outer(scale, scale);
            b1.covariance = b.covariance * at::outer(scale, scale);
        }
        const Transport t = gaussian_transport(a1, b1, TransportParts::maps);
        EXPECT_EQ(t.route, spread ? "singular values" : "eigenvalues");
        const at::Tensor forward = at::mm(t.to_second / t.singular, t.to_second.t());
        const at::Tensor back = at::mm(t.to_first / t.singular, t.to_first.t());
        const auto error = [&](const at::Tensor& map, const Moments& from, const Moments& to) {
            const at::Tensor difference = at::mm(at::mm(map, from.covariance), map) - to.covariance;
            return (difference / at::outer(scale, scale)).abs().max().item<double>();
        };
        EXPECT_LT(error(forward, a1, b1), spread ? 1e-4 : 1e-12);
        EXPECT_LT(error(back, b1, a1), spread ? 1e-4 : 1e-12);
    }
}

TEST(Transport, BiasOfAPowerLawSpectrum) {
    Transport t;
    t.singular = 12.5 * at::arange(1, 2049, at::kDouble).pow(-0.9426);
    t.root_trace = t.singular.sum().item<double>();
    // The exponent is known to four digits.
    EXPECT_NEAR(t.root_trace / 126.732, 1, 1e-4);
    EXPECT_NEAR(t.harmonic_sum() / 51299.17, 1, 1e-4);
    EXPECT_NEAR((t.root_trace + (t.harmonic_sum() + t.root_trace / 2) / 2) / 25808, 1, 1e-4);
}

// phi(x) is the derivative of F when a little mass is moved to x; psi the same on the reference's side.
TEST(Frechet, InfluenceIsTheDerivative) {
    const at::Tensor x = skewed_features(60, 5, 12), y = 0.8 * skewed_features(50, 5, 13) + 0.2;
    const auto result = frechet(x, FrechetReference::of_features(y));
    const Moments a = feature_sums(x).moments(), b = feature_sums(y).moments();
    const auto moved = [](const Moments& m, const at::Tensor& point, double mass) {
        const at::Tensor off = point - m.mean;
        return Moments{m.mean + mass * off, (1 - mass) * (m.covariance + mass * at::outer(off, off)), m.n};
    };
    constexpr double h = 1e-4;
    for (int64_t i = 0; i < 50; i += 7) {
        const double phi =
            (frechet_distance(moved(a, x[i], h), b) - frechet_distance(moved(a, x[i], -h), b)) / (2 * h);
        const double psi =
            (frechet_distance(a, moved(b, y[i], h)) - frechet_distance(a, moved(b, y[i], -h))) / (2 * h);
        EXPECT_NEAR(result.influence[static_cast<size_t>(i)], phi, 1e-5 * (1 + std::abs(phi)));
        EXPECT_NEAR(result.influence_ref[static_cast<size_t>(i)], psi, 1e-5 * (1 + std::abs(psi)));
    }
}

// The delete-one jackknife and the influence function are two ways to one standard error, and to one bias.
TEST(Frechet, AgreesWithTheJackknife) {
    const at::Tensor x = skewed_features(600, 6, 14);
    const auto reference = FrechetReference::of_features(0.9 * skewed_features(500, 6, 15) + 0.1);
    const auto result = frechet(x, reference, {"fd", ReferenceRole::exact});
    const auto jackknife = frechet_jackknife(x, reference, 600);
    EXPECT_EQ(jackknife.left_out.size(), 600u);
    EXPECT_NEAR(jackknife.se, result.at_n.se, 0.08 * result.at_n.se);
    EXPECT_NEAR(jackknife.debiased, result.debiased.value, 0.3 * result.bias.generated);
    const auto by_jackknife =
        frechet(x, reference, {"fd", ReferenceRole::exact, DebiasMethod::jackknife, 600});
    EXPECT_NEAR(by_jackknife.debiased.value, jackknife.debiased, 1e-12);
    EXPECT_NE(by_jackknife.debiased.method.find("jackknife of 600 blocks"), std::string::npos);
    EXPECT_THROW(frechet_jackknife(x, reference, 601), Error);
    EXPECT_THROW(frechet_jackknife(x, reference, 1), Error);
}

TEST(Frechet, EstimatesSayWhatTheyAre) {
    const at::Tensor x = skewed_features(100, 8, 16), y = skewed_features(60, 8, 17);
    const auto sampled = frechet(x, FrechetReference::of_features(y), {.name = "fd-test"});
    EXPECT_EQ(sampled.at_n.name, "fd-test");
    EXPECT_EQ(sampled.at_n.n, 100);
    EXPECT_EQ(sampled.at_n.se, sampled.se_sampled_reference);
    EXPECT_GT(sampled.se_sampled_reference, sampled.se_exact_reference);
    EXPECT_NE(sampled.at_n.method.find("reference sampled"), std::string::npos);
    EXPECT_NE(sampled.at_n.warning.find("the reference has 60 samples"), std::string::npos);
    EXPECT_NE(sampled.at_n.estimand, sampled.debiased.estimand);
    EXPECT_NEAR(sampled.debiased.value, sampled.at_n.value - sampled.bias.total(), 1e-12);

    const auto exact =
        frechet(x, FrechetReference::of_features(y), {.name = "fd", .reference = ReferenceRole::exact});
    EXPECT_EQ(exact.at_n.se, exact.se_exact_reference);
    EXPECT_TRUE(exact.influence_ref.empty());
    EXPECT_EQ(exact.bias.reference, 0);
    EXPECT_NE(exact.at_n.warning.find("below 16"), std::string::npos);

    const auto statistics = frechet(x, FrechetReference::of_moments(feature_sums(y).moments()));
    EXPECT_NEAR(statistics.at_n.value, exact.at_n.value, 1e-12);
    EXPECT_TRUE(std::isnan(statistics.se_sampled_reference));
    EXPECT_GT(statistics.bias.reference, 0);

    EXPECT_TRUE(
        frechet(skewed_features(128, 8, 18), FrechetReference::of_features(y), {"fd", ReferenceRole::exact})
            .at_n.warning.empty());
    EXPECT_NE(
        frechet(skewed_features(31, 8, 18), FrechetReference::of_features(y)).at_n.warning.find("below 4"),
        std::string::npos);
    // A sample mean of influences is zero, also where directions have no spread at all.
    at::Tensor flat = x.clone();
    flat.select(1, 3).fill_(1);
    for (const at::Tensor& features : {x, flat}) {
        const auto result = frechet(features, FrechetReference::of_features(y));
        double sum = 0;
        for (double phi : result.influence) sum += phi;
        EXPECT_NEAR(sum / 100, 0, 0.02 * std::abs(result.parts.trace1));
        EXPECT_TRUE(std::isfinite(result.debiased.value));
    }
}

TEST(Frechet, NoSpreadAtAll) {
    const at::Tensor one = at::ones({5, 3}), two = at::full({4, 3}, 2.0);
    EXPECT_EQ(frechet_distance(one, two), 3);
    const auto result = frechet(one, FrechetReference::of_features(two));
    EXPECT_EQ(result.debiased.value, 3);
    EXPECT_EQ(result.at_n.se, 0);
    EXPECT_EQ(result.parts.singular.numel(), 0);
}

TEST(Frechet, Errors) {
    const at::Tensor x = skewed_features(20, 4, 19);
    EXPECT_THROW(frechet_distance(x, skewed_features(20, 5, 20)), Error);
    EXPECT_THROW(frechet(x.narrow(0, 0, 1), FrechetReference::of_features(x)), Error);
    at::Tensor bad = x.clone();
    bad[7][2] = std::nan("");
    try {
        frechet(bad, FrechetReference::of_features(x));
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("row 7"), std::string::npos);
    }
}

// Pairing: two generators that share their latents differ with a far smaller error than each has on its own.
TEST(Frechet, PairedDifference) {
    const at::Tensor z = skewed_features(1000, 6, 21);
    const auto reference = FrechetReference::of_features(skewed_features(800, 6, 22));
    const auto a = frechet(1.10 * z, reference), b = frechet(1.08 * z + 0.01, reference);
    const auto pair = paired_difference({a.at_n.value, a.influence, a.influence_ref},
                                        {b.at_n.value, b.influence, b.influence_ref}, "fd a - b");
    EXPECT_NEAR(pair.unpaired_se, std::hypot(a.at_n.se, b.at_n.se), 1e-12);
    EXPECT_LT(pair.difference.se, pair.unpaired_se / 4);
    EXPECT_GT(pair.correlation, 0.95);
}

}  // namespace
}  // namespace schedbench
