// Ranks that share a list of blocks: real processes, some slow, some killed and started again.
#include "store/block_claims.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "store/rank_lock.h"
#include "store_testing.h"

namespace schedbench {
namespace {

using Clock = std::chrono::steady_clock;

WorkLayout layout_of(int64_t rank, int64_t capacity) {
    WorkLayout layout = make_layout(capacity);
    layout.rank = rank;
    return layout;
}

/// What a rank of a sweep does with the one cell of these tests. Says in the file `made` which blocks it
/// made.
void work_as_rank(const std::string& run, int64_t rank, int64_t n, useconds_t block_time,
                  const std::string& made, int64_t at_most = -1) {
    const RankLock at_work(run, rank);
    WorkFile work = WorkFile::open_or_create(WorkFile::path_of(run, "cell0", rank),
                                             layout_of(rank, std::max<int64_t>(n / 3, 8)));
    BlockClaims claims(run, "cell0", rank, blocks_of(0, n, 8), work.ids());
    std::ofstream log(made, std::ios::app);
    for (std::optional<IdRange> block; at_most-- != 0 && (block = claims.next());) {
        ::usleep(block_time);
        work.append(make_block(work.layout(), block->first, block->end - block->first).block());
        log << block->first << std::endl;  // flushed: what was made before a kill counts
    }
    work.close();
}

pid_t start_rank(const std::string& run, int64_t rank, int64_t n, useconds_t block_time,
                 const std::string& made) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        work_as_rank(run, rank, n, block_time, made);
        ::_exit(0);
    }
    return pid;
}

std::vector<int64_t> made_by(const std::string& path) {
    std::ifstream in(path);
    std::vector<int64_t> out;
    for (int64_t first; in >> first;) out.push_back(first);
    return out;
}

CellRecord folded(const std::string& run, int64_t n) {
    const RunLock lock(run);
    FoldResult result =
        fold_cell(lock, make_header(), make_skeleton(), find_parts({work_folder(run)}, "cell0"), n, {},
                  [](RunEdit& edit) {
                      edit.put(ExtractorRecord{"extractor0", "small:file=a", "ff00", "round", 5});
                  });
    EXPECT_TRUE(result.folded) << result.missing << " missing";
    return result.cell;
}

void expect_whole(const CellRecord& cell, int64_t n) {
    const CellRecord expected = make_cell(n);
    EXPECT_EQ(cell.sample_ids, expected.sample_ids);
    EXPECT_EQ(cell.images, expected.images);
    EXPECT_EQ(cell.features, expected.features);
    EXPECT_EQ(cell.labels, expected.labels);
}

TEST_F(StoreTest, BlocksCoverTheIds) {
    EXPECT_EQ(blocks_of(0, 20, 8), (std::vector<IdRange>{{0, 8}, {8, 16}, {16, 20}}));
    EXPECT_EQ(blocks_of(10, 24, 8), (std::vector<IdRange>{{10, 16}, {16, 24}}));
    EXPECT_TRUE(blocks_of(8, 8, 8).empty());
}

