// Reverse variances that were fitted to other data than those that are scored: against the KL of two
// Gaussians written out, and the parts of statistics.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "likelihood/path_bound.h"
#include "likelihood/statistics_fixture.h"
#include "likelihood/statistics_subset.h"
#include "schedules/index_strides.h"

namespace schedbench {
namespace {

DenoisingStatistics fixture() {
    return read_statistics_fixture(SCHEDBENCH_SOURCE_DIR "/results/published/ls-fixture.json").statistics;
}

/// The same chain on other data: errors and Gamma changed by smooth random factors.
DenoisingStatistics other_data(const DenoisingStatistics& s, uint64_t seed, bool gamma) {
    DenoisingStatistics out = s;
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform(0.7, 1.4);
    const double low = uniform(random), high = uniform(random);
    if (gamma) out.gamma.resize(out.error.size());
    for (size_t t = 1; t < out.error.size(); ++t) {
        const double place = static_cast<double>(t) / static_cast<double>(out.levels());
        out.error[t].mean *= low + (high - low) * place;
        if (gamma) out.gamma[t].mean = 0.5 + 0.4 * place * low;
    }
    return out;
}

TEST(FittedVariance, IsTheKlOfTwoGaussians) {
    const DenoisingStatistics base = fixture(), fit = other_data(base, 1, true),
                              scored = other_data(base, 2, true);
    const NoiseProcess process = base.chain();
    std::mt19937_64 random(3);
    double worst = 0;
    for (int repeat = 0; repeat < 200; ++repeat) {
        const int steps = 2 + static_cast<int>(random() % 12);
        std::vector<int> path;
        while (static_cast<int>(path.size()) < steps) {
            const int t = 1 + static_cast<int>(random() % 1000);
            if (std::find(path.begin(), path.end(), t) == path.end()) path.push_back(t);
        }
        std::sort(path.begin(), path.end());
        for (const ElboVariance variance : {ElboVariance::corrected_analytic, ElboVariance::analytic}) {
            const BoundRule rule{variance, FirstStepRule::optimal, DecoderKind::density};
            const PathBound bound = PathBounds(scored, rule, &fit).bound(path);
            const auto at = [&](const std::vector<RunningMean>& values, int t) {
                return values[static_cast<size_t>(t)].mean;
            };
            double nats = gaussian_decoder_cost(at(scored.error, path[0]), at(fit.error, path[0]));
            for (size_t k = 1; k < path.size(); ++k) {
                const int s = path[k - 1], t = path[k];
                const double a_ts = process.abar(t) / process.abar(s), b_t = process.one_minus_abar(t),
                             b_s = process.one_minus_abar(s), btil = process.posterior_variance(s, t),
                             mean = std::sqrt(process.abar(s)) * (1 - a_ts) / b_t,
                             c = variance == ElboVariance::analytic
                                     ? std::clamp(b_t / process.abar(t) * (1 - at(fit.gamma, t)), 0.0, 1.0)
                                     : at(fit.error, t),
                             sigma2 = btil + mean * mean * c;
                EXPECT_NEAR(btil, (1 - a_ts) * b_s / b_t, 1e-12);
                nats += (btil / sigma2 - 1 - std::log(btil / sigma2) +
                         mean * mean * at(scored.error, t) / sigma2) /
                        2;
            }
            const double expected = nats_to_bits(nats) + std::log2(127.5) + bound.prior;
            worst = std::max(worst, std::abs(bound.bits_per_dim.value - expected) / expected);
            // Variances fitted to the scored data themselves are optimistic, and never worse.
            if (variance == ElboVariance::corrected_analytic) {
                EXPECT_LE(PathBounds(scored, rule).bound(path).bits_per_dim.value,
                          bound.bits_per_dim.value * (1 + 1e-12));
            }
        }
    }
    EXPECT_LT(worst, 1e-9);
}

TEST(FittedVariance, RefusesAnotherModel) {
    const DenoisingStatistics s = fixture();
    const BoundRule rule{ElboVariance::corrected_analytic, FirstStepRule::table, s.decoder};
    DenoisingStatistics other = s;
    other.weights = "other";
    EXPECT_THROW(PathBounds(s, rule, &other), Error);
    other = s;
    other.betas[3] *= 1.1;
    EXPECT_THROW(PathBounds(s, rule, &other), Error);
}

/// Statistics with terms of `n` images over a short chain, drawn at random.
DenoisingStatistics random_images(size_t n, size_t levels) {
    DenoisingStatistics s;
    s.model = "random";
    s.chain_name = "random";
    std::mt19937_64 random(5);
    std::uniform_real_distribution<double> uniform(0.01, 0.2);
    for (size_t t = 0; t < levels; ++t) s.betas.push_back(uniform(random));
    s.decoder = DecoderKind::density;
    s.images = static_cast<int64_t>(n);
    s.error.resize(levels + 1);
    s.decoder_nats.resize(levels + 1);
    const NoiseProcess process = s.chain();
    for (size_t i = 0; i < n; ++i) {
        s.second_moment.push_back(uniform(random));
        for (size_t t = 1; t <= levels; ++t) {
            s.image_error.push_back(static_cast<float>(uniform(random)));
            s.image_decoder.push_back(static_cast<float>(
                gaussian_decoder_cost(static_cast<double>(s.image_error.back()),
                                      table_decoder_variance(process, static_cast<int>(t)))));
            s.error[t].add(static_cast<double>(s.image_error.back()));
            s.decoder_nats[t].add(static_cast<double>(s.image_decoder.back()));
        }
    }
    return s;
}

TEST(StatisticsSubset, IsTheMeanOfItsImages) {
    const DenoisingStatistics all = random_images(40, 12);
    const BoundRule rule{ElboVariance::beta, FirstStepRule::table, DecoderKind::density};
    const std::vector<int> path{2, 5, 12};
    const std::vector<double> each = PathBounds(all, rule).bound(path).per_image;
    const std::vector<int64_t> ids{3, 17, 17, 39};
    const DenoisingStatistics part = subset_statistics(all, ids);
    double mean = 0;
    for (int64_t id : ids) mean += each[static_cast<size_t>(id)] / 4;
    EXPECT_EQ(part.images, 4);
    EXPECT_NEAR(PathBounds(part, rule).bound(path).bits_per_dim.value, mean, 1e-6);
    EXPECT_THROW(subset_statistics(all, std::vector<int64_t>{40}), Error);
    EXPECT_THROW(subset_statistics(all, std::vector<int64_t>{}), Error);
    EXPECT_THROW(subset_statistics(fixture(), std::vector<int64_t>{0}), Error);
}

}  // namespace
}  // namespace schedbench
