// What a sampler's coefficients must do whatever the knots are: integrate polynomials of their degree
// exactly, carry a constant output to the exact solution, agree with one another where two methods are one.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <boost/math/quadrature/tanh_sinh.hpp>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/noise.h"
#include "models/exact.h"
#include "sampler_probe.h"
#include "sampler_specs.h"
#include "schedules/vp_time.h"

namespace schedbench {
namespace {

/// Random falling levels, no two of them closer than a fifth of the mean distance in ln sigma.
std::vector<double> random_levels(uint64_t seed, int steps, double low, double high, bool to_zero) {
    std::vector<float> u(static_cast<size_t>(to_zero ? steps : steps + 1));
    fill_uniforms({seed, NoisePurpose::selection}, 0, 0, u);
    std::vector<double> out;
    for (size_t i = 0; i < u.size(); ++i) {
        const double place =
            (static_cast<double>(i) + 0.8 * static_cast<double>(u[i])) / static_cast<double>(u.size());
        out.push_back(high * std::pow(low / high, place));
    }
    if (to_zero) out.push_back(0);
    return out;
}

/// Samplers that are not of the form these properties are about: AFS guesses its first slope, and EDM's
/// ablation sampler steps in other variables.
bool is_exponential_or_linear(const std::string& spec) {
    return !spec.starts_with("afs") && !spec.starts_with("edm-ablation");
}

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

/// A model whose output is given: by the level alone, or by x and the level.
class FormulaDenoiser final : public Denoiser {
  public:
    using Formula = std::function<at::Tensor(const at::Tensor& x, double sigma)>;
    explicit FormulaDenoiser(Formula formula) : formula_(std::move(formula)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor&,
                              const at::Tensor&) const override {
        return {formula_(x, levels[0].item<double>()), {}};
    }
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {1}; }
    std::string spec() const override { return "formula"; }

