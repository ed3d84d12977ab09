#include "schedules/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace schedbench {
namespace {

NoiseProcess process(const std::string& spec) {
    return NoiseProcess(Spec::parse(spec));
}
Schedule build(const std::string& spec, const std::string& noise, int steps,
               TimeRule rule = TimeRule::nearest, bool allow_fewer = false) {
    return build_schedule(Spec::parse(spec), process(noise), {steps, rule, allow_fewer}, "--schedule");
}

TEST(Schedule, EveryEntryBuildsAndKeepsItsPromises) {
    for (const SpecEntry& entry : schedule_entries()) {
        bool needs_more = false;
        for (const SpecParam& param : entry.params)
            needs_more = needs_more || param.required || param.key == "levels" || param.key == "stds";
        EXPECT_FALSE(entry.summary.empty()) << entry.name;
        for (const SpecParam& param : entry.params)
            EXPECT_FALSE(param.help.empty()) << entry.name << " " << param.key;
        if (needs_more) continue;
        EXPECT_FALSE(entry.source.empty()) << entry.name;
        for (const char* noise : {"continuous", "linear:T=1000", "cosine:T=1000"})
            for (int steps : {1, 2, 5, 10, 20})
                for (const char* end : {"zero", "sigma-min"}) {
                    const std::string spec = entry.name + ":end=" + end;
                    Schedule s;
                    try {
                        s = build(spec, noise, steps, TimeRule::fractional);
                    } catch (const Error& e) {
                        // Strides may refuse (on a continuous process, or where their count is not exact), and
                        // those that need more steps, or a higher first level for as many.
                        bool known = false;
                        for (const char* reason : {"continuous", "steps, not", "chosen twice", "needs at least",
                                                   "ramps of at least", "knot 1 ("})
                            known = known || e.message().find(reason) != std::string::npos;
                        EXPECT_TRUE(known) << spec << " " << e.what();
                        continue;
                    }
                    ASSERT_EQ(s.steps(), steps) << spec;
                    ASSERT_EQ(s.requested.size(), s.effective.size());
                    ASSERT_EQ(s.model_time.size(), s.effective.size());
                    for (size_t i = 1; i < s.effective.size(); ++i)
                        EXPECT_LT(s.effective[i], s.effective[i - 1]) << spec;
                    EXPECT_EQ(s.effective.back() == 0, std::string(end) == "zero") << spec;
                    EXPECT_EQ(Spec::parse(s.spec).print(), s.spec);
                    EXPECT_EQ(build(s.spec, noise, steps, TimeRule::fractional).hash(), s.hash())
                        << "completed spec means the same";
                }
    }
}

TEST(Schedule, KeepsRequestedAndEffectiveLevels) {
    const Schedule s = build("edm:rho=7", "linear:T=1000", 10);
    const NoiseProcess p = process("linear:T=1000");
    EXPECT_EQ(s.time_rule, "nearest");
    EXPECT_EQ(s.requested[0], 80);
    for (size_t i = 0; i + 1 < s.effective.size(); ++i) {
        EXPECT_EQ(s.index[i], p.nearest_index(s.requested[i]));
        EXPECT_EQ(s.effective[i], p.sigma(static_cast<int>(s.index[i])));
        EXPECT_EQ(s.model_time[i], static_cast<double>(s.index[i] - 1));
    }
    EXPECT_EQ(s.index.back(), 0);
    EXPECT_EQ(s.requested.back(), 0);
    EXPECT_TRUE(std::isnan(s.model_time.back()));
    const Schedule fractional = build("edm:rho=7", "linear:T=1000", 10, TimeRule::fractional);
    EXPECT_EQ(fractional.requested, fractional.effective);
    EXPECT_NE(fractional.hash(), s.hash());
}

TEST(Schedule, MergedKnotsAreAnErrorUnlessAllowed) {
    EXPECT_THROW(build("edm", "linear:T=25", 40), Error);
    const Schedule s = build("edm", "linear:T=25", 40, TimeRule::nearest, true);
    EXPECT_LT(s.steps(), 40);
    EXPECT_EQ(s.requested.size(), 41u);
    for (size_t i = 1; i < s.effective.size(); ++i) EXPECT_LT(s.effective[i], s.effective[i - 1]);
    try {
        build("edm", "linear:T=25", 40);
        FAIL();
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("both round to"), std::string::npos);
        EXPECT_EQ(e.where(), "--schedule");
    }
}

