// Schedules in sigma and flow schedules: closed forms, what they have in common, and properties over random
// parameters.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <random>

#include "core/error.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

const char* const kWide = "continuous:sigma-min=0.0001,sigma-max=1000000";

Schedule build(const std::string& spec, int steps, const std::string& process = kWide) {
    return build_schedule(Spec::parse(spec), NoiseProcess(Spec::parse(process)),
                          {steps, TimeRule::nearest, false}, "--schedule");
}
std::vector<double> levels(const std::string& spec, int steps, const std::string& process = kWide) {
    return build(spec, steps, process).effective;
}

void expect_close(const std::vector<double>& a, const std::vector<double>& b, double tolerance,
                  const std::string& what) {
    ASSERT_EQ(a.size(), b.size()) << what;
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance * b[i]) << what << " knot " << i;
}

std::string error_of(const std::string& spec, int steps, const std::string& process = kWide) {
    try {
        build(spec, steps, process);
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

TEST(SigmaFamilies, RandomParametersKeepTheRules) {
    std::mt19937_64 random(11);
    auto draw = [&](double low, double high) {  // log-uniform
        return format_number(
            std::exp(std::uniform_real_distribution<>(std::log(low), std::log(high))(random)));
    };
    auto range = [&] { return ",sigma-min=" + draw(0.001, 0.1) + ",sigma-max=" + draw(10, 200); };
    auto flow_range = [&] { return ",sigma-min=" + draw(1e-4, 1e-3) + ",sigma-max=" + draw(1e5, 1e6); };
    auto one_of = [&](std::vector<std::string> list) { return list[random() % list.size()]; };
    const std::vector<std::function<std::string()>> families = {
        [&] { return "ve:x" + range(); },
        [&] { return "vp:rho=" + draw(0.5, 5) + ",eps=" + draw(1e-4, 1e-2) + ",beta-d=" + draw(5, 25); },
        [&] { return "vp:rho=" + draw(0.5, 5) + range(); },
        [&] { return "power-t:rho=" + draw(0.5, 10) + range(); },
        [&] { return "cosine-tangent:s=" + draw(0.001, 0.1) + ",sigma-max=" + draw(1, 200); },
        [&] { return "beta-sigma:alpha=" + draw(0.3, 3) + ",beta=" + draw(0.3, 3) + range(); },
        [&] { return "bong-tangent:pivot=" + draw(0.3, 0.7) + ",slope=" + draw(0.05, 1) + range(); },
        [&] {
            return "dmn:error=" + one_of({"latent", "pixel"}) + ",init=" + one_of({"lambda", "t"}) + range();
        },
        [&] {
            return "kl-spectrum:stds=[" + draw(0.01, 0.1) + "," + draw(0.1, 3) + "],weights=[" +
                   draw(0.1, 100) + "," + draw(0.1, 10) + "]" + range();
        },
        [&] { return "flow-shift:shift=" + draw(0.5, 20) + flow_range(); },
        [&] { return "flow-exp:mu=" + draw(0.1, 3) + ",gamma=" + draw(0.7, 2) + flow_range(); },
        [&] { return "flux:tokens=" + draw(64, 16384) + flow_range(); },
        [&] { return "flux2:tokens=" + draw(64, 16384) + flow_range(); },
        [&] { return "ltx2:tokens=" + draw(512, 8192) + ",terminal=" + draw(0.02, 0.5) + flow_range(); },
        [&] { return "logit-normal:mean=" + draw(0.1, 2) + ",std=" + draw(0.3, 2) + flow_range(); },
        [&] {
            return "ays:table=" + one_of({"sd15", "sdxl", "svd", "deepfloyd"});
        },
        [&] {
            return "gits:table=" + one_of({"cifar10-6", "sd15-10", "sd15-11", "ld3-dpmpp-5", "ld3-ipndm-10"});
        },
    };
    int refused = 0;
    for (const auto& family : families)
        for (int trial = 0; trial < 12; ++trial) {
            std::string text = family();
            if (const size_t empty = text.find(":x,"); empty != std::string::npos) text.erase(empty + 1, 2);
            const int steps = static_cast<int>(random() % 30) + 1;
            for (const std::string end : {"zero", "sigma-min", "replace"}) {
                const std::string spec = text + ",end=" + end;
                const bool two_ramps = text.find("bong") == 0, needs_two = text.find("ltx2") == 0;
                const std::string error = error_of(spec, steps);
                if ((two_ramps && error.find("ramps of at least 2 points") != std::string::npos) ||
                    (needs_two && steps == 1 && error.find("needs at least 2 steps") != std::string::npos)) {
                    ++refused;
                    EXPECT_TRUE(needs_two || steps < 8) << spec << " " << steps;
                    continue;
                }
                ASSERT_EQ(error, "") << spec << " N=" << steps;
                const Schedule s = build(spec, steps);
                ASSERT_EQ(s.steps(), steps) << spec;
                EXPECT_EQ(s.requested, s.effective) << spec;
                EXPECT_EQ(s.end_rule, end);
                for (size_t i = 1; i < s.effective.size(); ++i)
                    EXPECT_LT(s.effective[i], s.effective[i - 1]) << spec;
                const Spec completed = Spec::parse(s.spec);
                EXPECT_EQ(completed.print(), s.spec);
                EXPECT_EQ(build(s.spec, steps).hash(), s.hash()) << spec;
                if (completed.find("sigma-max") && !completed.is_auto("sigma-max")) {
                    EXPECT_EQ(s.effective.front(), completed.number("sigma-max")) << spec;
                }
                if (end != "sigma-min") {
                    EXPECT_EQ(s.effective.back(), 0) << spec;
                } else if (completed.find("sigma-min") && !completed.is_auto("sigma-min")) {
                    EXPECT_EQ(s.effective.back(), completed.number("sigma-min")) << spec;
                }
            }
        }
    EXPECT_LT(refused, 40);
}

TEST(SigmaFamilies, BadParametersAreRefusedByName) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"vp:rho=0", "rho"},
        {"vp:eps=2", "eps"},
        {"vp:beta-d=-1", "beta-d"},
        {"power-t:rho=nan", "rho"},
        {"cosine-tangent:s=0", "s "},
        {"cosine-tangent:sigma-min=0.002", "sigma-min"},
        {"beta-sigma:alpha=0", "alpha"},
        {"beta-sigma:beta=inf", "beta"},
        {"bong-tangent:pivot=1.5", "pivot"},
        {"bong-tangent:slope=0", "slope"},
        {"flow-shift:shift=0", "shift"},
        {"flow-exp:mu=inf", "mu"},
        {"flow-exp:gamma=0", "gamma"},
        {"flux:tokens=-1", "tokens"},
        {"flux2:tokens=0", "tokens"},
        {"ltx2:terminal=1", "terminal"},
        {"ltx2:tokens=0", "tokens"},
        {"logit-normal:std=0", "std"},
        {"logit-normal:mean=nan", "mean"},
        {"kl-spectrum:stds=[0]", "stds"},
        {"kl-spectrum:stds=[1,-1]", "stds"},
        {"kl-spectrum:stds=[1,2],weights=[1]", "weights"},
        {"kl-spectrum:stds=[1],weights=[0]", "weights"},
        {"kl-spectrum", "stds"},
        {"kl-spectrum:stds=[1],file=x", "file"},
        {"kl-spectrum:weights=[1],file=x", "weights"},
        {"dmn:error=both", "error"},
        {"ve:sigma-min=200", "sigma-min"}};
    for (const auto& [spec, word] : cases)
        for (int steps : {2, 5, 10}) {
            const std::string error = error_of(spec, steps, "continuous");
            EXPECT_NE(error.find(word), std::string::npos) << spec << " N=" << steps << ": " << error;
        }
    EXPECT_NE(error_of("edm:rho=0", 1).find("rho"), std::string::npos);  // although one step needs no rho
}

