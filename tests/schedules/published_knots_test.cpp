// Knots that others published or computed, to the digits in which they are printed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <sstream>

#include "core/error.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

Schedule build(const std::string& spec, const std::string& process, int steps) {
    return build_schedule(Spec::parse(spec), NoiseProcess(Spec::parse(process)),
                          {steps, TimeRule::fractional, false});
}

/// Half a unit of the last printed place, and a little for a tie.
double half_unit(const std::string& printed) {
    const size_t point = printed.find('.');
    const auto decimals = point == std::string::npos ? 0 : static_cast<double>(printed.size() - point - 1);
    return 0.5001 * std::pow(10.0, -decimals);
}

struct Row {
    const char *spec, *process;
    int steps;
    const char* knots;
    bool flow = false;  ///< printed as the sigma of a flow model, level/(1 + level); the first is 1
};

constexpr const char* kEdm = "continuous";
constexpr const char* kSd = "scaled-linear";
constexpr const char* kWide = "continuous:sigma-min=0.001,sigma-max=1000";

const Row kRows[] = {
    {"edm:rho=3,end=sigma-min", kEdm, 10,
     "80 58.8903 41.8648 28.4846 18.3104 10.9031 5.82367 2.63296 0.891854 0.161238 0.002"},
    {"edm:rho=7,end=sigma-min", kEdm, 10,
     "80 45.3137 24.4083 12.3816 5.83895 2.51522 0.965417 0.318283 0.0850872 0.0167208 0.002"},
    {"edm:rho=100,end=sigma-min", kEdm, 10,
     "80 29.1218 10.4922 3.7406 1.31932 0.460245 0.158768 0.0541456 0.0182508 0.0060787 0.002"},
    {"log-linear:end=sigma-min", kEdm, 10,
     "80 27.7258 9.609 3.33021 1.15416 0.4 0.138629 0.048045 0.0166511 0.0057708 0.002"},
    {"edm:rho=2,end=sigma-min", kEdm, 10,
     "80 64.872 51.3281 39.3682 28.9923 20.2005 12.9927 7.36898 3.32928 0.87362 0.002"},
    {"edm:rho=1,end=sigma-min", kEdm, 10,
     "80 72.0002 64.0004 56.0006 48.0008 40.001 32.0012 24.0014 16.0016 8.0018 0.002"},
    {"arctan:c=0.5,end=sigma-min", kEdm, 10,
     "80 3.05353 1.51713 0.973651 0.685089 0.498876 0.363195 0.255346 0.163538 0.0807178 0.002"},
    {"arctan:c=1,end=sigma-min", kEdm, 10,
     "80 5.89166 2.98004 1.92369 1.35717 0.989555 0.720753 0.506569 0.323925 0.158948 0.002"},
    {"vp:end=sigma-min", kEdm, 10,
     "152.167 58.8803 25.1489 11.8378 6.11166 3.42224 2.03443 1.2385 0.723807 0.343263 0.010486"},
    {"uniform-t:end=sigma-min", kEdm, 10,
     "80 34.8017 16.5062 8.51408 4.74634 2.82369 1.75411 1.09846 0.650216 0.304722 0.002"},
    {"power-t:rho=2,end=sigma-min", kEdm, 10,
     "80 18.4284 6.29234 2.86405 1.55997 0.926258 0.556002 0.313827 0.150343 0.0480826 0.002"},
    {"cosine:s=0.008,end=sigma-min", kEdm, 10,
     "80 5.92941 3.00092 1.93858 1.36916 0.999972 0.730323 0.515761 0.333085 0.168295 0.002"},
    {"edm", kSd, 10, "14.6146 9.1029 5.4784 3.1686 1.7494 0.9141 0.4469 0.2014 0.0819 0.0292 0"},
    {"normal", kSd, 10, "14.6146 7.8399 4.6092 2.9183 1.9502 1.3449 0.9324 0.6250 0.3687 0.0292 0"},
    {"sgm-uniform", kSd, 10, "14.6146 8.3072 5.0924 3.3251 2.2797 1.6156 1.1629 0.8319 0.5712 0.3437 0"},
    {"simple", kSd, 10, "14.6146 8.3028 5.0878 3.3211 2.2765 1.6129 1.1606 0.8299 0.5693 0.3417 0"},
    {"beta-sigma", kSd, 10, "14.6146 13.9278 12.491 10.5976 8.4424 6.2014 4.0462 2.1528 0.716 0.0292 0"},
    {"beta-index", kSd, 10, "14.6146 11.5428 7.3718 4.3728 2.6152 1.6129 1.0273 0.6549 0.3955 0.1991 0"},
    {"flow-shift:shift=3", kWide, 10, "1 .9643 .9231 .875 .8182 .75 .6667 .5625 .4286 .25 0", true},
    {"flow-shift:shift=5", kWide, 10, "1 .9783 .9524 .9211 .8824 .8333 .7692 .6818 .5556 .3571 0", true},
    // Published tables at their own count: N knots and a 0, or N + 1 of which the last is replaced by 0.
    {"ays:table=sd15", kSd, 11, "14.615 6.475 3.861 2.697 1.886 1.396 0.963 0.652 0.399 0.152 0.029 0"},
    {"ays:table=sd15,end=replace", kSd, 10, "14.615 6.475 3.861 2.697 1.886 1.396 0.963 0.652 0.399 0.152 0"},
    {"ays:table=sd15,digits=10,end=replace", kSd, 10,
     "14.6146412293 6.4745760956 3.8636745985 2.6946151520 1.8841921177 1.3943805092 0.9642583904 "
     "0.6523686016 "
     "0.3977456272 0.1515232662 0"},
    {"ays:table=sdxl,end=sigma-min", kSd, 10,
     "14.615 6.315 3.771 2.181 1.342 0.862 0.555 0.380 0.234 0.113 0.029"},
    {"ays:table=sdxl,digits=10,end=sigma-min", kSd, 10,
     "14.6146412293 6.3184485287 3.7681790315 2.1811480769 1.3405244945 0.8620721141 0.5550693289 "
     "0.3798540708 "
     "0.2332364134 0.1114188177 0.0291671582"},
    {"ays:table=svd", kWide, 11, "700 54.5 15.886 7.977 4.248 1.789 0.981 0.403 0.173 0.034 0.002 0"},
    {"ays:table=deepfloyd", kWide, 11,
     "160.41 8.081 3.315 1.885 1.207 0.785 0.553 0.293 0.186 0.030 0.006 0"},
    {"gits:table=cifar10-6,end=sigma-min", kEdm, 6, "80 10.9836 3.8811 1.584 0.5666 0.1698 0.002"},
    {"gits:table=sd15-10,end=replace", kSd, 10,
     "14.61464119 5.85520077 2.84484982 1.67050016 1.08895338 0.74807048 0.50118381 0.32104823 0.19894916 "
     "0.09824532 0"},
    {"gits:table=sd15-11,end=sigma-min", kSd, 11,
     "14.6146 5.8552 2.956 1.8488 1.2415 0.8319 0.5952 0.4109 0.2746 0.1703 0.0982 0.0292"},
    {"gits:table=ld3-dpmpp-5,end=sigma-min", kSd, 5, "14.6146 4.39 1.4467 0.6114 0.2255 0.0292"},
    {"gits:table=ld3-dpmpp-10,end=sigma-min", kSd, 10,
     "14.6146 7.6188 4.0861 2.4211 1.4467 0.9324 0.6114 0.3811 0.2255 0.1258 0.0292"},
    {"gits:table=ld3-ipndm-5,end=sigma-min", kSd, 5, "14.6146 4.39 1.5286 0.6526 0.2667 0.0292"},
    {"gits:table=ld3-ipndm-10,end=sigma-min", kSd, 10,
     "14.6146 5.9489 3.3251 2.0267 1.2969 0.8319 0.5712 0.3811 0.2255 0.1258 0.0292"},
};