  private:
    Formula formula_;
    NoiseProcess process_{Spec::parse("continuous")};
};

/// x at all knots, from one start.
std::vector<double> path(const std::string& spec, const Denoiser& denoiser,
                         const std::vector<double>& levels) {
    std::vector<double> out;
    const probe::GivenNoise noise(at::full({1, 1}, 0.7, at::kDouble));
    make_sampler(Spec::parse(spec))
        ->sample(denoiser, probe::schedule_of(levels, denoiser.process()), noise, {},
                 [&](int, const at::Tensor& x) { out.push_back(x.item<double>()); });
    return out;
}

double quadrature(const std::function<double(double)>& f, double low, double high) {
    static boost::math::quadrature::tanh_sinh<double> rule;
    return rule.integrate(f, low, high);
}

/// The slope is time(sigma)^degree, so x(b) - x(a) is its integral: the largest error of the steps from
/// `first` on, relative to (a - b) times the slope, or to 1e-3 x where rounding of x is more than that.
double slope_error(const std::string& spec, const std::vector<double>& levels,
                   const std::function<double(double)>& time, int degree, size_t first) {
    const auto slope = [&](double sigma) { return std::pow(time(sigma), degree); };
    const FormulaDenoiser denoiser(
        [&](const at::Tensor& x, double sigma) { return x - sigma * slope(sigma); });
    const std::vector<double> x = path(spec, denoiser, levels);
    double out = 0;
    for (size_t i = first; i + 1 < levels.size(); ++i) {
        const double expected = -quadrature(slope, levels[i + 1], levels[i]);
        const double scale = levels[i] - levels[i + 1];
        const double size = std::max({std::abs(slope(levels[i])), std::abs(x[i]) * 1e-3 / scale, 1e-3});
        out = std::max(out, std::abs(x[i + 1] - x[i] - expected) / (scale * size));
    }
    return out;
}

TEST(Exactness, PolynomialSlopesAreIntegratedExactly) {
    const VpTime vp, other{3.0, 0.7};
    struct Case {
        std::string spec;
        std::function<double(double)> time;
        int degree;
        bool zero;  // also a step to 0
    };
    std::vector<Case> cases;
    const std::function<double(double)> identity = [](double s) { return s; };
    for (int k = 1; k <= 4; ++k)
        cases.push_back({"adams-bashforth:order=" + std::to_string(k), identity, k - 1, true});
    for (int r = 0; r <= 3; ++r) {
        const std::string spec = "deis-tab:order=" + std::to_string(r);
        cases.push_back({spec, [vp](double s) { return vp.time(s); }, r, true});
        cases.push_back(
            {spec + ",beta-d=3,beta-min=0.7", [other](double s) { return other.time(s); }, r, true});
        cases.push_back({spec + ",time=sigma", identity, r, true});
        cases.push_back({spec + ",time=log-sigma", [](double s) { return std::log(s); }, r, false});
    }
    cases.push_back({"ipndm-v:order=2", identity, 1, true});
    double most = 0;
    int checked = 0;
    for (const Case& item : cases)
        for (uint64_t seed = 1; seed <= 8; ++seed)
            for (int degree = 0; degree <= item.degree; ++degree) {
                const auto levels = random_levels(seed, 9, 0.002, 80, item.zero);
                const double error =
                    slope_error(item.spec, levels, item.time, degree, static_cast<size_t>(item.degree));
                EXPECT_LT(error, 2e-11) << item.spec << " degree " << degree << " seed " << seed;
                most = std::max(most, error);
                ++checked;
            }
    std::printf("exactness: %d slopes, worst %.1e\n", checked, most);
    // One degree more is not exact, so the test sees something.
    EXPECT_GT(slope_error("adams-bashforth:order=3", random_levels(1, 9, 0.002, 80, false), identity, 3, 2),
              1e-4);
    EXPECT_GT(slope_error("ipndm:order=2", random_levels(1, 9, 0.002, 80, false), identity, 1, 1), 1e-4);
}

/// The output is lambda^degree, lambda = -ln sigma: x(b) / b = x(a) / a + int_b^a D / sigma^2. Largest
/// relative error of the steps first..last - 1.
double output_error(const std::string& spec, const std::vector<double>& levels, int degree, size_t first,
                    size_t last) {
    const auto output = [&](double sigma) { return std::pow(-std::log(sigma), degree); };
    const FormulaDenoiser denoiser(
        [&](const at::Tensor& x, double sigma) { return at::full_like(x, output(sigma)); });
    const std::vector<double> x = path(spec, denoiser, levels);
    double out = 0;
    for (size_t i = first; i < last; ++i) {
        const double a = levels[i], b = levels[i + 1];
        const double expected =
            b * (x[i] / a + quadrature([&](double s) { return output(s) / (s * s); }, b, a));
        out = std::max(out, std::abs(x[i + 1] - expected) / (1 + std::abs(x[i]) + std::abs(output(a))));
    }
    return out;
}

TEST(Exactness, PolynomialOutputsAreIntegratedExactly) {
    constexpr size_t steps = 9;
    double most = 0;
    const auto exact = [&](const std::string& spec, int degree, size_t first, size_t last) {
        for (uint64_t seed = 1; seed <= 8; ++seed)
            for (int d = 0; d <= degree; ++d) {
                const double error =
                    output_error(spec, random_levels(seed, steps, 0.002, 80, false), d, first, last);
                EXPECT_LT(error, 2e-11) << spec << " degree " << d << " seed " << seed;
                most = std::max(most, error);
            }
    };
    exact("dpmpp-3m", 2, 2, steps);
    exact("dpmpp-3m:variant=published", 1, 2, steps);
    exact("dpmpp-3m:warmup=phi2", 1, 1, steps);
    for (const std::string b : {"bh1", "bh2"}) {
        exact("unipc:order=2,b=" + b, 2, 1,
              steps - 1);  // corrected steps: one degree more than the predictor
        exact("unipc:order=3,b=" + b, 3, 2, steps - 1);
        exact("unipc:order=3,b=" + b, 2, 2, steps);
        exact("unipc:order=3,lower-order-final=true,b=" + b, 3, 2, steps - 3);
        exact("unipc:order=3,lower-order-final=true,b=" + b, 2, 2, steps - 1);
    }
    std::printf("exactness: outputs, worst %.1e\n", most);
    const auto levels = random_levels(1, steps, 0.002, 80, false);
    EXPECT_GT(output_error("dpmpp-3m:variant=published", levels, 2, 2, steps), 1e-3);
    EXPECT_GT(output_error("unipc:order=2", levels, 3, 1, steps - 1), 1e-3);
}

/// With a constant output c the exact solution is a straight line: x(b) = c + (b / a) (x(a) - c).
TEST(Exactness, AConstantOutputGivesTheExactSolution) {
    const FormulaDenoiser denoiser([](const at::Tensor& x, double) { return at::full_like(x, 0.4); });
    const auto deviation = [&](const std::string& spec, const std::vector<double>& levels) {
        double out = 0;
        const std::vector<double> x = path(spec, denoiser, levels);
        for (size_t i = 0; i < levels.size(); ++i) {
            const double expected = 0.4 + levels[i] / levels[0] * (x[0] - 0.4);
            out = std::max(out, std::abs(x[i] - expected) / (1 + std::abs(expected)));
        }
        return out;
    };
    for (const std::string& spec : probe::deterministic_variants()) {
        if (!is_exponential_or_linear(spec)) continue;
        // Its coefficients, as published, sum to one on equal ratios of steps only.
        const bool geometric = spec == "ipndm-v" || spec.starts_with("ipndm-v:order=4");
        for (uint64_t seed = 1; seed <= 6; ++seed)
            for (bool zero : {false, true}) {
                const auto levels = random_levels(seed, 7, 0.01, 60, zero);
                if (geometric)
                    EXPECT_GT(deviation(spec, levels), 1e-6) << spec;
                else
                    EXPECT_LT(deviation(spec, levels), 1e-12) << spec << (zero ? " to zero" : "");
            }
        EXPECT_LT(deviation(spec, probe::log_linear(9, 0.01, 60)), 1e-12) << spec;
    }
}

TEST(Exactness, MethodsThatAreOne) {
    const auto target =
        make_exact(Spec::parse("exact:mixture,means=[-1,0.5,0.2,-0.3],dim=2,widths=[0.2,0.3]"));
    const PhiloxNoise noise(5, {0, 1, 2, 3}, {2});
    const auto run = [&](const std::string& spec, const std::vector<double>& levels) {
        return make_sampler(Spec::parse(spec))
            ->sample(*target, probe::schedule_of(levels, target->process()), noise);
    };
    std::vector<double> uniform;
    for (int i = 0; i <= 12; ++i) uniform.push_back(6 - 0.45 * i);
    for (uint64_t seed = 1; seed <= 6; ++seed)
        for (bool zero : {false, true}) {
            const auto levels = random_levels(seed, 8, 0.05, 40, zero);
            for (const std::string spec :
                 {"adams-bashforth:order=1", "ipndm:order=1", "ipndm-v:order=1", "deis-tab:order=0"})
                EXPECT_LT(worst(run(spec, levels), run("euler", levels)), 1e-12) << spec;
            for (const char* order : {"1", "2", "3", "4"}) {
                const std::string degree = std::to_string(std::stoi(order) - 1);
                EXPECT_TRUE(at::equal(run(std::string("adams-bashforth:order=") + order, levels),
                                      run("deis-tab:time=sigma,order=" + degree, levels)));
            }
            EXPECT_LT(worst(run("ipndm-v:order=2", levels), run("adams-bashforth:order=2", levels)), 1e-11);
            EXPECT_LT(worst(run("dpmpp-2s:eta=0", levels), run("dpmpp-2s:eta=1e-9", levels)), 1e-6);
            // Two steps of 3M are two steps of 2M, and three where the third is lowered.
            const std::vector<double> two(levels.begin(), levels.begin() + 3);
            EXPECT_LT(worst(run("dpmpp-3m", two), run("dpmpp-2m", two)), 1e-12);
            EXPECT_LT(worst(run("dpmpp-3m:lower-order-final=true", two),
                            run("dpmpp-2m:lower-order-final=true", two)),
                      1e-12);
        }
    for (const std::string order : {"2", "3", "4"})
        EXPECT_LT(worst(run("ipndm:order=" + order, uniform), run("adams-bashforth:order=" + order, uniform)),
                  1e-11);
    EXPECT_LT(worst(run("ipndm:order=3", uniform), run("ipndm-v:order=3", uniform)), 1e-11);
}

/// The published coefficients on equal steps: 19/8, -65/24, 43/24, -11/24. Outputs whose slope is 1 at one
/// knot and 0 at all others show them.
TEST(Exactness, CoefficientsOfEqualSteps) {
    const auto coefficients = [](const std::string& spec) {
        std::vector<double> levels, out;
        for (int i = 0; i <= 5; ++i) levels.push_back(6 - i);
        for (size_t j = 0; j < 4; ++j) {
            const FormulaDenoiser denoiser(
                [&](const at::Tensor& x, double sigma) { return sigma == levels[4 - j] ? x - sigma : x; });
            const auto x = path(spec, denoiser, levels);
            out.push_back(-(x[5] - x[4]));
        }
        return out;
    };
    const std::vector<double> published = coefficients("ipndm-v"), usual = coefficients("adams-bashforth");
    const std::vector<double> expected_published{57, -65, 43, -11}, expected_usual{55, -59, 37, -9};
    for (size_t j = 0; j < 4; ++j) {
        EXPECT_NEAR(published[j], expected_published[j] / 24, 1e-13);
        EXPECT_NEAR(usual[j], expected_usual[j] / 24, 1e-13);
    }
}

TEST(Exactness, OneStepToZeroIsTheDenoiser) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=[0.3,2],mean=[1,-1]"));
    const PhiloxNoise noise(2, {0, 1, 2}, {2});
    const at::Tensor expected = denoise_at(*target, 30 * noise.latent(), target->process().locate(30)).x0;
    for (const std::string& spec : probe::deterministic_variants()) {
        if (!is_exponential_or_linear(spec)) continue;
        const at::Tensor x = make_sampler(Spec::parse(spec))
                                 ->sample(*target, probe::schedule_of({30, 0}, target->process()), noise);
        EXPECT_LT(worst(x, expected), 1e-13) << spec;
    }
}