TEST_F(StoreTest, UnevenRanksShareBlocksAndNoneIsMadeTwice) {
    constexpr int64_t n = 403;
    std::vector<pid_t> pids;
    for (int64_t rank = 0; rank < 3; ++rank)
        pids.push_back(
            start_rank(run_, rank, n, rank == 2 ? 60'000 : 2'000, folder_ + "/made" + std::to_string(rank)));
    // One is stopped for a while: it is at work, so nobody takes its block.
    ::usleep(20'000);
    ::kill(pids[1], SIGSTOP);
    ::usleep(50'000);
    ::kill(pids[1], SIGCONT);
    std::vector<int64_t> made;
    std::vector<size_t> counts;
    for (size_t rank = 0; rank < 3; ++rank) {
        int status = 0;
        ::waitpid(pids[rank], &status, 0);
        EXPECT_EQ(status, 0);
        const auto own = made_by(folder_ + "/made" + std::to_string(rank));
        counts.push_back(own.size());
        made.insert(made.end(), own.begin(), own.end());
    }
    std::sort(made.begin(), made.end());
    EXPECT_EQ(std::adjacent_find(made.begin(), made.end()), made.end());
    EXPECT_EQ(made.size(), 51u);
    EXPECT_GT(counts[0], counts[2]) << "the slow rank must not hold up the fast one";
    std::printf("blocks of the ranks: %zu %zu %zu\n", counts[0], counts[1], counts[2]);
    expect_whole(folded(run_, n), n);
    EXPECT_FALSE(std::filesystem::exists(claims_path(run_, "cell0")));
}

TEST_F(StoreTest, KilledRanksAreReplacedByAnyNumberOfRanks) {
    constexpr int64_t n = 200;
    std::mt19937 random(3);
    int kills = 0, twice = 0;
    for (int repetition = 0; repetition < 12; ++repetition) {
        const std::string run = folder_ + "/run" + std::to_string(repetition) + ".h5", made = run + ".made";
        // Rounds of 1 to 3 ranks, each ended by a kill; then one last round is left alone.
        for (int round = 0; round < 4; ++round) {
            std::vector<pid_t> pids;
            const auto ranks = static_cast<int64_t>(1 + random() % 3);
            for (int64_t rank = 0; rank < ranks; ++rank)
                pids.push_back(start_rank(run, rank, n, static_cast<useconds_t>(random() % 3000), made));
            ::usleep(static_cast<useconds_t>(2000 + random() % 15'000));
            for (const pid_t pid : pids) {
                if (round < 3 && random() % 4 != 0) ::kill(pid, SIGKILL), ++kills;
                ::waitpid(pid, nullptr, 0);
            }
        }
        std::vector<int64_t> all = made_by(made);
        std::sort(all.begin(), all.end());
        const auto last = std::unique(all.begin(), all.end());
        twice += static_cast<int>(all.end() - last);
        expect_whole(folded(run, n), n);
    }
    EXPECT_EQ(twice, 0) << "a block that is in a part must not be made again";
    std::printf("killed %d times\n", kills);
}

TEST_F(StoreTest, WhatAnAbsentRankLeftIsTakenOver) {
    constexpr int64_t n = 40;
    {
        const RankLock at_work(run_, 1);
        BlockClaims gone(run_, "cell0", 1, blocks_of(0, n, 8), {});
        EXPECT_EQ(gone.next(), (IdRange{0, 8}));  // and nothing comes of it
        BlockClaims other(run_, "cell0", 0, blocks_of(0, n, 8), {});
        for (int64_t first = 8; first < n; first += 8) EXPECT_EQ(other.next()->first, first);
        EXPECT_EQ(other.next(), std::nullopt) << "rank 1 is at work on the first one";
    }
    BlockClaims other(run_, "cell0", 0, blocks_of(0, n, 8), make_block(make_layout(n), 8, 32).ids);
    EXPECT_EQ(other.next(), (IdRange{0, 8}));
    EXPECT_EQ(other.next(), std::nullopt);
    BlockClaims again(run_, "cell0", 1, blocks_of(0, n, 8), {});
    const RankLock holder(run_, 0);
    EXPECT_EQ(again.next(), std::nullopt) << "it is rank 0's now";
}

TEST_F(StoreTest, PartsWithoutAListCountAsClaimed) {
    constexpr int64_t n = 40;
    work_as_rank(run_, 1, n, 0, folder_ + "/made", 2);
    std::filesystem::remove(claims_path(run_, "cell0"));
    work_as_rank(run_, 0, n, 0, folder_ + "/made0");
    EXPECT_EQ(made_by(folder_ + "/made0"), (std::vector<int64_t>{16, 24, 32}));
    expect_whole(folded(run_, n), n);
    // A rank that comes too late finds the cell in the run, and begins nothing.
    BlockClaims late(run_, "cell0", 2, blocks_of(0, n, 8), {});
    EXPECT_EQ(late.next(), std::nullopt);
}

TEST_F(StoreTest, ALargerNMakesTheRestOfACutBlock) {
    work_as_rank(run_, 1, 20, 0, folder_ + "/made");
    BlockClaims more(run_, "cell0", 0, blocks_of(0, 30, 8), {});
    EXPECT_EQ(more.next(), (IdRange{16, 24}));
    EXPECT_EQ(more.next(), (IdRange{24, 30}));
    EXPECT_EQ(more.next(), std::nullopt);
}

TEST_F(StoreTest, TornAndForeignLinesAreNobodysClaims) {
    std::filesystem::create_directories(work_folder(run_));
    std::ofstream(claims_path(run_, "cell0")) << "what is this\n0 8 5 ho";
    BlockClaims claims(run_, "cell0", 0, blocks_of(0, 16, 8), {});
    EXPECT_EQ(claims.next(), (IdRange{0, 8}));
    BlockClaims other(run_, "cell0", 1, blocks_of(0, 16, 8), {});
    const RankLock at_work(run_, 0);
    EXPECT_EQ(other.next(), (IdRange{8, 16}));
}

TEST_F(StoreTest, ARankNumberIsAtWorkOnce) {
    const RankLock first(run_, 3);
    EXPECT_FALSE(others_at_work(run_, 3));
    EXPECT_TRUE(others_at_work(run_, 0));
    EXPECT_FALSE(RankLock::of_absent(run_, 3));
    EXPECT_TRUE(RankLock::of_absent(run_, 4));
}

TEST_F(StoreTest, AClaimCostsMicroseconds) {
    constexpr int64_t blocks = 4000;
    const RankLock at_work(run_, 0);
    BlockClaims claims(run_, "cell0", 0, blocks_of(0, blocks * 8, 8), {});
    const auto start = Clock::now();
    for (int64_t i = 0; i < blocks; ++i) ASSERT_EQ(claims.next()->first, i * 8);
    const double each = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / blocks;
    std::printf("a claim: %.1f us\n", each);
    EXPECT_LT(each, 1000);  // a block is seconds
}

}  // namespace
}  // namespace schedbench
