// Stochastic and special samplers: closed forms on Gaussian data, identities between them, and the real code
// path with the real noise against the exact recursion.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "models/exact.h"
#include "sampler_probe.h"
#include "samplers/level_statistics.h"

namespace schedbench {
namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

std::unique_ptr<Sampler> make(const std::string& spec) {
    return make_sampler(Spec::parse(spec));
}

std::shared_ptr<const ExactTarget> gaussian(double c, const std::string& more = "") {
    return make_exact(Spec::parse("exact:gaussian,c=" + format_number(c) + more));
}

/// Level statistics of N(0, c^2) and its exact denoiser in closed form, in a file that goes with the test.
class StatisticsFile {
  public:
    StatisticsFile(double c, const std::vector<double>& levels, double error_factor = 1,
                   const std::string& weights = "") {
        LevelStatistics s;
        s.process = "test";
        s.n = 1;
        s.weights = weights;
        s.sigma = levels;
        std::sort(s.sigma.begin(), s.sigma.end());
        std::erase(s.sigma, 0.0);
        for (double sigma : s.sigma) {
            const double total = c * c + sigma * sigma;
            s.gamma.push_back(sigma * sigma / total);
            s.error.push_back(error_factor * c * c * sigma * sigma / total);
        }
        static int count = 0;
        path_ = (std::filesystem::temp_directory_path() /
                 ("schedbench-levels-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".json"))
                    .string();
        s.write(path_);
    }
    ~StatisticsFile() { std::filesystem::remove(path_); }
    const std::string& path() const { return path_; }
    std::string key() const { return ",statistics='" + path_ + "'"; }

  private:
    std::string path_;
};

TEST(Stochastic, EulerAncestralIsDdimAndDdpm) {
    const auto target =
        make_exact(Spec::parse("exact:mixture,means=[-1,0.5,0.2,-0.3],dim=2,widths=[0.2,0.3]"));
    const Schedule schedule = probe::schedule_of({40, 11, 3, 0.6, 0.05, 0}, target->process());
    const PhiloxNoise noise(4, {0, 1, 2, 3}, {2});
    const auto run = [&](const std::string& spec) { return make(spec)->sample(*target, schedule, noise); };
    for (const std::string eta : {"0", "0.3", "1"})
        EXPECT_EQ(worst(run("euler-ancestral:eta=" + eta), run("ddim:eta=" + eta)), 0) << eta;
    EXPECT_LT(worst(run("euler-ancestral"), run("ddpm")), 1e-12);
    EXPECT_LT(worst(run("sde-dpmpp-1"), run("ddpm")), 1e-12);
    EXPECT_LT(worst(run("sde-dpmpp-1:eta=0"), run("euler")), 1e-12);
    EXPECT_LT(worst(run("sde-dpmpp-2m:eta=0"), run("dpmpp-2m")), 1e-11);
    EXPECT_LT(worst(run("pc:predictor=ancestral,corrector=none"), run("ddpm")), 1e-12);
    EXPECT_LT(worst(run("pc:predictor=euler,corrector=none"), run("euler")), 1e-12);
    EXPECT_LT(worst(run("edm-ablation"), run("heun")), 1e-11);
    EXPECT_LT(worst(run("edm-ablation:solver=euler"), run("euler")), 1e-11);
    EXPECT_LT(worst(run("edm-ablation:s-churn=10,s-noise=1.003"), run("heun:s-churn=10,s-noise=1.003")),
              1e-11);
}

/// eta above 1: sigma_up = min(b, eta sqrt(b^2 (a^2 - b^2) / a^2)), written out for one step.
TEST(Stochastic, AncestralNoiseIsCapped) {
    const auto target = gaussian(0.5);
    for (double eta : {0.5, 1.0, 1.05, 4.0}) {
        const double a = 3, b = 0.9, up = std::min(b, eta * std::sqrt(b * b * (a * a - b * b) / (a * a))),
                     down = std::sqrt(b * b - up * up), g = 0.25 / (0.25 + a * a);
        const auto out = probe::linear_output(*make("euler-ancestral:eta=" + format_number(eta)), *target,
                                              probe::schedule_of({a, b}, target->process()));
        EXPECT_NEAR(out.latent, a * (1 + (down - a) / a * (1 - g)), 1e-13) << eta;
        EXPECT_NEAR(std::abs(out.draws.at(0)), up, 1e-13) << eta;
    }
}

/// The exact reverse variance: with exact statistics the chain keeps the exact marginals, whatever the steps.
TEST(Stochastic, AnalyticVarianceIsExactOnGaussians) {
    const double c = 0.7;
    const auto target = gaussian(c);
    const std::vector<double> levels{70, 9, 2, 0.8, 0.3, 0.02};
    const StatisticsFile file(c, levels);
    for (const std::string variance : {"analytic", "corrected-analytic"}) {
        const auto sampler = make("ddpm:variance=" + variance + file.key());
        for (size_t steps = 1; steps < levels.size(); ++steps) {
            const Schedule schedule = probe::schedule_of(
                {levels.begin(), levels.begin() + static_cast<long>(steps) + 1}, target->process());
            const double last = schedule.effective.back();
            EXPECT_NEAR(
                probe::output_variance(*sampler, *target, schedule, c * c + 70 * 70) / (c * c + last * last),
                1, 1e-12)
                << variance << " " << steps;
        }
        EXPECT_EQ(sampler->spec().text("statistics"), "sha256-" + LevelStatistics::read(file.path()).hash);
    }
}

/// The two differ where the error is not that of an exact posterior mean, and where c > 1 meets the clip
/// at 1.
TEST(Stochastic, AnalyticVariancesOfOneStep) {
    const double c = 2, a = 5, b = 1.5, share = 1 - b * b / (a * a), posterior = b * b * share;
    const auto target = gaussian(c);
    const Schedule schedule = probe::schedule_of({a, b}, target->process());
    const StatisticsFile file(c, {a}, 1.7);
    const auto noise_of = [&](const std::string& more) {
        const auto out = probe::linear_output(*make("ddpm:" + more + file.key()), *target, schedule);
        return out.draws.at(0) * out.draws.at(0);
    };
    EXPECT_NEAR(noise_of("variance=analytic"), posterior + share * share, 1e-12);
    EXPECT_NEAR(noise_of("variance=corrected-analytic"),
                posterior + share * share * 1.7 * c * c * a * a / (c * c + a * a), 1e-12);
}

TEST(Stochastic, TheLastNoiseIsBounded) {
    const auto target = gaussian(0.5);
    const Schedule to_zero = probe::schedule_of({20, 4, 1, 0.2, 0}, target->process()),
                   above = probe::schedule_of({20, 4, 1, 0.2}, target->process());
    const StatisticsFile file(0.5, {20, 4, 1});
    for (const std::string spec : {"variance=posterior", "variance=beta", "variance=analytic"}) {
        const std::string key = spec == "variance=analytic" ? file.key() : "";
        const auto plain = probe::linear_output(*make("ddpm:" + spec + key), *target, above);
        for (const auto& [y, bound] :
             {std::pair{1.0, 9.66e-5}, {2.0, 3.87e-4}}) {  // Bao et al.'s printed values
            const auto sampler = make("ddpm:" + spec + key + ",clip-last=" + format_number(y));
            const auto bounded = probe::linear_output(*sampler, *target, above);
            ASSERT_EQ(bounded.draws.size(), 3u);
            EXPECT_EQ(bounded.draws[0], plain.draws[0]);
            EXPECT_EQ(bounded.draws[1], plain.draws[1]);
            EXPECT_NEAR(bounded.draws[2] * bounded.draws[2] / (1 + 0.2 * 0.2), bound, 0.005 * bound) << spec;
            const double exact = std::pow(2 * y / 255, 2) * std::numbers::pi / 2 * 1.04;
            EXPECT_NEAR(bounded.draws[2] * bounded.draws[2], exact, 1e-15) << spec;
            EXPECT_EQ(probe::linear_output(*sampler, *target, to_zero).draws.size(), 3u);
        }
        // A bound that is never reached changes nothing.
        EXPECT_EQ(probe::linear_output(*make("ddpm:" + spec + key + ",clip-last=1e6"), *target, above).draws,
                  plain.draws);
    }
}

/// x' = x (1 - 2 snr^2 s^2/(c^2 + s^2)) + 2 snr s z at level s, written out.
TEST(Stochastic, LangevinWithFixedSteps) {
    const double c = 0.5, snr = 0.2;
    const auto target = gaussian(c);
    const auto settle = [&](double variance, double s) {
        const double eps = 2 * snr * snr * s * s, factor = 1 - eps / (c * c + s * s);
        return factor * factor * variance + 2 * eps;
    };
    const std::vector<double> levels{30, 5, 1, 0.1};
    for (int count : {1, 3}) {
        const std::string keys = "snr=0.2,";
        double v = 30 * 30, last_predictor = 0;
        for (double s : levels)
            for (int k = 0; k < count; ++k) v = settle(v, s);
        const auto annealed = make("annealed-langevin:" + keys + "steps=" + std::to_string(count));
        EXPECT_NEAR(
            probe::output_variance(*annealed, *target, probe::schedule_of(levels, target->process()), 900), v,
            1e-10 * v);
        for (const auto& [predictor, power, noise] :
             {std::tuple{"euler", 1, 0}, {"ancestral", 2, 1}, {"reverse-diffusion", 2, 2}, {"none", 0, 0}}) {
            v = 900;
            for (size_t i = 0; i + 1 < levels.size(); ++i) {
                const double a = levels[i], b = levels[i + 1], keep = std::pow(b / a, power);
                const double factor = power == 0 ? 1 : keep + (1 - keep) * c * c / (c * c + a * a);
                last_predictor = noise == 0 ? 0 : (a * a - b * b) * (noise == 1 ? b * b / (a * a) : 1);
                v = factor * factor * v + last_predictor;
                for (int k = 0; k < count; ++k) v = settle(v, b);
            }
            const auto sampler = make(std::string("pc:corrector=fixed,") + keys + "predictor=" + predictor +
                                      ",corrector-steps=" + std::to_string(count));
            EXPECT_NEAR(
                probe::output_variance(*sampler, *target, probe::schedule_of(levels, target->process()), 900),
                v, 1e-10 * v)
                << predictor;
            EXPECT_EQ(sampler->needs().extra_draws, count + (noise > 0) > 1);
        }
    }
}

/// eps = 2 (snr |z| / |s|)^2 with the norms of one image: written out, and the same alone and in company.
TEST(Stochastic, LangevinStepIsOfEachSample) {
    const auto target =
        make_exact(Spec::parse("exact:mixture,means=[-1,0.5,1,0.2,-0.3,0.4],dim=3,widths=[0.2,0.3]"));
    const Schedule schedule = probe::schedule_of({3, 0.8}, target->process());
    const auto sampler = make("pc:predictor=none,snr=0.16");
    const PhiloxNoise noise(9, {4, 5, 6, 7}, {3});
    const at::Tensor out = sampler->sample(*target, schedule, noise), x = 3 * noise.latent(),
                     z = noise.step(0);
    const at::Tensor score = (denoise_at(*target, x, target->process().locate(0.8)).x0 - x) / (0.8 * 0.8);
    for (int64_t i = 0; i < 4; ++i) {
        const double ratio = z[i].norm().item<double>() / score[i].norm().item<double>(),
                     eps = 2 * std::pow(0.16 * ratio, 2);
        EXPECT_LT(worst(out[i], x[i] + eps * score[i] + std::sqrt(2 * eps) * z[i]), 1e-13);
        const at::Tensor alone = sampler->sample(*target, schedule, PhiloxNoise(9, {4 + i}, {3}));
        EXPECT_LT(worst(alone[0], out[i]), 1e-13);
    }
}

TEST(Stochastic, EvaluationsAreCounted) {
    const auto target = gaussian(0.5);
    CountingDenoiser counter(target);
    const auto count = [&](const std::string& spec, std::vector<double> levels) {
        counter.reset();
        make(spec)->sample(counter, probe::schedule_of(std::move(levels), target->process()),
                           PhiloxNoise(0, {0}, {1}));
        return counter.calls();
    };
    EXPECT_EQ(count("annealed-langevin:steps=3", {9, 3, 1, 0}), 10);
    EXPECT_EQ(count("annealed-langevin:steps=3", {9, 3, 1, 0.5}), 12);
    EXPECT_EQ(count("pc:corrector-steps=2", {9, 3, 1, 0}), 3 + 2 * 2);
    EXPECT_EQ(count("pc:corrector-steps=2", {9, 3, 1, 0.5}), 3 * 3);
    EXPECT_EQ(count("pc:predictor=none", {9, 3, 1, 0}), 3);
    for (const std::string spec : {"euler", "heun", "dpmpp-2m", "ddpm"})
        for (const std::vector<double>& levels : {std::vector<double>{9, 0}, {9, 3, 1, 0}, {9, 3, 1, 0.5}})
            EXPECT_EQ(count("afs:sampler={" + spec + "}", levels), count(spec, levels) - 1) << spec;
    int nfe = 0;
    EXPECT_EQ(steps_within_budget(*make("afs:sampler={euler}"), 10, &nfe, "test"), 11);
    EXPECT_EQ(nfe, 10);
    EXPECT_EQ(steps_within_budget(*make("afs:sampler={heun}"), 10, &nfe, "test"), 6);
    EXPECT_EQ(steps_within_budget(*make("annealed-langevin:steps=2"), 10, &nfe, "test"), 4);
    EXPECT_EQ(nfe, 9);
    EXPECT_EQ(steps_within_budget(*make("edm-ablation:schedule=vp,scaling=vp"), 35, &nfe, "test"), 18);
    EXPECT_THROW(steps_within_budget(*make("edm-ablation:schedule=vp"), 2, &nfe, "test"),
                 Error);                          // 2 steps need 3
    const StatisticsFile file(0.5, {5, 1, 0.1});  // a range of its own
    EXPECT_EQ(steps_within_budget(*make("ddpm:variance=analytic" + file.key()), 10, &nfe, "test"), 10);
}

TEST(Stochastic, AnalyticalFirstStep) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,0.5,0.2,-0.3],dim=2"));
    const PhiloxNoise noise(2, {0, 1, 2}, {2});
    const at::Tensor x = 30 * noise.latent(), slope = x / std::sqrt(1 + 900.0);
    const at::Tensor out =
        make("afs:sampler={euler}")->sample(*target, probe::schedule_of({30, 7}, target->process()), noise);
    EXPECT_LT(worst(out, x + (7 - 30) * slope), 1e-12);
    const auto afs = make("afs:sampler={heun:s-churn=3}");
    EXPECT_TRUE(afs->stochastic());
    EXPECT_EQ(afs->spec().nested("sampler"), make("heun:s-churn=3")->spec());
    EXPECT_TRUE(make("afs:sampler={annealed-langevin:steps=2}")->needs().extra_draws);
    EXPECT_THROW(make("afs:sampler={afs:sampler={euler}}"), Error);
    EXPECT_THROW(make("afs:sampler={ddpm:variance=learned}"), Error);
    // Only the first evaluation is replaced: from the second knot on it is the sampler itself.
    EXPECT_LT(worst(make("afs:sampler={euler}")
                        ->sample(*target, probe::schedule_of({30, 7, 0}, target->process()), noise),
                    denoise_at(*target, out, target->process().locate(7)).x0),
              1e-12);
    const at::Tensor end = (out - denoise_at(*target, out, target->process().locate(7)).x0) / 7;
    const at::Tensor heun = x + (7 - 30) * 0.5 * (slope + end);
    EXPECT_LT(worst(make("afs:sampler={heun}")
                        ->sample(*target, probe::schedule_of({30, 7}, target->process()), noise),
                    heun),
              1e-12);
}

/// In every time and scaling the same limit is reached, at the order of the solver; alpha chooses among those
/// of order 2.
TEST(Stochastic, AblationConvergesInEveryTime) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,1],widths=[0.25]"));
    const auto run = [&](const std::string& spec, int steps) {
        const Schedule schedule = probe::schedule_of(probe::karras(7, steps, 0.05, 10), target->process());
        return make(spec)->sample(*target, schedule, PhiloxNoise(3, {0, 1, 2}, {1}));
    };
    const at::Tensor exact = run("heun", 1024);
    for (const std::string law : {"linear", "ve", "vp"})
        for (const std::string scaling : {"none", "vp"})
            for (const auto& [solver, order] :
                 {std::pair<std::string, double>{"solver=euler", 1}, {"alpha=1", 2}, {"alpha=0.5", 2}}) {
                // eps is large enough for betas to fit this range
                const std::string spec =
                    "edm-ablation:schedule=" + law + ",scaling=" + scaling + ",eps=0.01," + solver;
                const double coarse = worst(run(spec, 64), exact), fine = worst(run(spec, 128), exact);
                EXPECT_GT(std::log2(coarse / fine), order - 0.15) << spec;
                EXPECT_LT(fine, order == 1 ? 0.2 : 1e-2) << spec;
            }
}

