#include "schedules/elbo_cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/error.h"
#include "random_chain.h"

namespace schedbench {
namespace {

size_t at(int i) {
    return static_cast<size_t>(i);
}

TEST(ElboCost, EdgesEqualTheDivergenceOfTwoGaussians) {
    // KL(N(m1, v1) || N(m2, v2)) = (v1/v2 - 1 - ln(v1/v2) + (m1 - m2)^2 / v2) / 2, with (m1 - m2)^2 = A^2 M.
    const NoiseProcess process(Spec::parse("linear:T=40"));
    ElboStatistics statistics{{0}, std::vector<double>(41, 0.0), 0.25, {0}, {}};
    for (int t = 1; t <= 40; ++t) {
        statistics.error.push_back(0.3 * t / 40.0);
        statistics.gamma.push_back(t % 7 == 3   ? 1.1
                                   : t % 7 == 4 ? 0
                                                : 1 - 0.02 * t);  // clipped below, above, not
    }
    const ElboChain chain(process, statistics);
    for (int t = 2; t <= 40; ++t)
        for (int s = 1; s < t; ++s) {
            const double btil = process.posterior_variance(s, t), beta = process.beta(s, t),
                         b = process.one_minus_abar(t);
            const double a2 = process.abar(s) * beta * beta / (b * b), square = a2 * statistics.error[at(t)];
            const auto divergence = [&](double v) {
                return (btil / v - 1 - std::log(btil / v) + square / v) / 2;
            };
            const double guess = b / process.abar(t) * (1 - statistics.gamma[at(t)]);
            const double best = divergence(btil + square);
            EXPECT_NEAR(chain.edge(ElboVariance::posterior, s, t), divergence(btil), 1e-11);
            EXPECT_NEAR(chain.edge(ElboVariance::beta, s, t), divergence(beta), 1e-11);
            EXPECT_NEAR(chain.edge(ElboVariance::corrected_analytic, s, t), best, 1e-11);
            EXPECT_NEAR(chain.edge(ElboVariance::analytic, s, t),
                        divergence(btil + a2 * std::min(std::max(guess, 0.0), 1.0)), 1e-11);
            for (ElboVariance variance :
                 {ElboVariance::posterior, ElboVariance::beta, ElboVariance::analytic})
                EXPECT_LE(chain.edge(ElboVariance::corrected_analytic, s, t),
                          chain.edge(variance, s, t) * (1 + 1e-12));
        }
    EXPECT_NEAR(chain.prior(40), 0.5 * (process.abar(40) * (0.25 - 1) - std::log(process.one_minus_abar(40))),
                1e-12);
}

/// For an exact denoiser the norm of its noise and its error say the same, so the two analytic variances
/// agree.
TEST(ElboCost, AnalyticVariancesAgreeForAnExactDenoiser) {
    const double c2 = 0.25;
    const NoiseProcess process(Spec::parse("cosine:T=60"));
    ElboStatistics statistics{{0}, std::vector<double>(61, 0.0), c2, {0}, {}};
    for (int t = 1; t <= 60; ++t) {
        const double v = c2 * process.abar(t) + process.one_minus_abar(t);
        statistics.error.push_back(c2 * process.one_minus_abar(t) / v);
        statistics.gamma.push_back(process.one_minus_abar(t) / v);
    }
    const ElboChain chain(process, statistics);
    for (int t = 2; t <= 59; ++t)  // at T, 1 - Gamma has lost its digits
        for (int s = 1; s < t; ++s)
            EXPECT_NEAR(chain.edge(ElboVariance::analytic, s, t),
                        chain.edge(ElboVariance::corrected_analytic, s, t), 1e-11);
}

TEST(ElboCost, SlopesAreDerivativesOfTheEdges) {
    std::mt19937 rng(3);
    const NoiseProcess process(Spec::parse("cosine:T=30"));
    const ElboStatistics statistics = random_chain::statistics(process, random_chain::Shape::bumpy, rng);
    const ElboChain chain(process, statistics);
    for (ElboVariance variance : {ElboVariance::posterior, ElboVariance::beta,
                                  ElboVariance::corrected_analytic, ElboVariance::analytic})
        for (int t : {2, 9, 30}) {
            ElboStatistics more = statistics, less = statistics;
            const double h = 1e-5 * statistics.error[at(t)];
            more.error[at(t)] += h;
            less.error[at(t)] -= h;
            more.learned.reset();
            less.learned.reset();
            const double slope = (ElboChain(process, more).edge(variance, 1, t) -
                                  ElboChain(process, less).edge(variance, 1, t)) /
                                 (2 * h);
            EXPECT_NEAR(chain.error_slope(variance, 1, t) / slope, 1, 1e-7);
        }
}

/// Direct averages of the per-pixel KL against the transforms at 24 nodes, at the largest T in use.
TEST(ElboCost, LearnedVarianceEqualsDirectAverages) {
    std::mt19937 rng(7);
    std::uniform_real_distribution<double> uniform;
    for (const char* spec : {"cosine:T=4000", "linear:T=1000"}) {
        const NoiseProcess process(Spec::parse(spec));
        const int size = process.table_size();
        ElboStatistics statistics{std::vector<double>(at(size) + 1, 0.0),
                                  std::vector<double>(at(size) + 1, 0.0),
                                  1,
                                  {},
                                  LearnedVarianceStatistics{}};
        statistics.learned->phi.assign(at(size) + 1, {});
        for (LaplaceValues& phi : statistics.learned->phi) phi.fill(1);
        statistics.learned->psi.assign(at(size) + 1, {});
        statistics.learned->mean_v.assign(at(size) + 1, 0);
        const int count = 400;
        double worst = 0;
        for (int t : {2, 3, 10, 300, size / 2, size - 1, size}) {
            std::vector<double> v, square;
            for (int i = 0; i < count; ++i) {
                v.push_back(i % 3 == 0 ? std::round(uniform(rng)) : uniform(rng));  // often at the ends
                square.push_back(process.one_minus_abar(t) * -std::log(1 - uniform(rng)) * (0.2 + v.back()));
            }
            ElboStatistics now = statistics;
            LaplaceValues phi{}, psi{};
            const LaplaceValues nodes = laplace_nodes(process, t);
            for (size_t i = 0; i < v.size(); ++i) {
                now.error[at(t)] += square[i] / count;
                now.learned->mean_v[at(t)] += v[i] / count;
                for (size_t j = 0; j < nodes.size(); ++j) {
                    phi[j] += std::exp(-nodes[j] * v[i]) / count;
                    psi[j] += std::exp(-nodes[j] * v[i]) * square[i] / count;
                }
            }
            now.learned->phi[at(t)] = phi;
            now.learned->psi[at(t)] = psi;
            const ElboChain chain(process, now);
            for (int s : {1, 2, 5, 40, 299, size / 2 - 1, size / 2, size - 2, size - 1}) {
                if (s >= t) continue;
                const double btil = process.posterior_variance(s, t), beta = process.beta(s, t);
                const double b = process.one_minus_abar(t), a2 = process.abar(s) * beta * beta / (b * b);
                double direct = 0, magnitude = 0;
                for (size_t i = 0; i < v.size(); ++i) {
                    const double lambda = std::log(b) - std::log(process.one_minus_abar(s));
                    const double variance = std::exp(v[i] * std::log(beta) + (1 - v[i]) * std::log(btil));
                    // rho - 1 - ln rho with ln rho = -lambda v; expm1 for neighbours
                    const double mismatch = std::expm1(-lambda * v[i]) + lambda * v[i];
                    direct += (mismatch + a2 * square[i] / variance) / 2 / count;
                    magnitude += lambda * v[i] / count;
                }
                // Where lambda is small, direct averages lose digits by its subtraction: 1e-16 lambda.
                const double difference =
                    std::abs(chain.edge(ElboVariance::learned, s, t) - direct) / (direct + 1e-6 * magnitude);
                EXPECT_LT(difference, 1e-9) << spec << " t=" << t << " s=" << s;
                worst = std::max(worst, difference);
            }
        }
        std::printf("learned variance on %s: worst relative difference %.1e\n", spec, worst);
    }
}

/// v = 0 and v = 1 everywhere are the posterior variance and beta.
TEST(ElboCost, LearnedVarianceContainsTheFixedOnes) {
    const NoiseProcess process(Spec::parse("cosine:T=200"));
    for (double v : {0.0, 1.0}) {
        ElboStatistics statistics{{0}, std::vector<double>(201, 0.0), 1, {}, LearnedVarianceStatistics{}};
        for (int t = 0; t <= 200; ++t) {
            if (t > 0) statistics.error.push_back(0.4 * process.one_minus_abar(t));
            LaplaceValues phi{}, psi{};
            const LaplaceValues nodes = t > 0 ? laplace_nodes(process, t) : LaplaceValues{};
            for (size_t j = 0; j < nodes.size(); ++j) {
                phi[j] = std::exp(-nodes[j] * v);
                psi[j] = phi[j] * statistics.error.back();
            }
            statistics.learned->phi.push_back(phi);
            statistics.learned->psi.push_back(psi);
            statistics.learned->mean_v.push_back(v);
        }
        const ElboChain chain(process, statistics);
        const ElboVariance same = v == 0 ? ElboVariance::posterior : ElboVariance::beta;
        for (int t : {2, 3, 50, 200})
            for (int s = 1; s < t; ++s)
                EXPECT_NEAR(chain.edge(ElboVariance::learned, s, t) / chain.edge(same, s, t), 1, 1e-9);
    }
}

TEST(ElboCost, FirstStepRules) {
    const NoiseProcess process(Spec::parse("linear:T=30"));
    std::vector<double> error{0}, decoder{0};
    for (int t = 1; t <= 30; ++t) {
        error.push_back(0.2 * process.one_minus_abar(t));
        decoder.push_back(gaussian_decoder_cost(error.back(), table_decoder_variance(process, t)));
    }
    const ElboChain chain(process, error, decoder, 0.5);
    const auto density = [&](int t, double v) { return gaussian_decoder_cost(error[at(t)], v); };
    const FirstStep table, path{FirstStepRule::path, density}, optimal{FirstStepRule::optimal, {}},
        by_call{FirstStepRule::optimal, density};
    for (int t1 : {1, 4, 17}) {
        EXPECT_EQ(chain.first_cost(table, t1, 20), decoder[at(t1)]);
        EXPECT_NEAR(chain.first_cost(path, t1, 20), density(t1, process.posterior_variance(t1, 20)), 1e-12);
        EXPECT_NEAR(chain.first_cost(optimal, t1, 0), std::log(2 * M_PI * M_E * error[at(t1)]) / 2, 1e-12);
        EXPECT_EQ(chain.first_cost(by_call, t1, 0), chain.first_cost(optimal, t1, 0));
        EXPECT_LE(chain.first_cost(optimal, t1, 0), chain.first_cost(path, t1, 20));
        EXPECT_LE(chain.first_cost(optimal, t1, 0), chain.first_cost(table, t1, 0));
    }
    EXPECT_THROW(chain.path_cost(ElboVariance::beta, {30}, path), Error);
    EXPECT_NO_THROW(chain.path_cost(ElboVariance::beta, {30}, optimal));
    std::vector<double> none = error;
    none[3] = 0;
    EXPECT_THROW(ElboChain(process, none, decoder, 0.5).best_paths(ElboVariance::beta, 3, optimal), Error);
}

void expect_refused(const NoiseProcess& process, const ElboStatistics& statistics, const std::string& text) {
    try {
        ElboChain(process, statistics).best_paths(ElboVariance::posterior, 2);
        ADD_FAILURE() << text;
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
}

TEST(ElboCost, RefusesBadStatisticsByName) {
    std::mt19937 rng(1);
    const NoiseProcess process(Spec::parse("cosine:T=4"));
    const ElboStatistics good = random_chain::statistics(process, random_chain::Shape::exact, rng);
    EXPECT_NO_THROW(ElboChain(process, good));
    const auto with = [&](const std::function<void(ElboStatistics&)>& change) {
        ElboStatistics out = good;
        change(out);
        return out;
    };
    const double nan = std::nan("");
    expect_refused(process, with([](auto& s) { s.error.pop_back(); }), "expected 5 entries");
    expect_refused(process, with([](auto& s) { s.decoder.push_back(1); }), "expected 5 entries");
    expect_refused(process, with([](auto& s) { s.gamma.pop_back(); }), "expected 5 entries");
    expect_refused(process, with([](auto& s) { s.learned->phi.pop_back(); }), "expected 5 entries");
    expect_refused(process, with([](auto& s) { s.error[2] = -1; }), "entry 2 has squared error -1");
    expect_refused(process, with([&](auto& s) { s.error[3] = nan; }), "entry 3 has squared error nan");
    expect_refused(process, with([](auto& s) { s.decoder[3] = INFINITY; }), "entry 3 has");
    expect_refused(process, with([](auto& s) { s.gamma[4] = -0.1; }), "entry 4 has Gamma");
    expect_refused(process, with([&](auto& s) { s.second_moment = nan; }), "second moment");
    expect_refused(process, with([&](auto& s) { s.learned->psi[3][7] = nan; }), "entry 3 has phi");
    expect_refused(process, with([](auto& s) { s.learned->psi[2][5] = -1; }), "entry 2 has phi");
    expect_refused(process, with([](auto& s) { s.learned->phi[4][0] = 0.9; }), "entry 4 has phi(0)");
    expect_refused(process, with([](auto& s) { s.learned->psi[4][0] *= 2; }), "entry 4 has psi(0)");
    expect_refused(process, with([&](auto& s) { s.learned->mean_v[3] = nan; }), "entry 3 has a mean of v");
    expect_refused(NoiseProcess(Spec::parse("continuous")), good, "discrete");

    const ElboChain chain(process, good), bare(process, good.error, good.decoder, 1);
    EXPECT_THROW(bare.edge(ElboVariance::analytic, 1, 2), Error);
    EXPECT_THROW(bare.best_paths(ElboVariance::learned, 2), Error);
    for (const std::vector<int>& path : {std::vector<int>{}, {2, 1}, {0, 4}, {1, 5}, {1, 1}})
        EXPECT_THROW(chain.path_cost(ElboVariance::beta, path), Error);
    EXPECT_THROW(chain.best_paths(ElboVariance::beta, 5), Error);
    EXPECT_THROW(chain.best_paths(ElboVariance::beta, 0), Error);
    EXPECT_THROW(parse_variance("analytical", "x"), Error);
    for (ElboVariance variance : random_chain::variances())
        EXPECT_EQ(parse_variance(variance_name(variance), "x"), variance);
}

}  // namespace
}  // namespace schedbench
