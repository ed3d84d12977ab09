// Ranks as launchers say them. The environments are those that torchrun 2.11, Debian 12's OpenMPI 4.1 and
// Slurm 22.05 give their processes.
#include "core/rank.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "failure.h"

namespace schedbench {
namespace {

using Environment = std::map<std::string, std::string>;

class RankTest : public testing::Test {
  protected:
    void SetUp() override { clear(); }
    void TearDown() override { clear(); }
    static void clear() {
        for (const char* name : {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                 "PMI_RANK", "PMI_SIZE", "SLURM_PROCID", "SLURM_NTASKS",
                                 "SLURM_STEP_NUM_TASKS", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT",
                                 "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"})
            unsetenv(name);
    }
    static std::string rank_in(const Environment& environment) {
        clear();
        for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
        const Rank rank = rank_from_environment();
        return std::to_string(rank.rank) + " of " + std::to_string(rank.world_size);
    }
};

const Environment kBatchScript = {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}};
const Environment kSrun = {{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}, {"SLURM_STEP_NUM_TASKS", "2"}};
const Environment kArray = {{"SLURM_ARRAY_TASK_ID", "3"},   {"SLURM_ARRAY_TASK_COUNT", "2"},
                            {"SLURM_ARRAY_TASK_MIN", "1"},  {"SLURM_ARRAY_TASK_MAX", "3"},
                            {"SLURM_ARRAY_TASK_STEP", "2"}, {"SLURM_PROCID", "0"}};

Environment with(Environment a, const Environment& b) {
    for (const auto& [name, value] : b) a[name] = value;
    return a;
}

TEST_F(RankTest, OfEachLauncher) {
    EXPECT_EQ(rank_in({}), "0 of 1");
    EXPECT_EQ(rank_in({{"RANK", "1"}, {"WORLD_SIZE", "3"}}), "1 of 3");
    EXPECT_EQ(rank_in({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}), "2 of 4");
    EXPECT_EQ(rank_in({{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}}), "2 of 4");
    EXPECT_EQ(rank_in(kSrun), "1 of 2");
    EXPECT_EQ(rank_in(kArray), "1 of 2");
    EXPECT_EQ(rank_in({{"SLURM_ARRAY_TASK_ID", "0"}, {"SLURM_ARRAY_TASK_COUNT", "1"}}), "0 of 1");
}

TEST_F(RankTest, OfLaunchersWithinLaunchers) {
    EXPECT_EQ(rank_in(kBatchScript), "0 of 1");
    const Environment mpirun = {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}};
    EXPECT_EQ(rank_in(with(kBatchScript, mpirun)), "1 of 2");
    EXPECT_EQ(rank_in(with(kSrun, {{"RANK", "5"}, {"WORLD_SIZE", "8"}})), "5 of 8");
    EXPECT_EQ(rank_in(with(kArray, kSrun)), "3 of 4");
    EXPECT_EQ(rank_in(with(with(kArray, kBatchScript), mpirun)), "3 of 4");
}

TEST_F(RankTest, WhatIsNoRank) {
    EXPECT_EQ(failure([] { rank_in({{"RANK", "one"}, {"WORLD_SIZE", "3"}}); }).where(), "RANK");
    EXPECT_EQ(failure([] { rank_in({{"RANK", "0.5"}, {"WORLD_SIZE", "3"}}); }).where(), "RANK");
    EXPECT_EQ(failure([] { rank_in({{"RANK", "3"}, {"WORLD_SIZE", "3"}}); }).where(), "RANK");
    EXPECT_EQ(failure([] { rank_in({{"PMI_RANK", "0"}, {"PMI_SIZE", "inf"}}); }).where(), "PMI_SIZE");
    // --array=1,2,9
    const Error gap = failure([] { rank_in(with(kArray, {{"SLURM_ARRAY_TASK_ID", "9"}})); });
    EXPECT_EQ(gap.where(), "SLURM_ARRAY_TASK_ID");
    EXPECT_NE(gap.hint().find("--array=0-3"), std::string::npos);
}

}  // namespace
}  // namespace schedbench
