#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/noise.h"
#include "models/exact.h"
#include "sampler_probe.h"
#include "sampler_specs.h"

namespace schedbench {
namespace {

/// Every family and variant of the registry that any model can run, and those with noise beside their
/// default.
std::vector<std::string> all_samplers() {
    std::vector<std::string> out{"ddim:eta=0.7", "dpmpp-2s:eta=0.7", "heun:s-churn=10,s-noise=1.003"};
    for (const std::string& spec : probe::all_variants()) {
        const SamplerNeeds needs = make_sampler(Spec::parse(spec))->needs();
        if (!needs.variance && !needs.table && needs.least_levels <= 1) out.push_back(spec);
    }
    return out;
}

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

/// Random falling levels that end at 0.
std::vector<double> random_levels(uint64_t seed, int steps, double low, double high) {
    std::vector<float> u(static_cast<size_t>(steps));
    fill_uniforms({seed, NoisePurpose::selection}, 0, 0, u);
    std::vector<double> out;
    for (float value : u) out.push_back(low * std::pow(high / low, static_cast<double>(value)));
    std::sort(out.rbegin(), out.rend());
    out.push_back(0);
    return out;
}

/// An exact target with variance channels of one constant raw value o.
class WithVariance final : public Denoiser {
  public:
    WithVariance(std::shared_ptr<const Denoiser> inner, double raw, int64_t classes = 0)
        : inner_(std::move(inner)), raw_(raw), classes_(classes) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        out.variance = at::full_like(out.x0, raw_);
        if (labels.defined()) out.x0 = out.x0 + labels.to(at::kDouble).reshape({-1, 1});
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return classes_; }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "with-variance"; }

  private:
    std::shared_ptr<const Denoiser> inner_;
    double raw_;
    int64_t classes_;
};

TEST(Samplers, DdimWithFullNoiseIsDdpm) {
    const auto target =
        make_exact(Spec::parse("exact:mixture,means=[-1,0.5,0.2,-0.3],dim=2,widths=[0.2,0.3]"));
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        const Schedule schedule = probe::schedule_of(random_levels(seed, 7, 0.01, 50), target->process());
        const PhiloxNoise noise(seed, {0, 1, 2, 3}, {2});
        const at::Tensor ddim = make_sampler(Spec::parse("ddim:eta=1"))->sample(*target, schedule, noise);
        const at::Tensor ddpm = make_sampler(Spec::parse("ddpm"))->sample(*target, schedule, noise);
        EXPECT_LT(worst(ddim, ddpm), 1e-11);
        const at::Tensor euler = make_sampler(Spec::parse("euler"))->sample(*target, schedule, noise);
        EXPECT_LT(worst(euler, make_sampler(Spec::parse("ddim:eta=0"))->sample(*target, schedule, noise)),
                  1e-12);
    }
}

/// Song et al. 2021, eq. 12, carried out in the variance-preserving form on a discrete chain.
TEST(Samplers, DdimInTheVariancePreservingForm) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=3,process={cosine:T=50}"));
    const NoiseProcess& p = target->process();
    const std::vector<int> nodes{50, 41, 17, 6, 1, 0};
    std::vector<double> levels;
    for (int node : nodes) levels.push_back(p.sigma(node));
    const PhiloxNoise noise(3, {5, 9}, {3});
    for (double eta : {0.0, 0.4, 1.0}) {
        at::Tensor x = noise.latent() * std::sqrt(p.one_minus_abar(50));
        for (size_t i = 0; i + 1 < nodes.size(); ++i) {
            const int r = nodes[i], s = nodes[i + 1];
            const at::Tensor x0 = denoise_at(*target, x / std::sqrt(p.abar(r)), p.at_index(r)).x0;
            const at::Tensor eps = (x - std::sqrt(p.abar(r)) * x0) / std::sqrt(p.one_minus_abar(r));
            const double v = eta * eta * p.posterior_variance(s, r);
            x = std::sqrt(p.abar(s)) * x0 + std::sqrt(p.one_minus_abar(s) - v) * eps +
                std::sqrt(v) * noise.step(static_cast<uint32_t>(i));
        }
        const auto sampler = make_sampler(Spec::parse("ddim:eta=" + format_number(eta)));
        EXPECT_LT(worst(sampler->sample(*target, probe::schedule_of(levels, p), noise), x), 1e-10) << eta;
    }
}