/// Two-stage methods on a table, carried out by hand with the entry that is nearest to the midpoint.
TEST(Exactness, MidpointsAreRoundedToATable) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,process={linear:T=200}"));
    const NoiseProcess& p = target->process();
    const auto denoise = [](double x, double sigma) { return 0.25 * x / (0.25 + sigma * sigma); };
    for (const double wanted : {0.5, 0.3}) {
        const std::vector<int> nodes{200, 137, 60, 13, 0};
        std::vector<double> levels;
        for (int node : nodes) levels.push_back(p.sigma(node));
        double dpm = levels[0], dpmpp = levels[0];
        for (size_t i = 0; i + 1 < levels.size(); ++i) {
            const double a = levels[i], b = levels[i + 1];
            if (b == 0) {
                dpm = denoise(dpm, a), dpmpp = denoise(dpmpp, a);
                continue;
            }
            const double m = p.sigma(p.nearest_index(std::pow(b, wanted) * std::pow(a, 1 - wanted)));
            const double r = std::log(m / a) / std::log(b / a);
            EXPECT_NE(r, wanted);
            const double slope = (dpm - denoise(dpm, a)) / a, inside = dpm + (m - a) * slope;
            dpm += (b - a) * ((1 - 1 / (2 * r)) * slope + (inside - denoise(inside, m)) / m / (2 * r));
            const double first = denoise(dpmpp, a), second = denoise(m / a * dpmpp + (1 - m / a) * first, m);
            dpmpp = b / a * dpmpp + (1 - b / a) * ((1 - 1 / (2 * r)) * first + second / (2 * r));
        }
        const Schedule schedule = probe::schedule_of(levels, p);
        const probe::GivenNoise noise(at::ones({1, 1}, at::kDouble));
        const std::string r = "r=" + format_number(wanted);
        EXPECT_NEAR(make_sampler(Spec::parse("dpm-2:" + r))->sample(*target, schedule, noise).item<double>(),
                    dpm, 1e-12);
        EXPECT_NEAR(
            make_sampler(Spec::parse("dpmpp-2s:" + r))->sample(*target, schedule, noise).item<double>(),
            dpmpp, 1e-12);
    }
    // Neighbours in the table leave no room; with fractional times they do.
    Schedule close = probe::schedule_of({p.sigma(100), p.sigma(99), 0}, p);
    for (const char* spec : {"dpm-2", "dpmpp-2s"}) {
        const CountingDenoiser counter(target);
        const probe::GivenNoise noise(at::ones({1, 1}, at::kDouble));
        close.time_rule = "nearest";
        try {
            make_sampler(Spec::parse(spec))->sample(counter, close, noise);
            FAIL() << spec;
        } catch (const Error& error) {
            EXPECT_EQ(error.hint(), "use time=fractional or fewer steps");
        }
        EXPECT_EQ(counter.calls(), 0);  // found before the model is asked
        EXPECT_THROW(make_sampler(Spec::parse(spec))->check_schedule(close, "test"), Error);
        close.time_rule = "fractional";
        EXPECT_NO_THROW(make_sampler(Spec::parse(spec))->check_schedule(close, "test"));
        make_sampler(Spec::parse(spec))->sample(counter, close, noise);
    }
}

TEST(Exactness, ValuesOutOfRangeAreRefused) {
    for (const char* spec : {"dpm-2:r=0",
                             "dpm-2:r=1",
                             "dpm-2:r=nan",
                             "dpmpp-2s:eta=1.5",
                             "dpmpp-2s:eta=-1",
                             "dpmpp-2s:r=-0.5",
                             "unipc:order=1",
                             "unipc:order=4",
                             "unipc:b=bh3",
                             "ipndm:order=0",
                             "ipndm:order=5",
                             "ipndm-v:order=5",
                             "adams-bashforth:order=0",
                             "adams-bashforth:order=5",
                             "deis-tab:order=-1",
                             "deis-tab:order=4",
                             "deis-tab:beta-min=0",
                             "deis-tab:beta-d=inf",
                             "deis-tab:time=log",
                             "dpmpp-3m:variant=3"})
        EXPECT_THROW(make_sampler(Spec::parse(spec)), Error) << spec;
}

}  // namespace
}  // namespace schedbench