TEST(SigmaFamilies, KnownSpecialCases) {
    for (int n : {1, 2, 7, 18})
        for (const std::string end : {"zero", "sigma-min"}) {
            const std::string keys = ",end=" + end + ",sigma-min=0.02,sigma-max=100";
            expect_close(levels("ve:end=" + end, n), levels("log-linear:" + keys.substr(1), n), 1e-14, "ve");
            expect_close(levels("power-t:rho=1" + keys, n), levels("uniform-t:" + keys.substr(1), n), 1e-14,
                         "power-t 1");
            expect_close(levels("power-t:rho=2" + keys, n), levels("quadratic-t:" + keys.substr(1), n), 1e-14,
                         "power-t 2");
            expect_close(levels("beta-sigma:alpha=1,beta=1" + keys, n), levels("edm:rho=1" + keys, n), 1e-14,
                         "a uniform law");
            expect_close(levels("cosine-tangent:s=0.008" + keys, n), levels("arctan:c=1" + keys, n), 1e-14,
                         "tangent");
            for (double c : {0.02, 0.5, 3.0})
                expect_close(levels("kl-spectrum:stds=[" + format_number(c) + "]" + keys, n),
                             levels("arctan:c=" + format_number(c) + keys, n), 1e-11, "one eigenvalue");
            expect_close(levels("kl-spectrum:stds=[0.5,0.5,0.5],weights=[1,5,2]" + keys, n),
                         levels("arctan:c=0.5" + keys, n), 1e-11, "equal eigenvalues");
            const std::string flow = ",end=" + end;
            expect_close(levels("flow-exp:mu=1.15" + flow, n),
                         levels("flow-shift:shift=" + format_number(std::exp(1.15)) + flow, n), 1e-14,
                         "exponential shift");
            expect_close(levels("flux:tokens=4096" + flow, n), levels("flow-exp:mu=1.15" + flow, n), 1e-14,
                         "flux 4096");
            expect_close(levels("flux:tokens=256" + flow, n), levels("flow-exp:mu=0.5" + flow, n), 1e-14,
                         "flux 256");
            const double m200 = 1.6927e-4 * 5000 + 0.45666666;
            expect_close(levels("flux2:tokens=5000" + flow, n),
                         levels("flow-exp:mu=" + format_number(m200) + flow, n), 1e-14,
                         "flux2 above 4300 tokens");
        }
    // Flux 2 at the two step counts of its fits.
    expect_close(levels("flux2:tokens=1024", 10),
                 levels("flow-exp:mu=" + format_number(8.73809524e-5 * 1024 + 1.89833333), 10), 1e-13, "m10");
    expect_close(levels("flux2:tokens=1024", 200),
                 levels("flow-exp:mu=" + format_number(1.6927e-4 * 1024 + 0.45666666), 200), 1e-13, "m200");
    // The arcsine law, Beta(1/2, 1/2), has the quantile sin^2(pi p/2).
    const auto arcsine = levels("beta-sigma:alpha=0.5,beta=0.5,sigma-min=1,sigma-max=2,end=sigma-min", 12);
    for (size_t i = 0; i <= 12; ++i) {
        const double p = 1 - static_cast<double>(i) / 12, sine = std::sin(p * std::numbers::pi / 2);
        EXPECT_NEAR(arcsine[i], 1 + sine * sine, 1e-13);
    }
    EXPECT_NEAR(levels("cosine-tangent:end=sigma-min", 5).back(),
                std::tan(0.008 * std::numbers::pi / (2 * 1.008)), 1e-16);
}