TEST(Samplers, LearnedVarianceEndsAtTheTwoFixedOnes) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=[0.5,2],process={linear:T=100}"));
    const NoiseProcess& p = target->process();
    const Schedule schedule = probe::schedule_of({p.sigma(100), p.sigma(60), p.sigma(30), p.sigma(4), 0}, p);
    const PhiloxNoise noise(1, {0, 1, 2}, {2});
    const auto learned = make_sampler(Spec::parse("ddpm:variance=learned"));
    const auto run = [&](const char* spec) {
        return make_sampler(Spec::parse(spec))->sample(*target, schedule, noise);
    };
    EXPECT_LT(
        worst(learned->sample(WithVariance(target, -1), schedule, noise), run("ddpm:variance=posterior")),
        1e-12);
    EXPECT_LT(worst(learned->sample(WithVariance(target, 1), schedule, noise), run("ddpm:variance=beta")),
              1e-12);
    EXPECT_THROW(learned->sample(*target, schedule, noise), Error);
}

/// What a family says of its evaluations, in numbers: a step, and less by how much on a step to level 0.
struct Evaluations {
    int step, zero_less;
};

TEST(Samplers, EvaluationsAreWhatTheFamilySays) {
    static const std::map<std::string, Evaluations> known{{"1", {1, 0}},
                                                          {"2, but 1 on a step to level 0", {2, 1}}};
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    int checked = 0;
    for (const std::string& spec : all_samplers()) {
        const auto sampler = make_sampler(Spec::parse(spec));
        const auto says = known.find(sampler_family(sampler->spec()).evaluations);
        if (says == known.end()) continue;  // in words: counted in tests/bench
        for (bool zero : {false, true})
            for (int steps : {1, 2, 5, 12}) {
                std::vector<double> levels = random_levels(4, zero ? steps : steps + 1, 0.1, 10);
                if (!zero) levels.pop_back();
                const CountingDenoiser counter(target);
                sampler->sample(counter, probe::schedule_of(levels, target->process()),
                                PhiloxNoise(0, {0}, {1}));
                EXPECT_EQ(counter.calls(), says->second.step * steps - (zero ? says->second.zero_less : 0))
                    << spec << (zero ? " to zero" : "");
                ++checked;
            }
    }
    EXPECT_GE(checked, 300);
}

TEST(Samplers, BudgetIsTheLargestCountThatFits) {
    int nfe = 0;
    const auto heun = make_sampler(Spec::parse("heun"));
    EXPECT_EQ(steps_within_budget(*heun, 35, &nfe, "test"), 18);
    EXPECT_EQ(nfe, 35);
    EXPECT_EQ(steps_within_budget(*heun, 36, &nfe, "test"), 18);
    EXPECT_EQ(nfe, 35);
    EXPECT_EQ(steps_within_budget(*heun, 36, &nfe, "test", "sigma-min"), 18);
    EXPECT_EQ(nfe, 36);
    EXPECT_EQ(steps_within_budget(*heun, 1, &nfe, "test"), 1);
    EXPECT_THROW(steps_within_budget(*heun, 1, &nfe, "test", "sigma-min"), Error);
    EXPECT_THROW(steps_within_budget(*heun, 0, &nfe, "test"), Error);
    const auto ddpm = make_sampler(Spec::parse("ddpm:variance=learned"));
    EXPECT_EQ(steps_within_budget(*ddpm, 250, &nfe, "test"), 250);
    EXPECT_EQ(nfe, 250);
}

TEST(Samplers, AnImageDoesNotDependOnItsBlock) {
    const auto target = make_exact(Spec::parse("exact:mixture,means=[-1,0.5,0.2,-0.3],dim=2"));
    const Schedule schedule = probe::schedule_of(random_levels(8, 9, 0.05, 80), target->process());
    for (const std::string& spec : all_samplers()) {
        const auto sampler = make_sampler(Spec::parse(spec));
        const at::Tensor whole =
            sampler->sample(*target, schedule, PhiloxNoise(7, {10, 11, 12, 13, 14}, {2}));
        const at::Tensor part = sampler->sample(*target, schedule, PhiloxNoise(7, {13, 11}, {2}));
        EXPECT_LT(worst(part[0], whole[3]), 1e-11) << spec;
        EXPECT_LT(worst(part[1], whole[1]), 1e-11) << spec;
    }
}

