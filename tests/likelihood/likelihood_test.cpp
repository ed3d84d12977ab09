#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "likelihood/path_bound.h"

namespace schedbench {
namespace {

/// A small data set of smooth random bytes, 1 x 4 x 4.
Dataset small_images(int64_t count) {
    Dataset out;
    out.spec = "test";
    out.hash = "test";
    out.count = count;
    out.channels = 1;
    out.height = out.width = 4;
    for (int64_t i = 0; i < count; ++i) {
        std::vector<float> u(16);
        fill_uniforms({1, NoisePurpose::selection}, static_cast<uint64_t>(i), 0, u);
        for (float value : u) out.pixels.push_back(static_cast<uint8_t>(value < 0.2F ? 0 : value * 255.0F));
    }
    return out;
}

TEST(Decoder, BinsSumToOne) {
    for (DecoderKind kind : {DecoderKind::tanh, DecoderKind::erf})
        for (double mean : {-1.02, -0.3, 0.0, 0.97})
            for (double ln_sd : {-3.5, -2.0, 0.0}) {
                double sum = 0;
                for (int byte = 0; byte < 256; ++byte)
                    sum += std::exp(discrete_log_likelihood(byte, mean, ln_sd, kind));
                EXPECT_NEAR(sum, 1, 256e-12)  // the floor of 1e-12 a bin
                    << decoder_name(kind) << " " << mean << " " << ln_sd;
            }
}

TEST(Decoder, TheTensorFormIsTheScalarOne) {
    const Dataset data = small_images(5);
    const auto source = dataset_source(data);
    const std::vector<int64_t> ids{0, 1, 2, 3, 4};
    const at::Tensor x0 = source->images(ids), mean = (x0 * 0.9 + 0.02).clone();
    for (DecoderKind kind : {DecoderKind::tanh, DecoderKind::erf}) {
        const at::Tensor cost = decoder_cost(x0, mean, 0.01, kind);
        for (int64_t i = 0; i < 5; ++i) {
            double sum = 0;
            const at::Tensor row = mean[i].reshape({-1}).contiguous();
            for (int64_t j = 0; j < 16; ++j)
                sum -= discrete_log_likelihood(data.image(i)[static_cast<size_t>(j)], row[j].item<double>(),
                                               std::log(0.1), kind);
            EXPECT_NEAR(cost[i].item<double>(), sum / 16, 1e-11);
        }
    }
}

struct Gaussian {
    std::shared_ptr<const ExactTarget> model;
    std::unique_ptr<ProbeSource> source;
    DenoisingStatistics statistics;
};

Gaussian gaussian_statistics(const std::string& process, double c, int dims, int64_t images,
                             bool per_image = true) {
    Gaussian out;
    out.model = make_exact(Spec::parse("exact:gaussian,c=" + format_number(c) +
                                       ",dim=" + std::to_string(dims) + ",process={" + process + "}"));
    out.source = exact_source(out.model, images, 5);
    const StatisticsOptions options{.clip = false, .decoder = DecoderKind::density, .per_image = per_image};
    out.statistics =
        empty_statistics(*out.model, statistics_chain(out.model->process(), 40), *out.source, options);
    measure_statistics(out.statistics, *out.model, *out.source, options);
    return out;
}

/// M_t = c^2 b / (c^2 abar + b) for the exact posterior mean.
TEST(Statistics, GaussianClosedForm) {
    for (const char* process : {"cosine:T=20", "linear:T=30", "continuous"}) {
        const double c = 0.5;
        const Gaussian g = gaussian_statistics(process, c, 8, 600);
        const NoiseProcess chain = g.statistics.chain();
        for (int t = 1; t <= chain.table_size(); ++t) {
            const double b = chain.one_minus_abar(t), m = c * c * b / (c * c * chain.abar(t) + b);
            const RunningMean& ours = g.statistics.error[static_cast<size_t>(t)];
            EXPECT_LT(std::abs(ours.mean - m), 5 * m * std::sqrt(2.0 / (8 * 600))) << process << " t=" << t;
            EXPECT_NEAR(g.statistics.decoder_nats[static_cast<size_t>(t)].mean,
                        gaussian_decoder_cost(ours.mean, table_decoder_variance(chain, t)), 1e-12);
        }
        // The bound holds: no path is better than the entropy of the data, beyond its error bar.
        const double entropy =
            nats_to_bits(0.5 * std::log(2 * std::numbers::pi * std::numbers::e * c * c)) + std::log2(127.5);
        for (ElboVariance variance : {ElboVariance::posterior, ElboVariance::beta, ElboVariance::corrected_analytic}) {
            const BudgetPaths best = g.statistics.elbo().best_paths(variance, 10);
            const PathBound bound = path_bound(g.statistics, variance, best.path(10));
            EXPECT_GT(bound.bits_per_dim.value, entropy - 5 * bound.bits_per_dim.se)
                << process << " " << variance_name(variance);
            EXPECT_GT(bound.bits_per_dim.se, 0);
        }
    }
}

/// The bound of one image, straight from its definition as a sum of Gaussian KL divergences.
TEST(Statistics, PerImageTotalsAreDirectSums) {
    const Dataset data = small_images(6);
    const auto source = dataset_source(data);
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.6,shape=[1,4,4],process={cosine:T=12}"));
    const StatisticsOptions options{.clip = true, .decoder = DecoderKind::tanh, .seed = 3, .batch = 4};
    DenoisingStatistics statistics =
        empty_statistics(*model, statistics_chain(model->process()), *source, options);
    measure_statistics(statistics, *model, *source, options);
    const NoiseProcess& p = model->process();
    const std::vector<int> path{1, 3, 7, 12};
    for (ElboVariance variance : {ElboVariance::posterior, ElboVariance::beta}) {
        const PathBound bound = path_bound(statistics, variance, path);
        double mean = 0;
        for (int64_t i = 0; i < 6; ++i) {
            const std::vector<int64_t> id{i};
            const at::Tensor x0 = source->images(id);
            double nats = 0;
            for (size_t k = 0; k < path.size(); ++k) {
                const int t = path[k];
                const at::Tensor x = noised(x0, p.sigma(t), 3, id, static_cast<uint32_t>(t));
                const at::Tensor hat = denoise_at(*model, x, p.at_index(t)).x0.clamp(-1, 1);
                if (k == 0) {
                    nats +=
                        decoder_cost(x0, hat, p.posterior_variance(1, 2), DecoderKind::tanh).item<double>();
                    continue;
                }
                const int s = path[k - 1];
                const double btil = p.posterior_variance(s, t),
                             reverse = variance == ElboVariance::beta ? p.beta(s, t) : btil;
                const double a = std::sqrt(p.abar(s)) * p.beta(s, t) / p.one_minus_abar(t);
                const double squared = (a * (x0 - hat)).square().mean().item<double>();
                nats += 0.5 * (std::log(reverse / btil) + btil / reverse - 1 + squared / reverse);
            }
            const double b = p.one_minus_abar(12), second = x0.square().mean().item<double>();
            nats += 0.5 * (p.abar(12) * second + b - 1 - std::log(b));
            EXPECT_NEAR(bound.per_image[static_cast<size_t>(i)], nats / std::numbers::ln2,
                        2e-6);  // kept as float32
            mean += nats / std::numbers::ln2 / 6;
        }
        EXPECT_NEAR(bound.bits_per_dim.value, mean, 1e-10);
        double sum = bound.decoder + bound.prior;
        for (double edge : bound.edges) sum += edge;
        EXPECT_NEAR(sum, bound.bits_per_dim.value, 1e-12);
    }
}

TEST(Statistics, AStoppedPassGoesOnWithTheSameBits) {
    const Dataset data = small_images(11);
    const auto source = dataset_source(data);
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.6,shape=[1,4,4],process={cosine:T=9}"));
    const StatisticsOptions options{.batch = 4};
    const auto fresh = [&] {
        return empty_statistics(*model, statistics_chain(model->process()), *source, options);
    };
    DenoisingStatistics whole = fresh(), parts = fresh();
    measure_statistics(whole, *model, *source, options);
    measure_statistics(parts, *model, *source, options, 0,
                       [](const DenoisingStatistics& s) { return s.images < 4; });
    EXPECT_EQ(parts.images, 4);
    measure_statistics(parts, *model, *source, options);
    EXPECT_EQ(parts.images, 11);
    for (size_t t = 1; t <= 9; ++t) {
        EXPECT_EQ(whole.error[t].mean, parts.error[t].mean);
        EXPECT_EQ(whole.error[t].m2, parts.error[t].m2);
        EXPECT_EQ(whole.decoder_nats[t].mean, parts.decoder_nats[t].mean);
    }
    EXPECT_EQ(whole.image_error, parts.image_error);
    EXPECT_EQ(whole.second_moment, parts.second_moment);
    DenoisingStatistics other = fresh();
    other.seed = 1;
    EXPECT_THROW(join_statistics({parts, other}, 11), Error);
}

/// Coverage of the error bar: over repeated small samples the standardised difference has variance near 1.
TEST(Statistics, ErrorBarsCoverTheSpread) {
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=2,process={cosine:T=10}"));
    const StatisticsOptions options{.clip = false, .decoder = DecoderKind::density, .batch = 50};
    const std::vector<int> path{2, 4, 6, 10};
    RunningMean totals, squared_se;
    for (uint64_t trial = 0; trial < 120; ++trial) {
        StatisticsOptions own = options;
        own.seed = trial;
        const auto source = exact_source(model, 50, 1000 + trial);
        DenoisingStatistics s = empty_statistics(*model, statistics_chain(model->process()), *source, own);
        measure_statistics(s, *model, *source, own);
        const Estimate bits = path_bound(s, ElboVariance::beta, path).bits_per_dim;
        totals.add(bits.value);
        squared_se.add(bits.se * bits.se);
    }
    EXPECT_NEAR(std::sqrt(totals.variance() / squared_se.mean), 1, 0.25);
}

TEST(Statistics, FaultsAreNamed) {
    const Dataset data = small_images(3);
    const auto images = dataset_source(data);
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=2,process={cosine:T=9}"));
    EXPECT_THROW(empty_statistics(*model, statistics_chain(model->process()), *images, {}), Error);  // shapes
    const auto vectors = exact_source(model, 3);
    EXPECT_THROW(empty_statistics(*model, statistics_chain(model->process()), *vectors, {}),
                 Error);  // 8-bit decoder
    Gaussian g = gaussian_statistics("cosine:T=9", 0.5, 2, 3, false);
    EXPECT_THROW(path_bound(g.statistics, ElboVariance::beta, {}), Error);
    EXPECT_THROW(path_bound(g.statistics, ElboVariance::beta, {3, 3}), Error);
    EXPECT_THROW(path_bound(g.statistics, ElboVariance::beta, {3, 10}), Error);
    EXPECT_TRUE(std::isnan(path_bound(g.statistics, ElboVariance::beta, {3, 9}).bits_per_dim.se));
    EXPECT_THROW(measure_statistics(g.statistics, *model, *g.source, {}, 4), Error);
}

}  // namespace
}  // namespace schedbench