TEST(Schedule, WrongRequestsAreErrors) {
    EXPECT_THROW(build("edm", "continuous", 0), Error);
    EXPECT_THROW(build("edm", "continuous", -3), Error);
    EXPECT_THROW(build("edm:rho=0", "continuous", 4), Error);
    EXPECT_THROW(build("edm:rho=-1", "continuous", 4), Error);
    EXPECT_THROW(build("edm:sigma-min=3,sigma-max=1", "continuous", 4), Error);
    EXPECT_THROW(build("edm:sigma-min=0", "continuous", 4), Error);
    EXPECT_THROW(build("edm:sigma-max=80", "scaled-linear", 4), Error);  // outside the table
    EXPECT_THROW(build("edm:sigma-min=0.001", "linear", 4), Error);
    EXPECT_THROW(build("edn", "continuous", 4), Error);
    EXPECT_THROW(build("even", "continuous", 4), Error);
    EXPECT_THROW(build("even", "linear:T=50", 51), Error);
    EXPECT_THROW(build("ddim-uniform", "linear:T=1000", 18), Error);    // gives 19 steps
    EXPECT_THROW(build("leading:offset=1", "linear:T=50", 50), Error);  // beyond the table
    EXPECT_THROW(build("uniform-t:beta-d=19.9", "continuous", 4), Error);
    EXPECT_NO_THROW(
        build("edm:sigma-max=14.615", "scaled-linear", 4));  // a published rounding of the table's end
}

TEST(Schedule, ExplicitLevels) {
    const Schedule s = build("explicit:levels=[80,10,1,0.1,0]", "continuous", 4);
    EXPECT_EQ(s.effective, (std::vector<double>{80, 10, 1, 0.1, 0}));
    EXPECT_EQ(s.end_rule, "zero");
    EXPECT_EQ(build("explicit:levels=[80,10,1,0.1]", "continuous", 0).end_rule, "sigma-min");
    EXPECT_THROW(build("explicit:levels=[80,10,1,0.1]", "continuous", 4), Error);
    EXPECT_THROW(build("explicit:levels=[1,10]", "continuous", 1), Error);
    EXPECT_THROW(build("explicit:levels=[10,10]", "continuous", 1), Error);
    EXPECT_THROW(build("explicit:levels=[10,0,0]", "continuous", 2), Error);
    EXPECT_THROW(build("explicit:levels=[10,-1]", "continuous", 1), Error);
    EXPECT_THROW(build("explicit:levels=[10]", "continuous", 0), Error);
    EXPECT_THROW(build("explicit", "continuous", 1), Error);
    const auto file = std::filesystem::temp_directory_path() / "schedbench_levels_test.txt";
    std::ofstream(file) << "# levels\n80\n 10 \r\n\n1e-1\n0\n";
    EXPECT_EQ(build("explicit:file='" + file.string() + "'", "continuous", 3).effective,
              (std::vector<double>{80, 10, 0.1, 0}));
    std::ofstream(file) << "80\nten\n";
    try {
        build("explicit:file='" + file.string() + "'", "continuous", 1);
        FAIL();
    } catch (const Error& e) {
        EXPECT_EQ(e.where(), file.string() + ":2");
    }
    std::filesystem::remove(file);
    EXPECT_THROW(build("explicit:file='" + file.string() + "'", "continuous", 1), Error);
}

TEST(Schedule, JsonHasTheAgreedForm) {
    const nlohmann::json continuous = nlohmann::json::parse(build("edm", "continuous", 2).to_json().dump());
    EXPECT_TRUE(continuous.at("index").is_null());
    EXPECT_TRUE(continuous.at("model_time").at(2).is_null());
    EXPECT_EQ(continuous.at("steps"), 2);
    EXPECT_EQ(continuous.at("effective").get<std::vector<double>>(), (std::vector<double>{80, 0.002, 0}));
    const nlohmann::json table = build("trailing", "linear:T=1000", 4).to_json();
    EXPECT_EQ(table.at("index").get<std::vector<int>>(), (std::vector<int>{1000, 750, 500, 250, 0}));
    EXPECT_EQ(table.at("hash").get<std::string>().size(), 16u);
    for (const char* key : {"spec", "requested"}) EXPECT_TRUE(table.contains(key));
}

TEST(Schedule, PublishedSpacings) {
    // T = 1000, N = 10, counted from 0 in the libraries.
    EXPECT_EQ(build("linspace", "linear", 10).index,
              (std::vector<int64_t>{1000, 889, 778, 667, 556, 445, 334, 223, 112, 1, 0}));
    EXPECT_EQ(build("leading", "linear", 10).index,
              (std::vector<int64_t>{901, 801, 701, 601, 501, 401, 301, 201, 101, 1, 0}));
    EXPECT_EQ(build("ddim-quad", "linear", 10).index,
              (std::vector<int64_t>{801, 633, 484, 356, 247, 159, 89, 40, 10, 1, 0}));
}

}  // namespace
}  // namespace schedbench
