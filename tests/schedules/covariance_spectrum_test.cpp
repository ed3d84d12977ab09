#include "schedules/covariance_spectrum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

constexpr double kMin = 0.002, kMax = 80;

/// KL divergence of N Euler steps from exact data at the first level, exactly: sum of w (r^2 - 1)/2 - ln r.
double divergence(const std::vector<double>& levels, const CovarianceSpectrum& data) {
    double total = 0;
    for (size_t k = 0; k < data.stds.size(); ++k) {
        const double v = data.stds[k] * data.stds[k];
        double log_ratio =
            0.5 * std::log((v + levels.front() * levels.front()) / (v + levels.back() * levels.back()));
        for (size_t i = 0; i + 1 < levels.size(); ++i)
            log_ratio += std::log((v + levels[i] * levels[i + 1]) / (v + levels[i] * levels[i]));
        total += data.weights[k] * (std::expm1(2 * log_ratio) / 2 - log_ratio);
    }
    return total;
}

std::vector<double> knots(const CovarianceSpectrum& data, int steps) {
    const SpectrumDensity density(data, kMin, kMax, "test");
    std::vector<double> out;
    for (int i = 0; i <= steps; ++i) out.push_back(density.level(static_cast<double>(i) / steps));
    return out;
}

std::vector<double> built(const std::string& spec, int steps) {
    return build_schedule(Spec::parse(spec + "end=sigma-min"), NoiseProcess(Spec::parse("continuous")),
                          {steps, TimeRule::nearest, false})
        .effective;
}

/// Coordinate descent by golden sections on the exact divergence.
std::vector<double> brute_force(std::vector<double> levels, const CovarianceSpectrum& data) {
    double last = INFINITY;
    for (int round = 0; round < 3000; ++round) {
        for (size_t i = 1; i + 1 < levels.size(); ++i) {
            double low = std::log(levels[i + 1]), high = std::log(levels[i - 1]);
            auto value = [&](double x) {
                levels[i] = std::exp(x);
                return divergence(levels, data);
            };
            const double golden = (std::sqrt(5.0) - 1) / 2;
            for (int step = 0; step < 40; ++step) {
                const double a = high - golden * (high - low), b = low + golden * (high - low);
                (value(a) < value(b) ? high : low) = value(a) < value(b) ? b : a;
            }
            levels[i] = std::exp((low + high) / 2);
        }
        const double now = divergence(levels, data);
        if (last - now < 1e-10 * now) break;
        last = now;
    }
    return levels;
}

struct Case {
    CovarianceSpectrum data;
    int steps;
    double ours, brute, best_arctan, rho7, log_linear;
};

// The table of the derivation, printed to 5 decimals.
const Case kTable[] = {
    {{{0.1, 1}, {1, 1}}, 10, .05260, .05259, .07880, .15591, .11843},
    {{{0.1, 1}, {1, 1}}, 40, .00353, .00353, .00529, .01150, .00839},
    {{{.02, .1, .5, 2}, {1, 1, 1, 1}}, 10, .15717, .15713, .54121, .35441, .23607},
    {{{.02, .1, .5, 2}, {1, 1, 1, 1}}, 40, .01070, .01070, .04068, .02705, .01671},
    {{{.02, .1, .5, 2}, {100, 30, 5, 1}}, 10, 3.20993, 3.20658, 5.44680, 17.4262, 7.95519},
    {{{.02, .1, .5, 2}, {100, 30, 5, 1}}, 40, .21517, .21514, .48322, 1.39712, .56289},
};

TEST(CovarianceSpectrum, DivergencesOfTheTable) {
    for (const Case& c : kTable) {
        EXPECT_NEAR(divergence(knots(c.data, c.steps), c.data), c.ours, 1.5e-5 * std::max(1.0, c.ours));
        EXPECT_NEAR(divergence(built("edm:", c.steps), c.data), c.rho7, 1e-5 * std::max(1.0, c.rho7));
        EXPECT_NEAR(divergence(built("log-linear:", c.steps), c.data), c.log_linear, 1e-5);
        double arctan = INFINITY;
        for (double c_arctan = 0.02; c_arctan < 3; c_arctan *= 1.01)
            arctan = std::min(
                arctan, divergence(built("arctan:c=" + format_number(c_arctan) + ",", c.steps), c.data));
        EXPECT_NEAR(arctan, c.best_arctan, 2e-3 * c.best_arctan);
        const double ours = divergence(knots(c.data, c.steps), c.data);
        EXPECT_LT(ours, 0.99 * std::min({arctan, c.rho7, c.log_linear}));
    }
}

