// The observed order of convergence of every deterministic sampler and variant is at least the declared one,
// on a linear and on a non-linear problem with exact solutions.
//
// Declared orders are those with exact starting values. To have them without opening the samplers, the
// schedule starts with steps that are tiny: it is uniform in s with sigma = curve(s^3), so the first step is
// N^-3 of the range, and what a first step of order 1 leaves is of the size N^-6.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "models/exact.h"
#include "plain_mixture.h"
#include "sampler_probe.h"
#include "sampler_specs.h"

namespace schedbench {
namespace {

/// In one dimension the probability flow keeps the order of points, so it carries x at level a to the y at
/// level b with F_b(y) = F_a(x), F the distribution function.
struct Flow {
    probe::Mixture data;

    double tail(double x, double sigma, double sign) const {  // P(sign X < sign x)
        double sum = 0;
        for (size_t k = 0; k < data.means.size(); ++k)
            sum += data.weights[k] / 2 *
                   std::erfc(-sign * (x - data.means[k]) /
                             (std::numbers::sqrt2 * std::hypot(data.widths[k], sigma)));
        return sum;
    }
    double transport(double x, double a, double b) const {
        const double sign = tail(x, a, 1) < 0.5 ? 1 : -1;  // the smaller tail keeps its digits
        const double goal = tail(x, a, sign);
        double low = -50, high = 50;
        for (int i = 0; i < 60; ++i) {
            const double middle = (low + high) / 2;
            ((tail(middle, b, sign) < goal) == (sign > 0) ? low : high) = middle;
        }
        double y = (low + high) / 2;
        for (int i = 0; i < 3; ++i) y -= sign * (tail(y, b, sign) - goal) / data.density(y, b);
        return y;
    }
};

constexpr double kHigh = 3, kLow = 0.3;
const std::vector<double> kStarts{-4.5, -2.5, -1, -0.2, 0.6, 1.7, 3.1, 5};

std::vector<double> levels(int steps) {
    std::vector<double> out;
    const double rho = 4, first = std::pow(kHigh, 1 / rho), last = std::pow(kLow, 1 / rho);
    for (int i = 0; i <= steps; ++i)
        out.push_back(std::pow(first + (last - first) * std::pow(static_cast<double>(i) / steps, 3), rho));
    return out;
}

/// Root mean square over the starts.
double error(const Sampler& sampler, const Denoiser& denoiser, const std::vector<double>& exact, int steps) {
    const std::vector<double> list = levels(steps);
    const at::Tensor latent = at::tensor(kStarts, at::kDouble).reshape({-1, 1}) / list.front();
    const at::Tensor x =
        sampler.sample(denoiser, probe::schedule_of(list, denoiser.process()), probe::GivenNoise(latent));
    return (x.reshape({-1}) - at::tensor(exact, at::kDouble)).square().mean().sqrt().item<double>();
}

TEST(Order, TransportIsTheExactSolution) {
    const Flow gaussian{{{0.3}, {0.5}, {1}}};
    for (double x : kStarts) {
        const double expected = 0.3 + (x - 0.3) * std::hypot(0.5, kLow) / std::hypot(0.5, kHigh);
        EXPECT_NEAR(gaussian.transport(x, kHigh, kLow), expected, 1e-14);
    }
    const Flow mixture{{{-1, 0.9}, {0.5, 0.6}, {0.35, 0.65}}};
    const auto exact =
        make_exact(Spec::parse("exact:mixture,means=[-1,0.9],widths=[0.5,0.6],weights=[0.35,0.65]"));
    for (double x : kStarts) {  // there and back
        EXPECT_NEAR(mixture.transport(mixture.transport(x, kHigh, kLow), kLow, kHigh), x,
                    2e-14 * (1 + std::abs(x)));
        const double h = 1e-5;  // the derivative in sigma is the slope
        const double slope =
            (mixture.transport(x, kHigh, kHigh + h) - mixture.transport(x, kHigh, kHigh - h)) / (2 * h);
        const at::Tensor at_x = at::full({1, 1}, x, at::kDouble);
        const double denoised = denoise_at(*exact, at_x, exact->process().locate(kHigh)).x0.item<double>();
        EXPECT_NEAR(mixture.data.denoised(x, kHigh), denoised, 1e-14);
        EXPECT_NEAR(slope, (x - denoised) / kHigh, 1e-8);
    }
}

TEST(Order, IsAtLeastTheDeclaredOne) {
    const std::vector<std::string> names{"mixture", "gaussian"};
    const std::vector<Flow> flows{{{{-1, 0.9}, {0.5, 0.6}, {0.35, 0.65}}}, {{{0.3}, {0.5}, {1}}}};
    std::vector<std::vector<double>> exact(flows.size());
    for (size_t t = 0; t < flows.size(); ++t)
        for (double x : kStarts) exact[t].push_back(flows[t].transport(x, kHigh, kLow));
    int checked = 0;
    for (const std::string& spec : probe::deterministic_variants()) {
        const int declared = probe::declared_order(spec);
        if (declared == 0) continue;
        // Its betas are fitted to the range of the levels, and this range is too narrow for the fit.
        const bool fitted = spec.find("schedule=vp") != std::string::npos;
        const auto sampler = make_sampler(Spec::parse(spec + (fitted ? ",beta-d=19.9,beta-min=0.1" : "")));
        std::string line;
        for (size_t t = 0; t < flows.size(); ++t) {
            const probe::MixtureDenoiser model(flows[t].data);
            std::vector<double> errors;
            for (int steps : {320, 640}) errors.push_back(error(*sampler, model, exact[t], steps));
            const double slope = std::log2(errors[0] / errors[1]);
            std::array<char, 96> text{};
            std::snprintf(text.data(), text.size(), "  %s %.2f (%.1e)", names[t].c_str(), slope, errors[1]);
            line += text.data();
            EXPECT_GE(slope, declared - 0.15) << spec << " on " << names[t];
            // Nor is less declared than there is; ipndm-v's error of order 2 is that of uneven first steps,
            // and small.
            const bool tight = t == 0 && spec != "ipndm-v:order=4";
            EXPECT_TRUE(!tight || slope <= declared + 0.5) << spec << ": " << slope;
            ++checked;
        }
        std::printf("order: %-66s declared %d, seen%s\n", spec.c_str(), declared, line.c_str());
    }
    std::printf("order: %d slopes checked\n", checked);
    EXPECT_GE(checked, 60);
}

/// Stochastic samplers declare the order of the output's variance, which is exact on Gaussian data.
TEST(Order, OfTheVarianceOfStochasticSamplers) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5"));
    std::vector<std::string> specs{"ddim:eta=0.6", "dpmpp-2s:eta=0.6", "dpmpp-2s:eta=1", "heun:s-churn=0.4"};
    for (const std::string& spec : probe::all_variants()) {
        const auto sampler = make_sampler(Spec::parse(spec));
        if (sampler->stochastic() && !sampler->needs().variance && !sampler->needs().table)
            specs.push_back(spec);
    }
    int checked = 0;
    for (const std::string& spec : specs) {
        const int declared = probe::declared_order(spec);
        if (declared == 0) continue;
        const auto sampler = make_sampler(Spec::parse(spec));
        std::vector<double> errors;
        for (int steps : {60, 120}) {
            const double variance = probe::output_variance(
                *sampler, *target, probe::schedule_of(levels(steps), target->process()),
                0.25 + kHigh * kHigh);
            errors.push_back(std::abs(variance / (0.25 + kLow * kLow) - 1));
        }
        const double slope = std::log2(errors[0] / errors[1]);
        std::printf("order: variance of %-55s declared %d, seen %.2f (%.1e)\n", spec.c_str(), declared, slope,
                    errors[1]);
        EXPECT_GE(slope, declared - 0.15) << spec;
        ++checked;
    }
    EXPECT_GE(checked, 8);
}

}  // namespace
}  // namespace schedbench
