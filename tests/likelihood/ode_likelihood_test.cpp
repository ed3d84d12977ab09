// The likelihood of the probability flow against closed forms.
#include "likelihood/ode_likelihood.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/noise.h"
#include "flow_targets.h"
#include "golden_json.h"
#include "likelihood/jacobian_trace.h"
#include "models/native.h"
#include "plain_mixture.h"

namespace schedbench {
namespace {

using nlohmann::json;
using namespace flow;

OdeLikelihoodOptions tight(double tolerance) {
    OdeLikelihoodOptions out;
    out.control.rtol = out.control.atol = tolerance;
    return out;
}

/// The levels of Karras et al. 2022, eq. 5, rising.
std::vector<double> rising_levels(double rho, int steps, double low, double high) {
    std::vector<double> out;
    const double a = std::pow(low, 1 / rho), b = std::pow(high, 1 / rho);
    for (int i = 0; i <= steps; ++i) out.push_back(std::pow(a + (b - a) * i / steps, rho));
    return out;
}

/// Euler or Heun on fixed levels, x and the integral of the divergence together; exact divergence. Natural
/// log.
double discretised(const Denoiser& model, const std::vector<double>& x0, const std::vector<double>& levels,
                   bool heun, double prior_variance) {
    const auto d = static_cast<int64_t>(x0.size());
    at::Tensor x = at::tensor(x0, at::kDouble).reshape({1, d});
    double integral = 0;
    const auto slope = [&](const at::Tensor& at_x, double sigma) {
        const at::Tensor level = at::full({1}, sigma, at::kDouble);
        const TracedDenoising out = denoise_with_trace(model, at_x, level, at::log(level) / 4, {}, {});
        return std::pair{(at_x - out.x0) / sigma, (static_cast<double>(d) - value(out.trace)) / sigma};
    };
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const double h = levels[i + 1] - levels[i];
        auto [dx, div] = slope(x, levels[i]);
        if (heun) {
            const auto [dx2, div2] = slope(x + h * dx, levels[i + 1]);
            dx = (dx + dx2) / 2, div = (div + div2) / 2;
        }
        x = x + h * dx, integral += h * div;
    }
    return integral - 0.5 * (value(x.square().sum()) / prior_variance +
                             static_cast<double>(d) * std::log(2 * std::numbers::pi * prior_variance));
}

TEST(GoldenOdeLikelihood, Gaussian) {
    golden::Tally nats("schedules/likelihood_gaussian nats"),
        latent("schedules/likelihood_gaussian latent scale"), bits("schedules/likelihood_gaussian bits/dim"),
        fixed("schedules/likelihood_gaussian fixed steps");
    for (const json& file : golden::json_files("likelihood_gaussian"))
        for (const json& item : file["likelihood_gaussian"]) {
            const double c = item["c"], low = item["sigma_min"], high = item["sigma_max"];
            const std::vector<double> x = item["x"];
            const auto d = static_cast<double>(x.size());
            const auto model = make_exact(
                Spec::parse("exact:gaussian,c=" + format_number(c) + ",dim=" + std::to_string(x.size()) +
                            ",process={continuous:" + "sigma-min=" + format_number(low) +
                            ",sigma-max=" + format_number(high) + "}"));
            const at::Tensor start = at::tensor(x, at::kDouble).reshape({1, -1});
            const std::string name = "c=" + format_number(c);
            for (const auto& [key, expected] : item["bits_per_dim_continuous"].items()) {
                OdeLikelihoodOptions options = tight(1e-11);
                options.prior.exact = key == "prior_exact_marginal";
                const OdeTrajectories flow = integrate_flow(*model, start, {}, {}, options);
                latent.add(
                    (flow.latent / start / item["latent_scale"].get<double>() - 1).abs().max().item<double>(),
                    1e-9, name);
                nats.add(std::abs(value(flow.divergence) - item["divergence_integral"].get<double>()), 1e-8,
                         name + " divergence");
                nats.add(std::abs(value(flow.log_density) - item["log_likelihood_" + key].get<double>()),
                         1e-8, name + " " + key);
                const double own = -value(flow.log_density) / (d * std::numbers::ln2);
                bits.add(std::abs(own - expected.get<double>()), 1e-9, name + " " + key);
                bits.add(std::abs(own + dequantisation_offset(Dequantisation::centred) -
                                  item["bits_per_dim_8bit_scaled_minus1_1"][key].get<double>()),
                         1e-9, name + " centred " + key);
                bits.add(std::abs(own + dequantisation_offset(Dequantisation::of256) -
                                  item["bits_per_dim_offset_7"][key].get<double>()),
                         1e-9, name + " of 256 " + key);
                // The other way to say the exact prior of this target.
                if (options.prior.exact) {
                    options.prior = {.second_moment = c * c};
                    EXPECT_NEAR(value(integrate_flow(*model, start, {}, {}, options).log_density),
                                value(flow.log_density), 1e-10);
                }
            }
            const json& steps = item["bits_per_dim_continuous_discretised_prior_exact_marginal"];
            ASSERT_EQ(steps["grid"], "karras_rho7 ascending");
            for (const auto& [method, values] : steps["values"].items())
                for (const auto& [n, expected] : values.items()) {
                    const std::vector<double> levels = rising_levels(7, std::stoi(n), low, high);
                    const double nat = discretised(*model, x, levels, method == "heun", c * c + high * high);
                    fixed.add(std::abs(-nat / (d * std::numbers::ln2) - expected.get<double>()), 1e-11,
                              name + " " + method + " N=" + n);
                }
        }
    nats.report();
    latent.report();
    bits.report();
    fixed.report();
}

/// One case, or a list of them.
json golden_list(const json& value) {
    return value.is_array() ? value : json::array({value});
}

TEST(GoldenOdeLikelihood, Mixture) {
    golden::Tally tally("schedules/likelihood_mixture nats"), latent("schedules/likelihood_mixture latent");
    for (const json& file : golden::json_files("likelihood_mixture"))
        for (const json& item : golden_list(file["likelihood_mixture"])) {
            const std::vector<double> means = item["means"], weights = item["weights"];
            const auto model = make_exact(Spec::parse(
                "exact:mixture,means=" + list_of(means) + ",weights=" + list_of(weights) + ",widths=[" +
                format_number(item["std"]) + "],process={continuous:sigma-min=" +
                format_number(file["sigma_min"]) + ",sigma-max=" + format_number(file["sigma_max"]) + "}"));
            for (const json& point : item["points"]) {
                const at::Tensor x = at::full({1, 1}, point["x"].get<double>(), at::kDouble);
                for (const std::string key : {"prior_exact_marginal", "prior_N0_sigma_max2"}) {
                    OdeLikelihoodOptions options = tight(1e-11);
                    options.prior.exact = key == "prior_exact_marginal";
                    const OdeTrajectories flow = integrate_flow(*model, x, {}, {}, options);
                    const std::string name = "x=" + format_number(point["x"]) + " " + key;
                    const double expected = point["latent"];
                    latent.add(std::abs(value(flow.latent) - expected) / std::max(1.0, std::abs(expected)),
                               1e-8, name);
                    tally.add(std::abs(value(flow.divergence) - point["divergence_integral"].get<double>()),
                              1e-8, name + " divergence");
                    tally.add(
                        std::abs(value(flow.log_density) - point["log_likelihood_" + key].get<double>()),
                        1e-8, name);
                }
            }
        }
    tally.report();
    latent.report();
}

std::vector<std::string> targets() {
    return {"exact:gaussian,c=0.4,dim=4",
            "exact:gaussian,c=[0.3,2,1],mean=[0.5,-1,0]",
            "exact:gaussian,c=1.5,mean=0.2,shape=[1,2,1],process={linear:T=1000}",
            "exact:gaussian,c=0.5,dim=3,process={cosine:T=500}",
            "exact:mixture,means=[-1,0.2,0.5,-0.4,1,1],widths=[0.1,0.2,0.3],weights=[1,2,3],dim=2",
            "exact:mixture,means=[-1,0.2,0.5,-0.4,1,1],widths=[0.3],dim=3,process={scaled-linear:T=1000}",
            "exact:cantor,depth=2,width=0.02"};
}

/// With the target's own density as prior, ln p is the data density at sigma_min.
TEST(OdeLikelihood, DensityInSeveralDimensionsAndProcesses) {
    double worst = 0;
    for (const std::string& spec : targets()) {
        const auto model = make_exact(Spec::parse(spec));
        const at::Tensor x = model->sample_data({3, NoisePurpose::selection}, first_ids(3));
        OdeLikelihoodOptions options = tight(1e-8);
        options.prior.exact = true;
        const OdeTrajectories flow = integrate_flow(*model, x, {}, {}, options);
        const at::Tensor exact =
            model->log_density(x, at::full({3}, model->process().sigma_min(), at::kDouble));
        const double difference = (flow.log_density.squeeze(1) - exact).abs().max().item<double>();
        EXPECT_LT(difference, 1e-6) << spec;
        worst = std::max(worst, difference);
    }
    std::printf("worst difference of ln p at rtol 1e-8: %.2g nats\n", worst);
}

TEST(OdeLikelihood, ErrorFallsWithTheTolerance) {
    const auto model = make_exact(Spec::parse(targets()[4]));
    const at::Tensor x = model->sample_data({3, NoisePurpose::selection}, first_ids(8));
    const at::Tensor exact = model->log_density(x, at::full({8}, model->process().sigma_min(), at::kDouble));
    double previous = INFINITY;
    int64_t evaluations_before = 0;
    for (double rtol : {1e-3, 1e-5, 1e-7}) {
        OdeLikelihoodOptions options = tight(rtol);
        options.prior.exact = true;
        const OdeTrajectories flow = integrate_flow(*model, x, {}, {}, options);
        const double error = (flow.log_density.squeeze(1) - exact).abs().max().item<double>();
        const int64_t evaluations =
            std::accumulate(flow.evaluations.begin(), flow.evaluations.end(), int64_t{0});
        std::printf("rtol %.0e: error %.2g nats, %.0f evaluations a point\n", rtol, error,
                    static_cast<double>(evaluations) / 8);
        EXPECT_LT(error, 300 * rtol);
        EXPECT_LT(error, previous / 10);
        EXPECT_GT(evaluations, evaluations_before);
        previous = error, evaluations_before = evaluations;
    }
}

TEST(OdeLikelihood, ProbesAgreeWithTheExactDivergenceWithinTheirError) {
    constexpr int64_t kImages = 32;
    const auto model = make_exact(Spec::parse(wide_mixture(6)));
    const auto source = exact_source(model, kImages, 2);
    OdeLikelihoodOptions options = tight(1e-4);
    options.rule = Dequantisation::none;
    options.batch = kImages;
    options.sigma_min = 0.02;
    const OdeLikelihood exact =
        measure_ode_likelihood(model, *source, 0, kImages, options);  // 6 <= 16 dimensions
    EXPECT_TRUE(exact.exact_divergence);
    EXPECT_EQ(exact.probes, 0);
    EXPECT_EQ(exact.probe_se, 0);
    options.divergence = DivergenceRule::hutchinson;
    options.probes = 20;
    const OdeLikelihood probed = measure_ode_likelihood(model, *source, 0, kImages, options);
    EXPECT_FALSE(probed.exact_divergence);
    EXPECT_GT(probed.probe_se, 0);
    EXPECT_LT(std::abs(probed.bits_per_dim.value - exact.bits_per_dim.value), 4 * probed.probe_se);
    // Errors in units of their own standard errors: t with 19 degrees if probes were normal, mean square
    // 19/17.
    RunningMean squares;
    double sum = 0;
    for (size_t i = 0; i < kImages; ++i) {
        const OdeImage& image = probed.images[i];
        EXPECT_GT(image.probe_se, 0);
        const double z = (image.bits_per_dim - exact.images[i].bits_per_dim) / image.probe_se;
        squares.add(z * z);
        sum += image.probe_se * image.probe_se;
    }
    EXPECT_LT(squares.mean, 2.5);
    EXPECT_GT(squares.mean, 0.4);
    EXPECT_NEAR(probed.probe_se, std::sqrt(sum) / kImages, 1e-15);
    EXPECT_LT(probed.probe_se, probed.bits_per_dim.se);
}

/// Data of the model's own: the mean is the entropy of N(0, (c^2 + sigma_min^2) I).
TEST(OdeLikelihood, MeanOverDrawsIsTheEntropy) {
    const auto model = make_exact(Spec::parse("exact:gaussian,c=1.2,dim=6"));
    const auto source = exact_source(model, 200, 2);
    OdeLikelihoodOptions options = tight(1e-5);
    options.rule = Dequantisation::none;
    options.batch = 64;
    const OdeLikelihood out = measure_ode_likelihood(model, *source, 0, 200, options);
    EXPECT_EQ(out.bits_per_dim.n, 200);
    EXPECT_LT(
        std::abs(out.bits_per_dim.value - 0.5 * std::log2(2 * std::numbers::pi * std::numbers::e * 1.44)),
        4 * out.bits_per_dim.se);
    // -ln p is chi^2/2 with 6 degrees of freedom and a constant: standard deviation sqrt(3) nats.
    EXPECT_NEAR(out.bits_per_dim.se * std::sqrt(200.0), std::sqrt(3.0) / (6 * std::numbers::ln2), 0.08);
}

Dataset small_images(int64_t count) {
    Dataset out;
    out.spec = out.hash = "test";
    out.count = count;
    out.channels = 1, out.height = 3, out.width = 4;
    for (int64_t i = 0; i < 12 * count; ++i)
        out.pixels.push_back(static_cast<uint8_t>((i * 37 + i * i) % 256));
    return out;
}

double normal_cdf(double z) {
    return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

/// For Gaussian data P(byte) is known: the bound lies above it, and very near where the density hardly bends
/// in a bin.
TEST(OdeLikelihood, DequantisedBytesGiveTheProbabilityOfTheByte) {
    const Dataset data = small_images(3);
    const auto source = dataset_source(data);
    for (const double c : {0.6, 0.05})
        for (Dequantisation rule : {Dequantisation::of256, Dequantisation::centred}) {
            const auto model =
                make_exact(Spec::parse("exact:gaussian,c=" + format_number(c) + ",shape=[1,3,4]"));
            OdeLikelihoodOptions options = tight(1e-8);
            options.rule = rule;
            options.prior.exact = true;
            options.dequantisations = 20;
            options.batch = 60;
            const OdeLikelihood out = measure_ode_likelihood(model, *source, 0, 3, options);
            const double sd = std::hypot(c, 0.002);
            for (int64_t i = 0; i < 3; ++i) {
                double bits = 0;
                for (uint8_t byte : data.image(i)) {
                    const double low = rule == Dequantisation::of256 ? byte / 128.0 - 1
                                                                     : (byte - 0.5) / 127.5 - 1,
                                 width = rule == Dequantisation::of256 ? 1 / 128.0 : 1 / 127.5;
                    const double near = std::min(std::abs(low),
                                                 std::abs(low + width)),  // by symmetry the upper tail
                        mass = low < 0 && low + width > 0
                                   ? normal_cdf((low + width) / sd) - normal_cdf(low / sd)
                                   : normal_cdf(-near / sd) - normal_cdf(-(near + width) / sd);
                    bits -= std::log2(mass) / 12;
                }
                const double own = out.images[static_cast<size_t>(i)].bits_per_dim;
                if (c > 0.1) {
                    EXPECT_NEAR(own, bits, 4e-3) << dequantisation_name(rule);
                } else {
                    EXPECT_GT(own, bits) << dequantisation_name(rule);
                    EXPECT_LT(own, bits + 1) << dequantisation_name(rule);
                }
            }
        }
}

/// The closed form at the very points: exact to 1e-6, and the points are those of the stated rule and draws.
TEST(OdeLikelihood, BytesOfAGaussianToOneInAMillion) {
    const Dataset data = small_images(3);
    const auto source = dataset_source(data);
    const auto model =
        make_exact(Spec::parse("exact:gaussian,c=0.6,mean=0.1,shape=[1,3,4],process={linear:T=1000}"));
    OdeLikelihoodOptions options = tight(1e-9);
    options.prior.exact = true;
    options.dequantisations = 2;
    options.seed = 9;
    const OdeLikelihood out = measure_ode_likelihood(model, *source, 0, 3, options);
    const double variance = 0.36 + std::pow(model->process().sigma_min(), 2);
    for (int64_t i = 0; i < 3; ++i) {
        double nats = 0;
        for (uint32_t k = 0; k < 2; ++k) {
            std::vector<float> u(12);
            fill_uniforms({9, NoisePurpose::probe}, static_cast<uint64_t>(i), 65536 * k, u);
            for (size_t j = 0; j < 12; ++j) {
                const double x = (data.image(i)[j] + 1.0 - static_cast<double>(u[j])) / 128 - 1;
                nats -=
                    0.5 * (std::pow(x - 0.1, 2) / variance + std::log(2 * std::numbers::pi * variance)) / 2;
            }
        }
        EXPECT_NEAR(out.images[static_cast<size_t>(i)].log_density, nats, 1e-6);
        EXPECT_NEAR(out.images[static_cast<size_t>(i)].bits_per_dim, 7 - nats / (12 * std::numbers::ln2),
                    1e-6);
    }
    // Neither the batch nor the other images enter.
    options.batch = 1;
    const OdeLikelihood again = measure_ode_likelihood(model, *source, 1, 2, options);
    EXPECT_EQ(again.images[0].bits_per_dim, out.images[1].bits_per_dim);
    EXPECT_EQ(again.images[1].bits_per_dim, out.images[2].bits_per_dim);
    EXPECT_EQ(again.images[1].id, 2);
    EXPECT_EQ(again.calls, again.images[0].evaluations + again.images[1].evaluations);
    EXPECT_EQ(again.products, 12 * again.calls);
}

TEST(OdeLikelihood, NetworkIsDeterministic) {
    const auto load = [](const std::string& name) {
        const std::string path = std::string(SCHEDBENCH_SOURCE_DIR) + "/weights/" + name;
        const Spec spec = Spec::parse("native:file=" + path);
        return load_native(complete(spec, native_entries().front(), "test"), "test");
    };
    Dataset data = small_images(1);
    data.count = 2, data.height = data.width = 32, data.labels = {3, 5}, data.classes = 10;
    data.pixels.assign(2 * 1024, 0);
    for (size_t i = 0; i < 2 * 1024; ++i)  // two smooth blobs
        data.pixels[i] = static_cast<uint8_t>(
            200 * std::exp(-0.01 * (std::pow(static_cast<double>(i % 1024 / 32) - 15, 2) +
                                    std::pow(static_cast<double>(i % 32) - (i < 1024 ? 12 : 18), 2))));
    const auto source = dataset_source(data);
    for (const std::string name : {"fashion-edm.safetensors", "fashion-hybrid.safetensors"}) {
        const auto model = load(name);
        OdeLikelihoodOptions options = tight(1e-2);  // for speed
        const auto start = std::chrono::steady_clock::now();
        const OdeLikelihood out = measure_ode_likelihood(model, *source, 0, 2, options);
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::printf("%s: %.3f bits/dim, by probes %.3f, %lld calls, %.1f s\n", name.c_str(),
                    out.bits_per_dim.value, out.probe_se, static_cast<long long>(out.calls), seconds);
        EXPECT_FALSE(out.exact_divergence);
        EXPECT_EQ(out.products, 5 * out.calls);
        EXPECT_TRUE(std::isfinite(out.bits_per_dim.value));
        if (name != "fashion-edm.safetensors") continue;  // once is enough
        const OdeLikelihood again = measure_ode_likelihood(model, *source, 0, 2, options);
        for (size_t i = 0; i < 2; ++i) {
            EXPECT_EQ(again.images[i].bits_per_dim, out.images[i].bits_per_dim) << name;
            EXPECT_EQ(again.images[i].evaluations, out.images[i].evaluations) << name;
        }
    }
}

TEST(OdeLikelihood, RefusesWhatItCannotDo) {
    const auto kind_of = [](const auto& work) -> std::string {
        try {
            work();
        } catch (const Error& error) {
            return error.kind();
        }
        return "no error";
    };
    const auto model = make_exact(Spec::parse("exact:gaussian,c=1,dim=1"));
    const auto source = exact_source(model, 4);
    OdeLikelihoodOptions good;
    good.rule = Dequantisation::none;
    EXPECT_EQ(measure_ode_likelihood(model, *source, 0, 1, good).bits_per_dim.warning,
              "one image has no spread");
    const auto plain = std::make_shared<const probe::MixtureDenoiser>(probe::Mixture{{0}, {1}, {1}});
    EXPECT_EQ(kind_of([&] { measure_ode_likelihood(plain, *source, 0, 1, good); }), "option");
    const auto with = [&](auto change) {
        OdeLikelihoodOptions options = good;
        change(options);
        return kind_of([&] { measure_ode_likelihood(model, *source, 0, 4, options); });
    };
    EXPECT_EQ(with([](auto& o) { o.probes = 4; }), "number");
    EXPECT_EQ(with([](auto& o) { o.control.rtol = 0; }), "number");
    EXPECT_EQ(with([](auto& o) { o.control.atol = NAN; }), "number");
    EXPECT_EQ(with([](auto& o) { o.sigma_min = 100; }), "number");
    EXPECT_EQ(with([](auto& o) { o.sigma_max = 81; }), "number");
    EXPECT_EQ(with([](auto& o) { o.rule = Dequantisation::of256; }), "option");
    EXPECT_EQ(with([](auto& o) { o.dequantisations = 2; }), "option");
    EXPECT_EQ(kind_of([&] { measure_ode_likelihood(model, *source, 2, 3, good); }), "option");
    // Only an exact target has a density of its own.
    const auto clipped = clip_denoiser(model);
    OdeLikelihoodOptions own = good;
    own.prior.exact = true;
    EXPECT_EQ(kind_of([&] { measure_ode_likelihood(clipped, *source, 0, 1, own); }), "option");
    EXPECT_EQ(kind_of([] { parse_dequantisation("255", "--dequantise"); }), "option");
    EXPECT_EQ(kind_of([] { parse_divergence("no", "--divergence"); }), "option");
}

}  // namespace
}  // namespace schedbench
