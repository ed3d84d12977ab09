#include "harness/suite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "harness/plan.h"

namespace schedbench {
namespace {

std::string write(const std::string& text) {
    const std::string path =
        (std::filesystem::temp_directory_path() / "schedbench-suite-test.suite").string();
    std::ofstream(path) << text;
    return path;
}

const std::string kCells = "model = exact:gaussian\nschedule = edm\nsampler = euler\nbudget = 5\n";

std::string error_of(const std::string& text) {
    try {
        read_suite(write(text));
    } catch (const Error& e) {
        return e.what();
    }
    return "no error";
}

TEST(Suite, EveryKeyHasAnEffectiveValue) {
    const Suite suite = read_suite(write(kCells));
    const auto settings = suite.settings();
    for (const SuiteKey& key : suite_keys()) EXPECT_TRUE(settings.contains(key.name)) << key.name;
    EXPECT_EQ(suite.name, "schedbench-suite-test");
    EXPECT_EQ(suite.images, 256);
}

TEST(Suite, RepeatedKeysAreLists) {
    const Suite suite = read_suite(write(kCells + "schedule = log-linear\nbudget = 10\n"));
    EXPECT_EQ(suite.schedules.size(), 2u);
    EXPECT_EQ(suite.budgets, (std::vector<int>{5, 10}));
}

TEST(Plan, ListedSchedulesComeOnceWithTheirOwnSteps) {
    const Suite suite = read_suite(write(
        "model = exact:gaussian,process={linear:T=1000}\nsampler = euler\nbudget = 5\nbudget = 10\nsteps = "
        "3\n"
        "schedule = edm\nschedule = explicit:levels=[14,3,1,0.1,0]\nschedule = respacing:sections=7\n"));
    const Plan plan = make_plan(suite, RuntimeSettings{});
    std::map<std::string, std::vector<int>> steps;
    for (const PlannedCell& cell : plan.cells) steps[cell.schedule_spec.name].push_back(cell.steps);
    EXPECT_EQ(steps["edm"], (std::vector<int>{5, 10, 3}));
    EXPECT_EQ(steps["explicit"], (std::vector<int>{4}));
    EXPECT_EQ(steps["respacing"], (std::vector<int>{7}));
}

TEST(Suite, TheIdChangesWithEverySetting) {
    const std::string id = read_suite(write(kCells)).id();
    EXPECT_EQ(id, read_suite(write("# a comment\n" + kCells)).id());
    for (const char* line :
         {"images = 300\n", "seed = 1\n", "clip = true\n", "steps = 4\n", "time = fractional\n"})
        EXPECT_NE(id, read_suite(write(kCells + line)).id()) << line;
}

TEST(Suite, FaultsNameFileAndKey) {
    EXPECT_NE(error_of(kCells + "imges = 3\n").find("did you mean \"images\""), std::string::npos)
        << error_of(kCells + "imges = 3\n");
    EXPECT_NE(error_of(kCells + "images = many\n").find("key images"), std::string::npos);
    EXPECT_NE(error_of(kCells + "images = 3\nimages = 4\n").find("takes one value"), std::string::npos);
    EXPECT_NE(error_of(kCells + "schedule = edm:rho=\n").find("column"), std::string::npos);
    EXPECT_NE(error_of(kCells + "time = later\n").find("nearest, fractional"), std::string::npos);
    EXPECT_NE(error_of("model = exact:gaussian\n").find("no work"), std::string::npos);
    EXPECT_NE(error_of("schedule = edm\n").find("no model"), std::string::npos);
    EXPECT_NE(error_of(kCells + "extractor = pixels\n").find("not both"), std::string::npos);
    EXPECT_NE(error_of(kCells + "bpd-stride = odd\n").find("known: even"), std::string::npos);
    EXPECT_THROW(read_suite("/nonexistent.suite"), Error);
}

/// What the repository offers can be read, and names printed rows that exist (paths are from its root).
TEST(Suite, ThoseOfTheRepository) {
    const auto here = std::filesystem::current_path();
    std::filesystem::current_path(SCHEDBENCH_SOURCE_DIR);
    int count = 0, printed = 0;
    for (const auto& entry : std::filesystem::directory_iterator("suites")) {
        const Suite suite = read_suite(entry.path().string());
        ++count;
        EXPECT_EQ(suite.name + ".suite", entry.path().filename().string());
        EXPECT_FALSE(suite.title.empty()) << suite.name;
        if (!suite.published.empty()) ++printed;
    }
    std::filesystem::current_path(here);
    EXPECT_GE(count, 10);
    EXPECT_GE(printed, 5);
}

}  // namespace
}  // namespace schedbench