TEST(SigmaFamilies, BongTangentFromItsDefinition) {
    for (int n : {3, 10, 20, 33}) {
        const int points = n + 2, middle = static_cast<int>((points * 0.6 + points * 0.6) / 2);
        if (middle < 2 || points - middle < 2) continue;
        const double slope = 0.2 / (points / 40.0), centre = (80 + 0.002) / 2;
        auto value = [&](double x, double pivot) {
            return ((2 / std::numbers::pi) * std::atan(-slope * (x - pivot)) + 1) / 2;
        };
        std::vector<double> expected;
        auto ramp = [&](int count, double pivot, double start, double end) {
            for (int x = 0; x < count; ++x)
                expected.push_back((value(x, pivot) - value(count - 1, pivot)) /
                                       (value(0, pivot) - value(count - 1, pivot)) * (start - end) +
                                   end);
        };
        const int pivot = static_cast<int>(points * 0.6);
        ramp(middle, pivot, 80, centre);
        expected.pop_back();
        ramp(points - middle, pivot - middle, centre, 0.002);
        expected.back() = 0;
        expect_close(levels("bong-tangent:end=replace,sigma-min=0.002,sigma-max=80", n), expected, 1e-12,
                     "bong");
    }
    EXPECT_NE(error_of("bong-tangent", 1).find("ramps of at least 2 points"), std::string::npos);
}

