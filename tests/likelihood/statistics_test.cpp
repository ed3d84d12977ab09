// The pass of statistics against direct evaluation: the law of the errors, the transforms of the learned
// variance, paths under every variance, decoder and first-step rule, ranks, and the closed forms of Gaussian
// data.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>
#include <random>

#include "core/error.h"
#include "golden.h"
#include "golden_json.h"
#include "likelihood/image_terms.h"
#include "likelihood/path_bound.h"
#include "likelihood/statistics_fixture.h"
#include "schedules/index_strides.h"

namespace schedbench {
namespace {

Dataset small_images(int64_t count, int64_t side = 6) {
    Dataset out;
    out.spec = "test";
    out.hash = "test";
    out.count = count;
    out.channels = 1;
    out.height = out.width = side;
    for (int64_t i = 0; i < count; ++i) {
        std::vector<float> u(static_cast<size_t>(side * side));
        fill_uniforms({1, NoisePurpose::selection}, static_cast<uint64_t>(i), 0, u);
        for (float value : u)  // some at both ends
            out.pixels.push_back(static_cast<uint8_t>(value < 0.2F   ? 0
                                                      : value > 0.9F ? 255
                                                                     : value * 255.0F));
    }
    return out;
}

/// The exact denoiser with variance channels tanh(1.2 x) of the variance-preserving state, and a bias in
/// x0hat.
class LearnedModel final : public Denoiser {
  public:
    explicit LearnedModel(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        const double level = levels[0].item<double>();
        out.x0 = out.x0 * 1.05 + 0.01;
        out.variance = at::tanh(1.2 * x / std::sqrt(1 + level * level));
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "learned"; }

  private:
    std::shared_ptr<const Denoiser> inner_;
};

struct Measured {
    Dataset data;
    std::unique_ptr<ProbeSource> source;
    std::shared_ptr<const Denoiser> model;
    StatisticsOptions options;
    std::vector<DenoisingStatistics> rules;  // clip, no clip

