#include "store/fold.h"

#include <sys/wait.h>

#include <set>
#include "core/hash.h"

#include "store/schema.h"
#include "store/validate.h"
#include "store_testing.h"

namespace schedbench {
namespace {

constexpr int64_t kBlock = 8;

/// Rank `rank` of `world` makes its blocks of samples [from, n) in `run`'s work folder: blocks go round.
void make_part(const std::string& run, int64_t rank, int64_t world, int64_t n, int64_t from = 0,
               const std::string& identity = "cell0") {
    WorkLayout layout = make_layout(n, kBlock);
    layout.identity = identity;
    layout.rank = rank;
    layout.world_size = world;
    WorkFile work = WorkFile::open_or_create(WorkFile::path_of(run, "cell0", rank), layout);
    for (int64_t block = rank; block * kBlock < n; block += world) {
        const int64_t first = std::max(block * kBlock, from), last = std::min((block + 1) * kBlock, n);
        if (first < last) work.append(make_block(layout, first, last - first).block());
    }
    work.close();
}

FoldResult fold(const std::string& run, const std::vector<std::string>& parts, int64_t n) {
    const RunLock lock(run);
    return fold_cell(
        lock, make_header(), make_skeleton(), parts, n,
        [](CellRecord& cell) {
            double sum = 0;  // any sum in sample order
            for (const float value : cell.features) sum += static_cast<double>(value);
            MetricRecord metric;
            metric.estimate = {"sum", sum, 0, cell.count(), "sum of features", "none", ""};
            metric.identity = "sum" + std::to_string(cell.count());
            cell.metrics["sum"] = metric;
            cell.timing = {};  // ranks and seconds differ between runs, all else must not
        },
        [](RunEdit& edit) {
            edit.put(ExtractorRecord{"extractor0", "small:file=a", "ff00", "round", 5});
        });
}

CellRecord gathered(const std::vector<std::string>& parts) {
    return gather(make_skeleton(), open_finished(parts), 45);
}

std::string stored_hash(const std::string& run) {
    const RunFile file = RunFile::open(run);
    return file.file().text_attribute("/cells/cell0", "content_hash") +
           file.file().text_attribute("/cells/cell0/metrics/sum", "content_hash");
}

TEST_F(StoreTest, FoldIsBitEqualForAnyNumberOfRanks) {
    constexpr int64_t n = 45;
    std::set<std::string> hashes;
    for (int64_t world = 1; world <= 4; ++world) {
        const std::string run = folder_ + "/ranks" + std::to_string(world) + ".h5";
        for (int64_t rank = world - 1; rank >= 0; --rank) {
            const FoldResult early = fold(run, find_parts({work_folder(run)}, "cell0"), n);
            EXPECT_FALSE(early.folded);
            EXPECT_GT(early.missing, 0);
            make_part(run, rank, world, n);
        }
        const FoldResult result = fold(run, find_parts({work_folder(run)}, "cell0"), n);
        EXPECT_TRUE(result.folded);
        EXPECT_EQ(result.cell.count(), n);
        EXPECT_TRUE(std::filesystem::is_empty(work_folder(run)));
        EXPECT_TRUE(validate_run(run).empty());
        EXPECT_EQ(RunFile::open(run).cell("cell0", CellParts::all).images, make_cell(n).images);
        hashes.insert(stored_hash(run));
        EXPECT_FALSE(fold(run, {}, n).folded);  // stored already
    }
    EXPECT_EQ(hashes.size(), 1u);
}

TEST_F(StoreTest, ALargerNAddsToTheStoredCell) {
    make_part(run_, 0, 1, 20);
    EXPECT_TRUE(fold(run_, find_parts({work_folder(run_)}, "cell0"), 20).folded);
    for (int64_t rank = 0; rank < 2; ++rank) make_part(run_, rank, 2, 45, 20);
    EXPECT_TRUE(fold(run_, find_parts({work_folder(run_)}, "cell0"), 45).folded);
    const std::string whole = folder_ + "/whole.h5";
    make_part(whole, 0, 1, 45);
    EXPECT_TRUE(fold(whole, find_parts({work_folder(whole)}, "cell0"), 45).folded);
    EXPECT_EQ(stored_hash(run_), stored_hash(whole));
}

TEST_F(StoreTest, PartsFromSeveralFoldersAndOtherWorldSizes) {
    const std::string other = folder_ + "/machine2.h5";
    make_part(run_, 0, 2, 45);
    make_part(other, 1, 2, 45);
    make_part(other, 0, 3, 45);  // an earlier try with another world size: equal samples count once
    const auto parts = find_parts({work_folder(run_), work_folder(other), work_folder(run_) + "/."}, "cell0");
    EXPECT_EQ(parts.size(), 3u);
    EXPECT_TRUE(find_parts({work_folder(run_), folder_ + "/absent"}, "cell").empty());
    EXPECT_EQ(finished_ids(parts).size(), 45u);
    EXPECT_TRUE(finished_ids({folder_ + "/folded-meanwhile.h5"}).empty());
    EXPECT_TRUE(fold(run_, parts, 45).folded);
    EXPECT_EQ(RunFile::open(run_).cell("cell0", CellParts::all).features, make_cell(45).features);
}

TEST_F(StoreTest, PartsThatDoNotBelongTogetherAreErrors) {
    make_part(run_, 0, 2, 45);
    auto parts = find_parts({work_folder(run_)}, "cell0");
    EXPECT_NE(error_of([&] { gathered(parts); }).message().find("the first is 8"), std::string::npos);
    make_part(run_, 1, 2, 45, 0, "cell9");
    parts = find_parts({work_folder(run_)}, "cell0");
    EXPECT_NE(error_of([&] { gathered(parts); }).message().find("cell9"), std::string::npos);
    error_of([&] { fold(run_, parts, 45); });
    std::filesystem::remove(parts[1]);
    {  // rank 1 has other values for a sample of rank 0
        WorkLayout layout = make_layout(45, kBlock);
        layout.rank = 1;
        WorkFile work = WorkFile::open_or_create(parts[1], layout);
        BlockValues values = make_block(layout, 0, 45);
        values.features[3] += 1;
        work.append(values.block());
    }
    EXPECT_NE(error_of([&] { gathered(parts); }).message().find("sample 0 differs"), std::string::npos);
    std::filesystem::remove(parts[1]);
    {
        WorkLayout layout = make_layout(45, kBlock);
        layout.rank = 1;
        layout.labels = false;
        WorkFile::open_or_create(parts[1], layout).append(make_block(layout, 8, 8).block());
    }
    error_of([&] { gathered(parts); });
    std::filesystem::resize_file(parts[1], 100);
    error_of([&] { gathered(parts); });
    EXPECT_FALSE(std::filesystem::exists(run_));  // nothing was stored of all this
}

// The lock makes exactly one of the ranks fold, whichever finishes last.
TEST_F(StoreTest, ExactlyOneRankFolds) {
    for (int repetition = 0; repetition < 10; ++repetition) {
        const std::string run = folder_ + "/race" + std::to_string(repetition) + ".h5";
        constexpr int64_t world = 4, n = 64;
        std::vector<pid_t> ranks;
        for (int64_t rank = 0; rank < world; ++rank) {
            const pid_t child = ::fork();
            if (child == 0) {
                int result = 9;
                try {
                    make_part(run, rank, world, n);
                    result = fold(run, find_parts({work_folder(run)}, "cell0"), n).folded ? 1 : 0;
                } catch (const std::exception& e) {
                    std::cerr << e.what() << "\n";
                }
                ::_exit(result);
            }
            ranks.push_back(child);
        }
        int folded = 0;
        for (const pid_t child : ranks) {
            int status = 0;
            ::waitpid(child, &status, 0);
            ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 9);
            folded += WEXITSTATUS(status);
        }
        EXPECT_EQ(folded, 1);
        EXPECT_EQ(RunFile::open(run).cell_count("cell0"), n);
    }
}

TEST_F(StoreTest, PartsLeftByAKilledFoldAreRemoved) {
    make_part(run_, 0, 1, 20);
    const auto parts = find_parts({work_folder(run_)}, "cell0");
    std::filesystem::copy_file(parts[0], folder_ + "/kept.h5");
    EXPECT_TRUE(fold(run_, parts, 20).folded);
    std::filesystem::copy_file(folder_ + "/kept.h5", parts[0]);
    EXPECT_FALSE(fold(run_, parts, 20).folded);
    EXPECT_FALSE(std::filesystem::exists(parts[0]));
}

}  // namespace
}  // namespace schedbench
