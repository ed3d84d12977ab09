// What must hold of every schedule of the registry, for random parameters on several processes. New families
// are covered by being in schedule_families(); a key whose values are not found near its default needs a line
// in `values`.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "schedules/learned_schedule.h"
#include "schedules/schedule_family.h"

namespace schedbench {
namespace {

using Rng = std::mt19937;
using Type = SpecParam::Type;

const std::vector<std::string> kProcesses = {"continuous",    "continuous:sigma-min=0.02,sigma-max=100",
                                             "linear",        "cosine",
                                             "scaled-linear", "sigmoid",
                                             "exponential",   "laplace:T=400"};

double uniform(Rng& rng, double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(rng);
}

template <class T>
const T& pick(Rng& rng, const std::vector<T>& list) {
    return list[rng() % list.size()];
}

std::string learned_file() {
    const auto path = std::filesystem::temp_directory_path() / "schedbench_registry_properties.json";
    LearnedSchedule learned;
    learned.spec = "edm:rho=3";
    learned.process = "continuous:sigma-max=80,sigma-min=0.002";
    learned.curve = {{0.03, 0.3, 3, 10}, {0, 1, 2.5, 3}, Interpolant::pchip_ln_sigma};
    learned.write(path.string());
    return "'" + path.string() + "'";
}

/// Values of the keys whose defaults do not lead to others, each by itself valid.
std::vector<std::string> values(const std::string& family, const std::string& key) {
    if (family == "explicit")
        return key == "levels" ? std::vector<std::string>{"[14,3,1,0.1]", "[9,2,0.5,0]"}
                               : std::vector<std::string>{};
    if (family == "learned" && key == "file") return {learned_file()};
    if (key == "sections") return {"7", "ddim20", "'5,4'", "[3,2,1]", "1"};
    if (key == "stds") return {"[0.1,0.5]", "[1]", "[0.02,0.2,2]"};
    if (key == "origin-steps") return {"50", "20", "100"};
    if (key == "offset") return {"0", "1"};
    if (key == "file") return {};  // another way to say what a key beside it says
    return {};
}

/// A random valid value of a key, "" = leave it out.
std::string random_value(const ScheduleFamily& family, const SpecParam& param, Rng& rng) {
    const std::vector<std::string> listed = values(family.entry.name, param.key);
    if (!listed.empty()) return pick(rng, listed);
    if (param.key == "sigma-min" || param.key == "sigma-max") return "";  // set together
    const auto fallback = parse_number(param.fallback);
    switch (param.type) {
        case Type::choice:
            return pick(rng, param.choices);
        case Type::flag:
            return rng() % 2 ? "true" : "false";
        case Type::number:
            return fallback ? format_number(*fallback * uniform(rng, 0.6, 1.5)) : "";
        case Type::integer:
            return fallback ? format_number(std::round(*fallback * uniform(rng, 0.8, 1.4))) : "";
        default:
            return "";
    }
}

struct Draw {
    Spec spec;
    double sigma_min = 0, sigma_max = 0;  ///< 0 = auto
};

Draw random_spec(const ScheduleFamily& family, const NoiseProcess& process, Rng& rng) {
    Draw out;
    out.spec.name = family.entry.name;
    const SpecEntry entry = shared_keys(family);
    bool has_range = false;
    for (const SpecParam& param : entry.params) {
        has_range = has_range || param.key == "sigma-max";
        const std::string value = param.required || rng() % 3 || !values(family.entry.name, param.key).empty()
                                      ? random_value(family, param, rng)
                                      : "";
        if (!value.empty()) out.spec.set(param.key, *Spec::parse("x:y=" + value).find("y"));
    }
    if (has_range && rng() % 2) {
        const double low = std::max(process.sigma_min(), 0.002), high = std::min(process.sigma_max(), 80.0);
        out.sigma_min = low * std::exp(uniform(rng, 0, 0.3) * std::log(high / low));
        out.sigma_max = low * std::exp(uniform(rng, 0.6, 1) * std::log(high / low));
        out.spec.set("sigma-min", SpecValue::of_number(out.sigma_min));
        out.spec.set("sigma-max", SpecValue::of_number(out.sigma_max));
    }
    return out;
}

/// Reasons for which valid parameters may not fit a process or a number of steps.
bool is_reason(const std::string& message) {
    for (const char* reason :
         {"process is continuous", "steps, not the", "chosen twice", "both round to", "needs at least",
          "outside the levels of", "round to one table entry", "ramps of at least", "is not below",
          "entries, but the", "levels, but its table", "is not in 1..", "does not divide", "beta-d is",
          "the level of this law", "is not above sigma-min", "was published with",
          "lists timesteps of a table"})
        if (message.find(reason) != std::string::npos) return true;
    return false;
}

void expect_record(const Schedule& s, const std::string& what) {
    // Coordinate, map, ends, number, end rule, rounding, network times, parameters.
    EXPECT_FALSE(s.coordinate.empty()) << what;
    EXPECT_FALSE(s.map.empty()) << what;
    EXPECT_FALSE(s.rounding.empty()) << what;
    EXPECT_FALSE(s.time_rule.empty()) << what;
    EXPECT_TRUE(s.end_rule == "zero" || s.end_rule == "sigma-min" || s.end_rule == "replace") << what;
    EXPECT_GE(s.requested.size(), s.effective.size()) << what;
    EXPECT_EQ(s.model_time.size(), s.effective.size()) << what;
    EXPECT_EQ(s.hash().size(), 16u) << what;
    const nlohmann::json json = s.to_json();
    for (const char* key : {"spec", "steps", "requested_steps", "coordinate", "map", "end_rule", "rounding",
                            "time_rule", "requested", "effective", "model_time", "hash"})
        EXPECT_FALSE(json.at(key).is_null()) << what << " " << key;
    const Spec spec = Spec::parse(s.spec);
    EXPECT_EQ(spec.print(), s.spec) << what;
    EXPECT_EQ(Spec::parse(spec.print()), spec) << what;
}

void expect_levels(const ScheduleFamily& family, const Draw& draw, const Schedule& s,
                   const NoiseProcess& process, const ScheduleRequest& request, const std::string& what) {
    for (size_t i = 0; i < s.effective.size(); ++i) {
        ASSERT_TRUE(std::isfinite(s.effective[i]) && s.effective[i] >= 0) << what;
        if (i > 0) {
            ASSERT_LT(s.effective[i], s.effective[i - 1]) << what;
        }
        if (!process.discrete()) continue;
        if (s.index[i] >= 0) {
            EXPECT_EQ(s.effective[i], process.sigma(static_cast<int>(s.index[i]))) << what;
        } else {
            EXPECT_EQ(request.time_rule, TimeRule::fractional) << what;
        }
    }
    EXPECT_EQ(s.effective.back() == 0, s.end_rule != "sigma-min") << what;
    EXPECT_TRUE(s.steps() == request.steps || request.steps == 0 || request.allow_fewer) << what;
    EXPECT_EQ(s.requested_steps, request.steps) << what;
    const bool kept = !process.discrete() || request.time_rule == TimeRule::fractional || family.indices;
    if (kept && s.requested.size() == s.effective.size())
        for (size_t i = 0; i < s.effective.size(); ++i) {
            const double level = s.requested[i];
            const bool beyond =
                level > process.sigma_max() || level < process.sigma_min();  // taken as the end
            EXPECT_TRUE(s.effective[i] == level || (process.discrete() && beyond)) << what << " " << level;
        }
    if (!family.level || draw.sigma_max == 0) return;
    EXPECT_EQ(s.requested.front(), draw.sigma_max) << what;
    const size_t last = s.requested.size() - (s.end_rule == "zero" ? 2 : 1);
    if (s.end_rule != "replace" && last > 0) {
        EXPECT_EQ(s.requested[last], draw.sigma_min) << what;
    }
}

TEST(Registry, PropertiesHoldForRandomParameters) {
    Rng rng(20240611);
    std::vector<NoiseProcess> processes;
    for (const std::string& text : kProcesses) processes.emplace_back(Spec::parse(text));
    int built = 0;
    for (const ScheduleFamily& family : schedule_families()) {
        int tried = 0, refused = 0;
        for (const NoiseProcess& process : processes) {
            if ((family.indices || family.needs_table) && !process.discrete()) continue;
            const int rounds = family.entry.name == "dmn" ? 4 : 24;  // an optimisation for every schedule
            for (int round = 0; round < rounds; ++round) {
                const Draw draw = random_spec(family, process, rng);
                ScheduleRequest request;
                request.steps = family.own_count ? 0 : pick(rng, std::vector<int>{1, 2, 3, 5, 10, 18, 40});
                request.time_rule = rng() % 2 ? TimeRule::nearest : TimeRule::fractional;
                request.allow_fewer = rng() % 2;
                const std::string what = draw.spec.print() + " on " + process.spec().print() +
                                         " N=" + std::to_string(request.steps);
                ++tried;
                Schedule s;
                try {
                    s = build_schedule(draw.spec, process, request);
                } catch (const Error& e) {
                    EXPECT_TRUE(is_reason(e.message())) << what << ": " << e.what();
                    ++refused;
                    continue;
                }
                ++built;
                expect_record(s, what);
                expect_levels(family, draw, s, process, request, what);
                const Schedule again = build_schedule(Spec::parse(s.spec), process, request);
                EXPECT_EQ(again.hash(), s.hash()) << what;
                EXPECT_EQ(again.spec, s.spec) << what;
                if (HasFatalFailure()) return;
            }
        }
        EXPECT_GE(tried - refused, 20) << family.entry.name << ": too few draws can be built to say anything";
    }
    EXPECT_GT(built, 1000);
}

TEST(Registry, OneStepWorksOrIsRefusedWithAReason) {
    for (const ScheduleFamily& family : schedule_families()) {
        if (family.own_count) continue;
        Rng rng(5);
        Spec spec;
        spec.name = family.entry.name;
        for (const SpecParam& param : family.entry.params) {
            const auto listed = values(family.entry.name, param.key);
            if (!listed.empty()) spec.set(param.key, *Spec::parse("x:y=" + listed[0]).find("y"));
        }
        int built = 0, refused = 0;
        for (const char* noise : {"continuous", "scaled-linear"}) {
            const NoiseProcess process(Spec::parse(noise));
            if ((family.indices || family.needs_table) && !process.discrete()) continue;
            try {
                EXPECT_EQ(build_schedule(spec, process, {1, TimeRule::fractional}).steps(), 1);
                ++built;
            } catch (const Error& e) {
                EXPECT_TRUE(is_reason(e.message())) << e.what();
                ++refused;
                EXPECT_TRUE(family.least_steps == 1 ||
                            e.message().find(family.least_reason) != std::string::npos)
                    << e.what();
            }
        }
        if (family.least_steps > 1) {
            EXPECT_FALSE(family.least_reason.empty()) << family.entry.name;
            EXPECT_EQ(built, 0) << family.entry.name;
        }
        EXPECT_GT(built + refused, 0) << family.entry.name;
    }
}

std::string message_of(const Spec& spec, const NoiseProcess& process, int steps) {
    try {
        build_schedule(spec, process, {steps, TimeRule::fractional});
    } catch (const Error& e) {
        return e.message();
    }
    return "";
}

std::string message_of(const std::string& text, const std::string& noise, int steps) {
    try {
        return message_of(Spec::parse(text), NoiseProcess(Spec::parse(noise)), steps);
    } catch (const Error& e) {
        return e.message();
    }
}

TEST(Registry, NonsenseIsRefusedByName) {
    for (const ScheduleFamily& family : schedule_families()) {
        const NoiseProcess process(Spec::parse("scaled-linear"));
        Rng rng(11);
        Spec good;
        good.name = family.entry.name;
        for (const SpecParam& param : family.entry.params) {
            const auto listed = values(family.entry.name, param.key);
            if (!listed.empty()) good.set(param.key, *Spec::parse("x:y=" + listed[0]).find("y"));
        }
        const auto expect_named = [&](const std::string& key, const std::string& value,
                                      const std::string& also = "") {
            Spec bad = good;
            bad.set(key, SpecValue::of_text(value));
            if (!also.empty()) bad.set("sigma-max", SpecValue::of_text(also));
            const std::string message = message_of(bad, process, 5);
            const bool named =
                message.find(key) != std::string::npos || message.find(value) != std::string::npos;
            EXPECT_TRUE(!message.empty() && named) << bad.print() << ": \"" << message << "\"";
        };
        const int steps = family.own_count ? -1 : 0;
        EXPECT_NE(message_of(good, process, steps).find(std::to_string(steps)), std::string::npos)
            << good.name;
        EXPECT_NE(message_of(good, process, -3).find("-3"), std::string::npos) << good.name;
        expect_named("bogus", "1");
        for (const SpecParam& param : shared_keys(family).params) {
            if (param.type == Type::number || param.type == Type::integer) {
                expect_named(param.key, "nan");
                expect_named(param.key, "inf");
                expect_named(param.key, "-inf");
                expect_named(param.key, "much");
            }
            if (param.type == Type::integer) expect_named(param.key, "2.5");
            if (param.type == Type::choice || param.type == Type::flag) expect_named(param.key, "perhaps");
            if (param.key == "sigma-min") {
                expect_named("sigma-min", "2", "1");
                expect_named("sigma-min", "1", "1");
                expect_named("sigma-min", "-1");
                expect_named("sigma-min", "0");
            }
            for (const char* positive :
                 {"rho", "c", "eps", "alpha", "M", "C1", "origin-steps", "shift", "gamma"})
                if (param.key == positive) {
                    expect_named(param.key, "0");
                    expect_named(param.key, "-1");
                }
        }
    }
}

TEST(Registry, ListsOfNonsense) {
    struct Case {
        const char *spec, *process;
        int steps;
        const char* named;
    };
    for (const Case& c :
         {Case{"explicit:levels=[80,1,1,0]", "continuous", 0, "knot 2 (1)"},
          Case{"explicit:levels=[1,80]", "continuous", 0, "knot 1 (80)"},
          Case{"explicit:levels=[80,nan,0]", "continuous", 0, "levels"},
          Case{"explicit:levels=[inf,1,0]", "continuous", 0, "knot 0 (inf)"},
          Case{"explicit:levels=[80,-2]", "continuous", 0, "-2"},
          Case{"explicit:levels=[80,1]", "scaled-linear", 0, "80"},
          Case{"explicit:levels=[10,1,0]", "scaled-linear", 5, "5"},
          Case{"leading:offset=900", "linear", 10, "1801"}, Case{"leading:offset=-5", "linear", 10, "-4"},
          Case{"even", "cosine:T=20", 21, "21"}, Case{"even", "continuous", 4, "continuous"},
          Case{"normal", "continuous", 4, "continuous"}, Case{"respacing:sections=2000", "linear", 0, "2000"},
          Case{"nosuch", "linear", 4, "nosuch"}, Case{"edm:rho=7:rho", "linear", 4, "rho"},
          Case{"edm:3", "linear", 4, "3"}}) {
        const std::string message = message_of(std::string(c.spec), c.process, c.steps);
        EXPECT_NE(message.find(c.named), std::string::npos) << c.spec << ": \"" << message << "\"";
    }
}

TEST(AmbiguousNames, AreAnsweredWithSpecsThatBuild) {
    const NoiseProcess process(Spec::parse("linear"));
    std::vector<std::string> seen;
    for (const AmbiguousName& one : ambiguous_schedules()) {
        EXPECT_EQ(std::count(seen.begin(), seen.end(), one.name), 0) << one.name << " is listed twice";
        seen.push_back(one.name);
        for (const SpecEntry& entry : schedule_entries()) {
            EXPECT_NE(entry.name, one.name);
            EXPECT_EQ(std::count(entry.aliases.begin(), entry.aliases.end(), one.name), 0) << one.name;
        }
        EXPECT_GE(one.choices.size(), 2u) << one.name;
        std::string hint;
        try {
            build_schedule(Spec::parse(one.name), process, {10});
            ADD_FAILURE() << one.name << " was built";
        } catch (const Error& e) {
            EXPECT_NE(e.message().find(one.name), std::string::npos);
            hint = e.what();
        }
        std::vector<std::string> hashes;
        for (const auto& choice : one.choices) {
            EXPECT_NE(hint.find(choice.spec), std::string::npos) << hint;
            EXPECT_FALSE(choice.meaning.empty());
            const Spec spec = Spec::parse(choice.spec);
            const Schedule s =
                build_schedule(spec, process, {has_own_count(spec) ? 0 : 10, TimeRule::fractional});
            EXPECT_GE(s.steps(), 9) << choice.spec;
            hashes.push_back(s.hash());
        }
        std::sort(hashes.begin(), hashes.end());
        EXPECT_EQ(std::unique(hashes.begin(), hashes.end()), hashes.end())
            << one.name << ": two choices are the same";
    }
    EXPECT_GE(seen.size(), 20u);
}

TEST(AmbiguousNames, AliasesMeanOneFamily) {
    std::vector<std::string> names;
    for (const SpecEntry& entry : schedule_entries()) {
        names.push_back(entry.name);
        names.insert(names.end(), entry.aliases.begin(), entry.aliases.end());
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    EXPECT_EQ(twice, names.end()) << *twice;
}

}  // namespace
}  // namespace schedbench