TEST(CovarianceSpectrum, BruteForceGainsNothing) {
    for (const Case& c : kTable) {
        if (c.steps != 10) continue;
        const std::vector<double> ours = knots(c.data, c.steps);
        const double best = divergence(brute_force(ours, c.data), c.data);
        EXPECT_NEAR(best, c.brute, 1e-4 * std::max(1.0, c.brute));
        EXPECT_LT(divergence(ours, c.data), 1.002 * best);
    }
}

TEST(CovarianceSpectrum, OneEigenvalueIsTheArctanSchedule) {
    double worst = 0;
    for (double c : {0.01, 0.1, 0.5, 1.0, 5.0}) {
        const auto ours = knots({{c}, {7}}, 40), arctan = built("arctan:c=" + format_number(c) + ",", 40);
        for (size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] / arctan[i] - 1));
    }
    std::printf("kl-spectrum against arctan: worst relative difference %.2g\n", worst);
    EXPECT_LT(worst, 1e-11);
}

TEST(CovarianceSpectrum, IsAStationaryPointForEveryRandomSpectrum) {
    // The density must reproduce itself; checked through its knots: sigma'(u) = -1/rho by differences.
    std::mt19937_64 random(9);
    std::uniform_real_distribution<> log_std(std::log(0.003), std::log(20.0)), log_weight(0, 6);
    for (int trial = 0; trial < 10; ++trial) {
        CovarianceSpectrum data;
        const size_t axes = 1 + random() % 64;
        for (size_t k = 0; k < axes; ++k) {
            data.stds.push_back(std::exp(log_std(random)));
            data.weights.push_back(std::exp(log_weight(random)));
        }
        const int cells = 2000;
        const std::vector<double> s = knots(data, cells);  // falling
        std::vector<double> errors(axes, 0);
        for (size_t k = 0; k < axes; ++k)  // integral of c^2/((c^2+s^2)^2 rho) ds, ds = du/rho
            for (size_t i = 0; i + 1 < s.size(); ++i) {
                const double v = data.stds[k] * data.stds[k], mid = std::sqrt(s[i] * s[i + 1]),
                             ds = s[i] - s[i + 1];
                errors[k] += v / std::pow(v + mid * mid, 2) * ds * ds * cells;
            }
        double first = 0;
        for (size_t i = 50; i + 1 < s.size(); i += 50) {
            const double mid = std::sqrt(s[i] * s[i + 1]);
            double sum = 0;
            for (size_t k = 0; k < axes; ++k) {
                const double v = data.stds[k] * data.stds[k];
                sum += data.weights[k] * errors[k] * v / std::pow(v + mid * mid, 2);
            }
            const double ratio = std::sqrt(sum) * (s[i] - s[i + 1]);  // sqrt(...)/rho: the same everywhere
            if (first == 0) first = ratio;
            EXPECT_NEAR(ratio / first, 1, 1e-3) << trial << " at " << mid;
        }
        EXPECT_NEAR(s.front() / kMax, 1, 1e-12);
        EXPECT_NEAR(s.back() / kMin, 1, 1e-12);
    }
}

TEST(CovarianceSpectrum, Files) {
    const auto path = std::filesystem::temp_directory_path() / "schedbench_spectrum_test.json";
    auto write = [&](const std::string& text) { std::ofstream(path) << text; };
    const std::string spec = "kl-spectrum:file='" + path.string() + "',";
    write(R"({"note": "other keys are left alone", "stds": [0.1, 1], "weights": [2, 3]})");
    EXPECT_EQ(built(spec, 8), built("kl-spectrum:stds=[0.1,1],weights=[2,3],", 8));
    write(R"({"stds": [0.1, 1]})");
    EXPECT_EQ(built(spec, 8), built("kl-spectrum:stds=[0.1,1],", 8));
    for (const std::string& text : {spec, std::string("kl-spectrum:stds=[0.1,1],")}) {
        const NoiseProcess process(Spec::parse("continuous"));
        const Schedule s =
            build_schedule(Spec::parse(text + "end=zero"), process, {8, TimeRule::nearest, false});
        EXPECT_EQ(build_schedule(Spec::parse(s.spec), process, {8, TimeRule::nearest, false}).hash(),
                  s.hash());
    }
    for (const char* bad :
         {"", "stds 1 2", "[1, 2]", "{}", R"({"stds": []})", R"({"stds": 1})", R"({"stds": ["a"]})",
          R"({"stds": [1, 0]})", R"({"stds": [1], "weights": [1, 2]})", R"({"stds": [1], "weights": null})",
          R"({"stds": [1e400]})"}) {
        write(bad);
        try {
            built(spec, 8);
            ADD_FAILURE() << bad;
        } catch (const Error& e) {
            EXPECT_EQ(e.where(), path.string()) << bad;
        }
    }
    std::filesystem::remove(path);
    EXPECT_THROW(built(spec, 8), Error);
}

}  // namespace
}  // namespace schedbench