TEST(SigmaFamilies, FlowEndsAreCut) {
    const auto zero = levels("flow-shift:sigma-max=80,sigma-min=0.002", 10),
               cut = levels("flow-shift:sigma-max=80,sigma-min=0.002,end=sigma-min", 10),
               replaced = levels("flow-shift:sigma-max=80,sigma-min=0.002,end=replace", 10);
    EXPECT_EQ(zero, replaced);
    EXPECT_EQ(levels("flow-shift:sigma-max=80,sigma-min=1,end=replace", 10),
              zero);  // sigma-min has no part in it
    EXPECT_EQ(zero.back(), 0);
    EXPECT_EQ(cut.back(), 0.002);
    EXPECT_EQ(std::vector<double>(zero.begin(), zero.end() - 1),
              std::vector<double>(cut.begin(), cut.end() - 1));
    for (size_t i = 1; i < 10; ++i) {
        const double v = 1 - static_cast<double>(i) / 10, sigma = 3 * v / (1 + 2 * v);
        EXPECT_NEAR(zero[i] / (sigma / (1 - sigma)), 1, 1e-13);
    }
    EXPECT_NE(error_of("flow-shift:shift=5", 30, "continuous").find("larger sigma-max or fewer steps"),
              std::string::npos);
    EXPECT_NE(error_of("flow-shift:sigma-min=1,sigma-max=80,end=sigma-min", 10).find("not above sigma-min"),
              std::string::npos);
    // LTX-2: 1 - s is scaled as a whole, so that its ratios stay; the last s above 0 is the terminal one.
    const auto plain = levels("flow-exp:mu=2.05", 8), stretched = levels("ltx2:terminal=0.1", 8);
    EXPECT_NEAR(stretched[7] / (1 + stretched[7]), 0.1, 1e-14);
    for (size_t i = 2; i < 8; ++i)
        EXPECT_NEAR((1 + stretched[i]) / (1 + stretched[1]) / ((1 + plain[i]) / (1 + plain[1])), 1, 1e-13);
    // mu is 0.95 at 1024 tokens, 2.05 at 4096, and on the line through both in between and beyond.
    for (const double tokens : {1024.0, 2048.0, 4096.0, 8192.0}) {
        const double mu = 0.95 + (2.05 - 0.95) * (tokens - 1024) / (4096 - 1024);
        const auto unshifted = levels("flow-exp:mu=" + format_number(mu), 6);
        const auto shifted = levels("ltx2:tokens=" + format_number(tokens), 6);
        for (size_t i = 1; i < 6; ++i)
            EXPECT_NEAR((1 + shifted[i]) / (1 + shifted[5]), (1 + unshifted[i]) / (1 + unshifted[5]), 1e-12);
    }
    // Logit-normal: the distribution function of ln sigma at knot i is v.
    const auto normal = levels("logit-normal:mean=-0.4,std=1.2", 9);
    for (size_t i = 1; i < 9; ++i) {
        const double z = (std::log(normal[i]) + 0.4) / 1.2;
        EXPECT_NEAR(std::erfc(-z / std::numbers::sqrt2) / 2, 1 - static_cast<double>(i) / 9, 1e-14);
    }
}

}  // namespace
}  // namespace schedbench