/// The code that users run, with its own noise: mean 0, and the variance of the exact recursion, within 4
/// standard errors.
TEST(Stochastic, MonteCarloOfEveryFamily) {
    const double c = 0.5;
    const int64_t samples = 200'000;
    const auto target = gaussian(c), wide = gaussian(c, ",shape=[4]");
    const std::vector<double> levels{20, 4, 1, 0.2};
    const StatisticsFile file(c, levels);
    const std::string st = file.key();
    const Schedule schedule = probe::schedule_of(levels, target->process());
    std::vector<int64_t> ids(static_cast<size_t>(samples / 4));
    std::iota(ids.begin(), ids.end(), 0);
    uint64_t seed = 100;
    for (const std::string& spec :
         {std::string("ddim:eta=0.5"), std::string("euler-ancestral"), std::string("ddpm:variance=beta"),
          "ddpm:variance=analytic" + st, "ddpm:variance=corrected-analytic,clip-last=2" + st,
          std::string("sde-dpmpp-1"), std::string("sde-dpmpp-2m"),
          std::string("sde-dpmpp-2m:type=heun,eta=0.5"), std::string("dpmpp-2s:eta=1"),
          std::string("heun:s-churn=1,s-noise=1.01"),
          std::string("edm-ablation:schedule=vp,scaling=vp,s-churn=1,eps=0.01"),
          std::string("annealed-langevin:steps=2"),
          std::string("pc:predictor=ancestral,corrector=fixed,corrector-steps=2"),
          std::string("pc:predictor=reverse-diffusion,corrector=fixed"), std::string("afs:sampler={ddpm}")}) {
        const auto sampler = make(spec);
        EXPECT_TRUE(sampler->stochastic()) << spec;
        const double variance = probe::output_variance(*sampler, *target, schedule, 400);
        const at::Tensor x = sampler->sample(*wide, schedule, PhiloxNoise(seed++, ids, {4}));
        const double n = static_cast<double>(samples), mean = x.mean().item<double>(),
                     measured = x.square().mean().item<double>();
        EXPECT_LT(std::abs(mean), 4 * std::sqrt(variance / n)) << spec;
        EXPECT_LT(std::abs(measured - variance), 4 * variance * std::sqrt(2 / n)) << spec;
    }
}