    std::vector<DenoisingStatistics> fresh() {
        std::vector<DenoisingStatistics> out;
        for (const bool clip : {true, false}) {
            options.clip = clip;
            out.push_back(empty_statistics(*model, statistics_chain(model->process()), *source, options));
        }
        return out;
    }
};

Measured measured(const std::string& process, int64_t images, bool learned,
                  DecoderKind decoder = DecoderKind::tanh, int64_t batch = 3) {
    Measured out;
    out.data = small_images(images);
    out.source = dataset_source(out.data);
    out.model = make_exact(Spec::parse("exact:gaussian,c=0.6,shape=[1,6,6],process={" + process + "}"));
    if (learned) out.model = std::make_shared<LearnedModel>(out.model);
    out.options.decoder = decoder;
    out.options.seed = 7;
    out.options.batch = batch;
    out.rules = out.fresh();
    measure_statistics(out.rules, *out.model, *out.source, out.options, 0, Rank{});
    return out;
}

/// Bits/dim of a path straight from the definition, with the noise of the pass: per-pixel Gaussian KLs.
double direct_bound(const Measured& m, const BoundRule& rule, bool clip, const std::vector<int>& path) {
    const NoiseProcess& p = m.model->process();
    const DenoisingStatistics& s = m.rules[clip ? 0 : 1];
    std::vector<int64_t> ids(static_cast<size_t>(m.source->count()));
    std::iota(ids.begin(), ids.end(), 0);
    const at::Tensor x0 = m.source->images(ids);
    double nats = 0;
    for (size_t k = 0; k < path.size(); ++k) {
        const int t = path[k];
        const at::Tensor x = noised(x0, p.sigma(t), 7, ids, static_cast<uint32_t>(t));
        const DenoisedLevel out = denoise_level(*m.model, p, t, x);
        const at::Tensor hat = clip ? out.x0hat.clamp(-1, 1) : out.x0hat;
        const double error = (x0 - hat).square().mean().item<double>();
        if (k == 0) {
            const double table = t == 1 ? p.posterior_variance(1, 2) : p.one_minus_abar(t);
            at::Tensor v = at::full({}, table, at::kDouble);
            if (rule.first_step == FirstStepRule::path) v.fill_(p.posterior_variance(t, path[1]));
            if (rule.first_step == FirstStepRule::optimal) v.fill_(error);
            if (rule.first_step == FirstStepRule::table && rule.variance == ElboVariance::learned)
                v = (out.v * std::log(p.one_minus_abar(t)) +
                     (1 - out.v) * std::log(p.posterior_variance(1, 2)))
                        .exp();
            nats += decoder_cost(x0, hat, v, rule.decoder).mean().item<double>();
            if (rule.decoder == DecoderKind::density) nats += std::log(127.5);
            continue;
        }
        const int r = path[k - 1];
        const double btil = p.posterior_variance(r, t), beta = p.beta(r, t), b = p.one_minus_abar(t);
        const double a2 = p.abar(r) * beta * beta / (b * b);
        at::Tensor variance = at::full({}, btil, at::kDouble);
        if (rule.variance == ElboVariance::beta) variance.fill_(beta);
        if (rule.variance == ElboVariance::corrected_analytic) variance.fill_(btil + a2 * error);
        if (rule.variance == ElboVariance::analytic) {
            const double gamma = ((x - hat) / p.sigma(t)).square().mean().item<double>();
            EXPECT_NEAR(s.gamma[static_cast<size_t>(t)].mean, gamma, 1e-12 * gamma);
            variance.fill_(btil + a2 * std::clamp(b / p.abar(t) * (1 - gamma), 0.0, 1.0));
        }
        if (rule.variance == ElboVariance::learned)
            variance = (out.v * std::log(beta) + (1 - out.v) * std::log(btil)).exp();
        nats += ((variance / btil).log() - 1 + (btil + a2 * (x0 - hat).square()) / variance)
                    .mean()
                    .item<double>() /
                2;
    }
    const double b = p.one_minus_abar(path.back()), m2 = x0.square().mean().item<double>();
    return nats_to_bits(nats + (p.abar(path.back()) * m2 + b - 1 - std::log(b)) / 2);
}

constexpr ElboVariance kVariances[] = {ElboVariance::posterior, ElboVariance::beta,
                                       ElboVariance::corrected_analytic, ElboVariance::analytic,
                                       ElboVariance::learned};
constexpr FirstStepRule kFirstSteps[] = {FirstStepRule::table, FirstStepRule::path, FirstStepRule::optimal};
constexpr DecoderKind kDecoders[] = {DecoderKind::tanh, DecoderKind::erf, DecoderKind::density};

TEST(Pass, BoundsAreDirectSumsForEveryRule) {
    double stored = 0, interpolated = 0;
    int rules = 0;
    for (const char* process : {"cosine:T=12", "linear:T=24"})
        for (DecoderKind own : kDecoders) {
            const Measured m = measured(process, 7, true, own);
            const int last = m.model->process().table_size();
            for (const std::vector<int>& path : {std::vector<int>{1, 3, 7, last},
                                                 std::vector<int>{2, 4, last - 1}, std::vector<int>{5, last}})
                for (ElboVariance variance : kVariances)
                    for (FirstStepRule first : kFirstSteps)
                        for (DecoderKind decoder : kDecoders)
                            for (const bool clip : {true, false}) {
                                const BoundRule rule{variance, first, decoder};
                                const bool learned_first =
                                    variance == ElboVariance::learned && first == FirstStepRule::table;
                                if (variance == ElboVariance::learned &&
                                    (first == FirstStepRule::path || (learned_first && decoder != own))) {
                                    EXPECT_THROW(PathBounds(m.rules[clip ? 0 : 1], rule), Error);
                                    continue;
                                }
                                const double ours = PathBounds(m.rules[clip ? 0 : 1], rule)
                                                        .bound(path)
                                                        .bits_per_dim.value,
                                             direct = direct_bound(m, rule, clip, path);
                                const bool exact = decoder == DecoderKind::density ||
                                                   (decoder == own && first == FirstStepRule::table);
                                const double difference = std::abs(ours - direct);
                                (exact ? stored : interpolated) =
                                    std::max(exact ? stored : interpolated, difference);
                                ++rules;
                                EXPECT_LE(difference, exact ? 1e-9 * std::abs(direct) : 1e-4)
                                    << process << " own " << decoder_name(own) << " "
                                    << variance_name(variance) << " " << first_step_name(first) << " "
                                    << decoder_name(decoder) << " clip " << clip << " first node " << path[0];
                            }
        }
    std::printf(
        "bounds against direct sums: %d rules, worst %.2g (stored), %.2g (from the law of the errors) "
        "bits/dim\n",
        rules, stored, interpolated);
}

TEST(Pass, LawOfErrorsForEveryVariance) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> uniform;
    const size_t n = 40000;
    double worst = 0;
    for (const double scale : {0.004, 0.02, 0.2, 0.7}) {
        std::vector<double> x0(n), error(n);
        for (size_t i = 0; i < n; ++i) {
            const int byte = uniform(random) < 0.3 ? 0 : static_cast<int>(uniform(random) * 256);
            x0[i] = byte / 127.5 - 1;
            const double u = uniform(random);  // an atom at 0, and long tails
            const double size = u < 0.2 ? 0 : -scale * std::log(uniform(random) + 1e-12);
            error[i] = std::clamp(uniform(random) < 0.5 ? size : -size, -2.0, 2.0);
        }
        const double smallest = scale * scale / 4;
        ErrorLaw whole(smallest, 2.1), first(smallest, 2.1), second(smallest, 2.1);
        whole.add(x0.data(), error.data(), n);
        first.add(x0.data() + 100, error.data() + 100, n - 100);
        second.add(x0.data(), error.data(), 100);
        first.add(second);
        EXPECT_EQ(whole.bins(), first.bins());
        EXPECT_EQ(whole.count(), static_cast<int64_t>(n));
        for (DecoderKind kind : {DecoderKind::tanh, DecoderKind::erf})
            for (double v = smallest; v < 64 * smallest; v *= 1.37) {
                double direct = 0;
                for (size_t i = 0; i < n; ++i)
                    direct += element_cost(x0[i] < -0.999  ? BytePlace::lower
                                           : x0[i] > 0.999 ? BytePlace::upper
                                                           : BytePlace::inside,
                                           error[i], 1 / std::sqrt(v), kind) /
                              static_cast<double>(n);
                worst = std::max(worst, std::abs(whole.cost(v, kind) - direct));
            }
    }
    std::printf("law of the errors: worst %.2g nats\n", worst);
    EXPECT_LE(nats_to_bits(worst), 1e-4);
}

TEST(Pass, KernelsAreTheScalarForms) {
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    const size_t n = 777;
    std::vector<double> x0(n), error(n), inverse(n), v(n), weight(n);
    double expected = 0;
    for (size_t i = 0; i < n; ++i) {
        const int byte = static_cast<int>(random() % 256) * static_cast<int>(random() % 4 > 0);
        x0[i] = byte / 127.5 - 1;
        inverse[i] = std::exp(3 + normal(random));
        error[i] = 3 * normal(random) / inverse[i];
        v[i] = 0.5 + 0.4 * normal(random);  // some outside [0, 1], and of what the polynomials cover
        weight[i] = error[i] * error[i];
        expected += element_cost(byte == 0     ? BytePlace::lower
                                 : byte == 255 ? BytePlace::upper
                                               : BytePlace::inside,
                                 error[i], inverse[i], DecoderKind::tanh);
    }
    EXPECT_NEAR(tanh_decoder_sum(x0.data(), error.data(), inverse.data(), n), expected, 1e-9 * expected);
    for (double longest : {0.0, 0.3, 4.0, 11.5}) {
        LaplaceValues lambda;
        for (size_t j = 0; j < lambda.size(); ++j) lambda[j] = longest * static_cast<double>(j) / 23;
        const auto sums = LaplaceSums(lambda)(v.data(), weight.data(), x0.data(), n);
        for (size_t j = 0; j < lambda.size(); ++j) {
            double plain = 0, first = 0, second = 0, size = 0;
            for (size_t i = 0; i < n; ++i) {
                const double e = std::exp(-lambda[j] * v[i]);
                plain += e;
                first += e * weight[i];
                second += e * x0[i];
                size += e * std::abs(x0[i]);
            }
            EXPECT_NEAR(sums.plain[j], plain, 1e-11 * plain);
            EXPECT_NEAR(sums.first[j], first, 1e-11 * first);
            EXPECT_NEAR(sums.second[j], second, 1e-11 * size);
        }
    }
}

void expect_same(const DenoisingStatistics& a, const DenoisingStatistics& b) {
    ASSERT_EQ(a.images, b.images);
    const auto same = [](const std::vector<RunningMean>& x, const std::vector<RunningMean>& y) {
        ASSERT_EQ(x.size(), y.size());
        for (size_t t = 0; t < x.size(); ++t) {
            EXPECT_EQ(x[t].mean, y[t].mean);
            EXPECT_EQ(x[t].m2, y[t].m2);
        }
    };
    same(a.error, b.error);
    same(a.decoder_nats, b.decoder_nats);
    same(a.gamma, b.gamma);
    same(a.learned_decoder_nats, b.learned_decoder_nats);
    EXPECT_EQ(a.second_moment, b.second_moment);
    EXPECT_EQ(a.image_error, b.image_error);
    EXPECT_EQ(a.image_decoder, b.image_decoder);
    EXPECT_EQ(a.image_learned_decoder, b.image_learned_decoder);
    ASSERT_EQ(a.learned.has_value(), b.learned.has_value());
    if (a.learned) {
        EXPECT_EQ(a.learned->phi, b.learned->phi);
        EXPECT_EQ(a.learned->psi, b.learned->psi);
        EXPECT_EQ(a.learned->mean_v, b.learned->mean_v);
    }
    ASSERT_EQ(a.law.size(), b.law.size());
    for (size_t t = 1; t < a.law.size(); ++t) EXPECT_EQ(a.law[t].bins(), b.law[t].bins());
}

TEST(Pass, RanksAndStopsLeaveTheBitsAlone) {
    Measured m = measured("cosine:T=6", 53, true);  // 18 blocks: more than the lanes
    for (const int64_t world : {2, 3, 16}) {
        std::vector<std::vector<DenoisingStatistics>> parts;
        for (int64_t rank = 0; rank < world; ++rank) {
            parts.push_back(m.fresh());
            if (rank == 0)  // stopped after a block, and continued
                measure_statistics(parts.back(), *m.model, *m.source, m.options, 53, {rank, world},
                                   [](const auto&) { return false; });
            measure_statistics(parts.back(), *m.model, *m.source, m.options, 53, {rank, world});
        }
        for (size_t rule = 0; rule < 2; ++rule) {
            std::vector<DenoisingStatistics> of_rule;
            for (auto& part : parts) of_rule.push_back(part[rule]);
            expect_same(join_statistics(of_rule, 53), m.rules[rule]);
            of_rule.back() = m.fresh()[rule];
            EXPECT_THROW(join_statistics(of_rule, 53), Error);
        }
    }
    // Rules measured one by one, the second to catch up with the first.
    std::vector<DenoisingStatistics> late = m.fresh();
    measure_statistics(late[1], *m.model, *m.source, m.options, 53);
    measure_statistics(late, *m.model, *m.source, m.options, 53, Rank{});
    for (size_t rule = 0; rule < 2; ++rule) {
        EXPECT_EQ(late[rule].image_error, m.rules[rule].image_error);
        for (size_t t = 1; t <= 6; ++t) EXPECT_EQ(late[rule].law[t].bins(), m.rules[rule].law[t].bins());
    }
}

TEST(Pass, GammaOfGaussianData) {  // sigma^2/(c^2 + sigma^2), section 6 of the derivations
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=8,process={linear:T=30}"));
    const auto source = exact_source(model, 800, 5);
    const StatisticsOptions options{.clip = false, .decoder = DecoderKind::density};
    DenoisingStatistics s = empty_statistics(*model, statistics_chain(model->process()), *source, options);
    measure_statistics(s, *model, *source, options);
    for (int t = 1; t <= 30; ++t) {
        const double sigma2 = std::pow(model->process().sigma(t), 2), expected = sigma2 / (0.25 + sigma2);
        const RunningMean& gamma = s.gamma[static_cast<size_t>(t)];
        EXPECT_NEAR(gamma.mean, expected, 5 * gamma.standard_error());
        EXPECT_LT(gamma.standard_error(), 0.05 * expected);
    }
    EXPECT_TRUE(s.law.empty());
    EXPECT_THROW(PathBounds(s, {ElboVariance::posterior, FirstStepRule::table, DecoderKind::tanh}), Error);
    EXPECT_THROW(PathBounds(s, {ElboVariance::learned, FirstStepRule::table, DecoderKind::density}), Error);
    // Analytic variance, best decoder: every path has nearly the entropy of the data (they tie for the true
    // M_t).
    const PathBounds bounds(s,
                            {ElboVariance::corrected_analytic, FirstStepRule::optimal, DecoderKind::density});
    const double entropy =
        nats_to_bits(std::log(2 * std::numbers::pi * std::numbers::e * 0.25) / 2) + std::log2(127.5);
    for (const std::vector<int>& path :
         {std::vector<int>{30}, std::vector<int>{3, 30}, std::vector<int>{1, 2, 9, 30}})
        EXPECT_NEAR(bounds.bound(path).bits_per_dim.value, entropy, 0.08);
}

/// The error of a learned-variance bound, over lanes, against the spread over data.
TEST(Pass, ErrorBarsOfTheLearnedVariance) {
    const auto inner = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=4,process={cosine:T=8}"));
    const LearnedModel model(inner);
    const StatisticsOptions options{.clip = false, .decoder = DecoderKind::density, .batch = 5};
    RunningMean totals, squared;
    for (uint64_t trial = 0; trial < 100; ++trial) {
        StatisticsOptions own = options;
        own.seed = trial;
        const auto source = exact_source(inner, 80, 500 + trial);
        DenoisingStatistics s = empty_statistics(model, statistics_chain(model.process()), *source, own);
        measure_statistics(s, model, *source, own);
        const Estimate bits = path_bound(s, ElboVariance::learned, {1, 3, 8}).bits_per_dim;
        EXPECT_EQ(bits.method, "16 groups of blocks of images");
        totals.add(bits.value);
        squared.add(bits.se * bits.se);
    }
    EXPECT_NEAR(std::sqrt(totals.variance() / squared.mean), 1, 0.25);
}

TEST(Pass, OptimalPathsAreNeverWorse) {
    const Measured m = measured("linear:T=40", 12, true);
    for (ElboVariance variance : kVariances)
        for (FirstStepRule first : kFirstSteps)
            for (DecoderKind decoder : {DecoderKind::tanh, DecoderKind::erf}) {
                if (variance == ElboVariance::learned &&
                    (first == FirstStepRule::path ||
                     (first == FirstStepRule::table && decoder == DecoderKind::erf)))
                    continue;
                const PathBounds bounds(m.rules[0], {variance, first, decoder});
                for (int k : {2, 3, 5, 8, 20}) {
                    const double best = bounds.bound(bounds.best(k, 20)).bits_per_dim.value;
                    // With the path's own variance the search looks N_t up in a table.
                    const double slack = first == FirstStepRule::path ? 2e-3 : 1e-9;
                    for (const auto& stride :
                         {even_indices(40, k), even_kt_indices(40, k), quadratic_indices(40, k)})
                        EXPECT_LE(best,
                                  bounds.bound({stride.begin(), stride.end()}).bits_per_dim.value + slack)
                            << variance_name(variance) << " " << first_step_name(first) << " " << k;
                }
            }
}

TEST(Pass, FaultsAreNamed) {
    Measured m = measured("cosine:T=6", 6, true);
    const std::vector<int> path{2, 6};
    const auto spoiled = [&](const auto& spoil) {
        DenoisingStatistics s = m.rules[0];
        spoil(s);
        return s;
    };
    const auto message = [&](const DenoisingStatistics& s, ElboVariance variance = ElboVariance::posterior) {
        try {
            path_bound(s, variance, path);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    EXPECT_EQ(message(m.rules[0]), "");
    EXPECT_NE(message(spoiled([](auto& s) { s.error[3].mean = std::nan(""); })).find("entry 3"),
              std::string::npos);
    EXPECT_NE(message(spoiled([](auto& s) { s.error[4].mean = -1; })).find("entry 4"), std::string::npos);
    EXPECT_NE(message(spoiled([](auto& s) { s.gamma[5].mean = std::nan(""); })).find("entry 5"),
              std::string::npos);
    EXPECT_NE(message(spoiled([](auto& s) { s.betas.pop_back(); })), "");
    EXPECT_NE(message(spoiled([](auto& s) { s.learned.reset(); }), ElboVariance::learned).find("learned"),
              std::string::npos);
    EXPECT_NE(message(spoiled([](auto& s) { s.gamma.clear(); }), ElboVariance::analytic).find("Gamma"),
              std::string::npos);
    const auto old = spoiled([](auto& s) { s.law.clear(); });
    EXPECT_THROW(PathBounds(old, {ElboVariance::beta, FirstStepRule::path, DecoderKind::tanh}), Error);
    EXPECT_NO_THROW(PathBounds(old, {ElboVariance::beta, FirstStepRule::path, DecoderKind::density}));
    std::vector<DenoisingStatistics> more{spoiled([](auto& s) { s.lanes.clear(); })};
    m.data = small_images(9);
    m.source = dataset_source(m.data);
    EXPECT_THROW(measure_statistics(more, *m.model, *m.source, m.options, 9, Rank{}), Error);
    more = {m.rules[0]};
    m.options.batch = 4;
    EXPECT_THROW(measure_statistics(more, *m.model, *m.source, m.options, 9, Rank{}), Error);
}

/// The network-free fixture against the golden table of every stride, budget, variance and first-step rule.
TEST(GoldenFixture, EveryScheduleOfTheFixture) {
    golden::Tally rows("schedules/cifar10_like_fixture bits/dim"),
        paths("schedules/cifar10_like_fixture optimal paths");
    const StatisticsFixture fixture =
        read_statistics_fixture(SCHEDBENCH_SOURCE_DIR "/results/published/ls-fixture.json");
    const DenoisingStatistics& s = fixture.statistics;
    for (const nlohmann::json& file : golden::json_files("M_knots")) {
        const auto& expected = file["M"];
        ASSERT_EQ(expected.size(), static_cast<size_t>(s.levels()));
        for (size_t t = 1; t <= expected.size(); ++t) {
            const double m = expected[t - 1];
            rows.add(std::abs(s.error[t].mean - m), 1e-12 * m, "M");
            rows.add(std::abs(nats_to_bits(s.decoder_nats[t].mean) + std::log2(127.5) -
                              file["N"][t - 1].get<double>()),
                     1e-10, "N");
        }
        for (const auto& [name, budgets] : file["results"].items()) {
            const ElboVariance variance =
                parse_variance(name == "analytic" ? "corrected-analytic" : name, "golden");
            const PathBounds table(s, {variance, FirstStepRule::table, DecoderKind::density}),
                on_path(s, {variance, FirstStepRule::path, DecoderKind::density});
            for (const nlohmann::json& row : budgets) {
                const int k = row["K"], levels = s.levels();
                for (const auto& [rule, bounds] : {std::pair{"table", &table}, std::pair{"path", &on_path}}) {
                    if (!row.contains(rule)) continue;
                    const std::vector<std::pair<const char*, std::vector<int64_t>>> strides{
                        {"even_first_node_1", even_indices(levels, k)},
                        {"uniform_kT_over_K", even_kt_indices(levels, k)},
                        {"quadratic_bumped", quadratic_indices(levels, k)},
                        {"ddim_quad_plus1_prior_at_last_node", from_one(ddim_quad_indices(levels, k))}};
                    for (const auto& [stride, nodes] : strides) {
                        if (!row[rule].contains(stride) || !row[rule][stride].is_number()) continue;
                        if (std::adjacent_find(nodes.begin(), nodes.end()) != nodes.end())
                            continue;  // named twice
                        const double value = row[rule][stride];
                        rows.add(
                            std::abs(bounds->bound({nodes.begin(), nodes.end()}).bits_per_dim.value - value),
                            1e-10 * value, name + " " + stride + " " + std::to_string(k));
                    }
                }
                for (const auto& [key, bounds] :
                     {std::pair{"dp", &table}, std::pair{"dp_path_decoder", &on_path}}) {
                    if (!row.contains(key) || !row[key].is_object()) continue;
                    const double value = row[key]["bits_per_dim"];
                    paths.add(std::abs(bounds->bound(bounds->best(k, 32)).bits_per_dim.value - value),
                              1e-10 * value, name + " " + key + " " + std::to_string(k));
                }
            }
        }
    }
    rows.report();
    paths.report();
}

}  // namespace
}  // namespace schedbench