TEST(PublishedKnots, AreReproducedToTheirPrintedDigits) {
    int knots = 0;
    double worst = 0;
    for (const Row& row : kRows) {
        const Schedule s = build(row.spec, row.process, row.steps);
        std::istringstream text(row.knots);
        std::vector<std::string> printed;
        for (std::string word; text >> word;) printed.push_back(word);
        ASSERT_EQ(s.requested.size(), printed.size()) << row.spec;
        for (size_t i = 0; i < printed.size(); ++i) {
            if (row.flow && i == 0) continue;  // infinite, cut to sigma-max
            const double level = s.requested[i], value = row.flow ? level / (1 + level) : level;
            const double expected = std::stod(printed[i]);
            EXPECT_NEAR(value, expected, half_unit(printed[i])) << row.spec << " knot " << i;
            ++knots;
            worst = std::max(worst, std::abs(value - expected) / half_unit(printed[i]));
        }
    }
    std::printf(
        "golden: schedules/published knots: %d cases checked, worst %.3g of half a printed unit (tolerance "
        "1)\n",
        knots, worst);
}

TEST(PublishedKnots, TimestepsOfAlignYourSteps) {
    EXPECT_EQ(build("ays-index", "scaled-linear", 10).index,
              (std::vector<int64_t>{1000, 851, 737, 646, 546, 456, 344, 234, 125, 25, 0}));
    EXPECT_EQ(build("ays-index:table=sdxl,end=replace", "scaled-linear", 9).index,
              (std::vector<int64_t>{1000, 846, 731, 588, 444, 311, 194, 117, 54, 0}));
    EXPECT_THROW(build("ays-index", "scaled-linear", 9), Error);
    EXPECT_THROW(build("ays-index", "scaled-linear:T=500", 10), Error);
    EXPECT_THROW(build("ays-index", "continuous", 10), Error);
    // They are another schedule than the levels: 0.3 % apart.
    const Schedule levels = build("ays", "scaled-linear", 11),
                   steps = build("ays-index", "scaled-linear", 10);
    double worst = 0;
    for (size_t i = 0; i < 10; ++i)
        worst = std::max(worst, std::abs(steps.effective[i] / levels.effective[i] - 1));
    EXPECT_GT(worst, 0.0005);
    EXPECT_LT(worst, 0.02);
}