TEST(Stochastic, WhatDoesNotFitIsRefused) {
    const auto target = gaussian(0.5);
    const auto fit = [&](const std::string& spec, const std::string& noise = "philox") {
        check_fit(*make(spec), *target, noise, "test");
    };
    EXPECT_THROW(fit("ddpm:variance=learned"), Error);
    EXPECT_THROW(fit("annealed-langevin:steps=2", "edm"), Error);
    EXPECT_THROW(fit("pc:predictor=ancestral", "edm"), Error);
    EXPECT_NO_THROW(fit("pc:predictor=euler", "edm"));
    EXPECT_NO_THROW(fit("annealed-langevin", "edm"));
    const StatisticsFile other(0.5, {5, 1}, 1, std::string(64, 'a'));
    EXPECT_THROW(fit("ddpm:variance=analytic" + other.key()), Error);  // measured on a weight file
    for (const std::string spec : {"euler-ancestral:eta=-1",
                                   "euler-ancestral:eta=nan",
                                   "euler-ancestral:eta=inf",
                                   "sde-dpmpp-1:eta=-0.1",
                                   "sde-dpmpp-2m:eta=inf",
                                   "sde-dpmpp-2m:type=trapezium",
                                   "annealed-langevin:snr=0",
                                   "annealed-langevin:steps=0",
                                   "annealed-langevin:steps=4096",
                                   "pc:snr=nan",
                                   "pc:corrector-steps=0",
                                   "pc:predictor=none,corrector=none",
                                   "edm-ablation:alpha=0",
                                   "edm-ablation:alpha=1.1",
                                   "edm-ablation:eps=0",
                                   "edm-ablation:beta-d=19.9",
                                   "edm-ablation:beta-d=19.9,beta-min=0.1",
                                   "edm-ablation:schedule=vp,beta-d=-1,beta-min=0",
                                   "edm-ablation:s-churn=-1",
                                   "ddpm:variance=analytic",
                                   "ddpm:statistics=f.json",
                                   "ddpm:clip-last=-1",
                                   "ddpm:clip-last=nan",
                                   "ddpm:variance=analytic,statistics=/nowhere/f.json"})
        EXPECT_THROW(make(spec), Error) << spec;
    // Knots that cannot run are known before the sweep.
    const auto vp = make("edm-ablation:schedule=vp");
    EXPECT_THROW(vp->check_schedule(probe::schedule_of({80, 0}, target->process()), "test"), Error);
    EXPECT_THROW(vp->check_schedule(probe::schedule_of({80, 40, 0}, target->process()), "test"), Error);
    EXPECT_NO_THROW(vp->check_schedule(probe::schedule_of({80, 0.002}, target->process()), "test"));
    const StatisticsFile file(0.5, {5, 1});
    const auto analytic = make("ddpm:variance=analytic" + file.key());
    EXPECT_THROW(analytic->check_schedule(probe::schedule_of({6, 1, 0}, target->process()), "test"), Error);
    EXPECT_NO_THROW(analytic->check_schedule(probe::schedule_of({5, 2, 0.1}, target->process()), "test"));
    // The step to 0 adds no noise, so its level need not be known; one that adds noise must be.
    EXPECT_NO_THROW(analytic->check_schedule(probe::schedule_of({5, 2, 0.1, 0}, target->process()), "test"));
    EXPECT_THROW(analytic->check_schedule(probe::schedule_of({5, 0.5, 0.1}, target->process()), "test"),
                 Error);
}

}  // namespace
}  // namespace schedbench
