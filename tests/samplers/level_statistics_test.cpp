// The file of level statistics: reading, writing, levels between and outside.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/hash.h"
#include "samplers/level_statistics.h"

namespace schedbench {
namespace {

class LevelStatisticsTest : public ::testing::Test {
  protected:
    LevelStatisticsTest()
        : path_((std::filesystem::temp_directory_path() /
                 ("schedbench-stat-" + std::to_string(getpid()) + ".json"))
                    .string()) {}
    ~LevelStatisticsTest() override { std::filesystem::remove(path_); }
    static LevelStatistics example() {
        LevelStatistics s;
        s.process = "linear:T=3", s.clip = true, s.n = 7;
        s.sigma = {0.1, 1, 4}, s.gamma = {0.2, 0.5, 0.9}, s.error = {0.01, 0.2, 0.3};
        return s;
    }
    LevelStatistics read(const std::string& text) const {
        std::ofstream(path_) << text;
        return LevelStatistics::read(path_);
    }
    std::string path_;
};

TEST_F(LevelStatisticsTest, AreReadAsTheyWereWritten) {
    const LevelStatistics s = example();
    s.write(path_);
    const LevelStatistics back = LevelStatistics::read(path_);
    EXPECT_EQ(back.sigma, s.sigma);
    EXPECT_EQ(back.gamma, s.gamma);
    EXPECT_EQ(back.error, s.error);
    EXPECT_EQ(back.process, s.process);
    EXPECT_EQ(back.n, 7);
    EXPECT_TRUE(back.clip);
    EXPECT_EQ(back.hash, sha256_file(path_));
    EXPECT_THROW(s.write("/nowhere/at/all.json"), Error);
}

TEST_F(LevelStatisticsTest, LevelsBetweenAndOutside) {
    const LevelStatistics s = example();
    for (bool interpolate : {false, true}) {
        EXPECT_EQ(s.at(1, interpolate, "test").gamma, 0.5);
        EXPECT_EQ(s.at(1 + 5e-10, interpolate, "test").error, 0.2);
        EXPECT_EQ(s.at(4 * (1 + 5e-10), interpolate, "test").error, 0.3);
        EXPECT_EQ(s.at(0.1 * (1 - 5e-10), interpolate, "test").error, 0.01);
        EXPECT_THROW(s.at(4.001, interpolate, "test"), Error);
        EXPECT_THROW(s.at(0.0999, interpolate, "test"), Error);
    }
    EXPECT_THROW(s.at(2, false, "test"), Error);
    EXPECT_NEAR(s.at(2, true, "test").gamma, 0.7, 1e-15);  // ln 2 is half way from ln 1 to ln 4
    EXPECT_NEAR(s.at(2, true, "test").error, 0.25, 1e-15);
}

TEST_F(LevelStatisticsTest, FaultsAreNamed) {
    const std::string
        head = R"({"format":"schedbench level statistics","version":1,"process":"p","clip":false,"n":1,)",
        good = head + R"("sigma":[1,2],"gamma":[0,1],"error":[0,1]})";
    EXPECT_EQ(read(good).sigma.size(), 2u);
    for (const std::string& bad :
         {std::string("nonsense"), std::string("{}"), head + R"("sigma":[1,2],"gamma":[0,1]})",
          head + R"("sigma":[1,2],"gamma":[0],"error":[0,1]})",
          head + R"("sigma":[2,1],"gamma":[0,1],"error":[0,1]})",
          head + R"("sigma":[0,1],"gamma":[0,1],"error":[0,1]})",
          head + R"("sigma":[],"gamma":[],"error":[]})",
          head + R"("sigma":[1,2],"gamma":[0,-1],"error":[0,1]})",
          head + R"("sigma":[1,2],"gamma":[0,null],"error":[0,1]})",
          std::string(R"({"format":"schedbench level statistics","version":2})")})
        try {
            read(bad);
            ADD_FAILURE() << bad;
        } catch (const Error& e) {
            EXPECT_EQ(e.kind(), "file") << bad;
            EXPECT_EQ(e.where(), path_);
        }
    EXPECT_THROW(LevelStatistics::read("/nowhere.json"), Error);
}

}  // namespace
}  // namespace schedbench