TEST(PublishedKnots, OtherCountsAreLogLinearBetweenThem) {
    for (const char* table : {"ays:table=sd15", "ays:table=sdxl,digits=10", "gits:table=sd15-10"}) {
        const std::string spec = std::string(table) + ",end=sigma-min";
        const Schedule own = build(spec, kSd, 10), twice = build(spec, kSd, 20), half = build(spec, kSd, 5);
        for (size_t i = 0; i <= 10; ++i) EXPECT_EQ(twice.requested[2 * i], own.requested[i]) << spec << i;
        for (size_t i = 0; i < 10; ++i)
            EXPECT_NEAR(twice.requested[2 * i + 1] / std::sqrt(own.requested[i] * own.requested[i + 1]), 1,
                        1e-14)
                << spec << i;
        for (size_t i = 0; i <= 5; ++i) EXPECT_EQ(half.requested[i], own.requested[2 * i]);
        // Against interpolation written down directly, at a count that shares no inner position.
        const Schedule seven = build(spec, kSd, 7);
        for (size_t i = 0; i <= 7; ++i) {
            const double position = 10.0 * static_cast<double>(i) / 7;
            const size_t below = std::min<size_t>(static_cast<size_t>(position), 9);
            const double share = position - static_cast<double>(below);
            const double expected = std::exp((1 - share) * std::log(own.requested[below]) +
                                             share * std::log(own.requested[below + 1]));
            EXPECT_NEAR(seven.requested[i] / expected, 1, 1e-13);
        }
        EXPECT_EQ(build(table, kSd, 1).requested, (std::vector<double>{own.requested[0], 0}));
    }
    EXPECT_THROW(build("ays:table=svd,digits=10", kWide, 10), Error);
    EXPECT_THROW(build("ays:table=flux", kWide, 10), Error);
    EXPECT_THROW(build("ays:table=svd", "scaled-linear", 11), Error);  // beyond its table
}

}  // namespace
}  // namespace schedbench