TEST(Samplers, OneStepToZeroIsTheDenoiser) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=[0.3,2],mean=[1,-1]"));
    const PhiloxNoise noise(2, {0, 1, 2}, {2});
    const at::Tensor expected = denoise_at(*target, 30 * noise.latent(), target->process().locate(30)).x0;
    for (const std::string spec : {"euler", "ddim:eta=1", "ddpm:variance=beta", "heun", "dpmpp-2m"})
        EXPECT_LT(worst(make_sampler(Spec::parse(spec))
                            ->sample(*target, probe::schedule_of({30, 0}, target->process()), noise),
                        expected),
                  1e-13)
            << spec;
}

TEST(Samplers, ChurnIsRoundedToTheTableOfADiscreteModel) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,process={linear:T=1000}"));
    const NoiseProcess& p = target->process();
    const Schedule schedule = probe::schedule_of({p.sigma(900), p.sigma(400), 0}, p);
    const probe::GivenNoise noise(at::ones({1, 1}, at::kDouble),
                                  {at::ones({1, 1}, at::kDouble), at::ones({1, 1}, at::kDouble)});
    double x = p.sigma(900);
    const double gamma = std::sqrt(2.0) - 1;
    for (int i = 0; i < 2; ++i) {
        const double a = schedule.effective[static_cast<size_t>(i)],
                     b = schedule.effective[static_cast<size_t>(i) + 1];
        const double hat = p.sigma(p.nearest_index(a * (1 + gamma)));
        x += std::sqrt(hat * hat - a * a);
        const double slope = (x - 0.25 * x / (0.25 + hat * hat)) / hat;
        const double next = x + (b - hat) * slope;
        x = b == 0 ? next : x + (b - hat) * 0.5 * (slope + (next - 0.25 * next / (0.25 + b * b)) / b);
    }
    EXPECT_NEAR(
        make_sampler(Spec::parse("heun:s-churn=100"))->sample(*target, schedule, noise).item<double>(), x,
        1e-10);
}

TEST(Samplers, LabelsReachTheModel) {
    const WithVariance labelled(make_exact(Spec::parse("exact:gaussian,c=0.5")), 0, 10);
    const std::vector<int64_t> ids{3, 4, 5};
    const at::Tensor labels = block_labels(9, ids, 10);
    EXPECT_TRUE((labels.ge(0) & labels.lt(10)).all().item<bool>());
    const Schedule schedule = probe::schedule_of({1e-6, 0}, labelled.process());
    const at::Tensor x =
        make_sampler(Spec::parse("euler"))->sample(labelled, schedule, PhiloxNoise(9, ids, {1}), labels);
    EXPECT_LT(worst(x.reshape({-1}), labels.to(at::kDouble)), 1e-4);
    EXPECT_THROW(make_sampler(Spec::parse("euler"))->sample(labelled, schedule, PhiloxNoise(9, ids, {1})),
                 Error);
    EXPECT_EQ(block_labels(9, std::vector<int64_t>{4}, 10).item<int64_t>(), labels[1].item<int64_t>());
}

TEST(Samplers, NoiseIsTheCounterBasedOne) {
    const PhiloxNoise noise(11, {7, 8}, {3, 2});
    std::vector<float> expected(6);
    fill_normals({11, NoisePurpose::step}, 8, 4, expected);
    const at::Tensor row = noise.step(4)[1].reshape({-1});
    for (int64_t i = 0; i < 6; ++i)
        EXPECT_EQ(row[i].item<double>(), static_cast<double>(expected[static_cast<size_t>(i)]));
    EXPECT_EQ(noise.latent().sizes(), (std::vector<int64_t>{2, 3, 2}));
}

TEST(Samplers, FaultsAreNamed) {
    EXPECT_THROW(make_sampler(Spec::parse("huen")), Error);
    EXPECT_THROW(make_sampler(Spec::parse("ddim:eta=1.5")), Error);
    EXPECT_THROW(make_sampler(Spec::parse("ddpm:variance=small")), Error);
    EXPECT_THROW(make_sampler(Spec::parse("heun:s-churn=-1")), Error);
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=2"));
    EXPECT_THROW(
        make_sampler(Spec::parse("euler"))
            ->sample(*target, probe::schedule_of({1, 0}, target->process()), PhiloxNoise(0, {0}, {3})),
        Error);
    const probe::GivenNoise nan(at::full({1, 2}, std::nan(""), at::kDouble));
    EXPECT_THROW(make_sampler(Spec::parse("euler"))
                     ->sample(*target, probe::schedule_of({1, 0}, target->process()), nan),
                 Error);
    for (const SpecEntry& entry : sampler_entries())
        EXPECT_EQ(make_sampler(Spec::parse(entry.name))->spec().name, entry.name);
}

}  // namespace
}  // namespace schedbench
