#include "store/work_file.h"

#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <random>

#include "store_testing.h"

namespace schedbench {
namespace {

/// Whatever is flagged is what its id says.
void expect_intact(const WorkFile& work) {
    const WorkLayout& layout = work.layout();
    const auto images = work.images();
    const auto features = work.features();
    const auto labels = work.labels();
    for (size_t row = 0; row < work.ids().size(); ++row) {
        const int64_t id = work.ids()[row];
        ASSERT_EQ(id, static_cast<int64_t>(row));
        for (int64_t i = 0; i < layout.image_size(); ++i) {
            ASSERT_EQ(images[row * static_cast<size_t>(layout.image_size()) + static_cast<size_t>(i)],
                      pixel(id, i));
        }
        for (int64_t i = 0; i < layout.feature_dim; ++i) {
            ASSERT_EQ(features[row * static_cast<size_t>(layout.feature_dim) + static_cast<size_t>(i)],
                      feature(id, i));
        }
        ASSERT_EQ(labels[row], label(id));
    }
}

TEST_F(StoreTest, BlocksReadBack) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    EXPECT_EQ(path, folder_ + "/run.work/cell0.0.h5");
    const WorkLayout layout = make_layout(20);
    {
        WorkFile work = WorkFile::open_or_create(path, layout);
        work.append(make_block(layout, 0, 8).block());
        work.append(make_block(layout, 8, 5).block());
        EXPECT_EQ(work.rows(), 13);
    }
    const WorkFile work = WorkFile::open(path);
    EXPECT_EQ(work.rows(), 13);
    ASSERT_EQ(work.blocks().size(), 2u);
    EXPECT_EQ(work.blocks()[1].first_row, 8);
    EXPECT_EQ(work.blocks()[1].network_calls, 3);
    EXPECT_EQ(work.blocks()[1].seconds, 0.25);
    expect_intact(work);
}

// Promise 4: kill -9 at any time loses the block in flight at most, and a resumed file equals an
// uninterrupted one.
TEST_F(StoreTest, KilledWritersLoseOneBlockAtMost) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    const WorkLayout layout = make_layout(4000, 16);
    std::mt19937 random(7);
    int64_t most_rows = 0, kills = 0;
    for (int repetition = 0; repetition < 25; ++repetition) {
        std::filesystem::remove(path);
        int64_t rows = 0;
        for (int resume = 0; resume < 2; ++resume, ++kills) {
            int progress[2];
            ASSERT_EQ(::pipe(progress), 0);
            const pid_t child = ::fork();
            if (child == 0) {
                WorkFile work = WorkFile::open_or_create(path, layout);
                while (work.rows() < layout.capacity) {
                    work.append(make_block(layout, work.rows(), 16).block());
                    const int64_t reached = work.rows();
                    (void)!::write(progress[1], &reached, sizeof reached);
                }
                ::_exit(0);
            }
            ::close(progress[1]);
            // At any time in one of its first blocks, however fast the machine is: after so many of them, and
            // a moment.
            int64_t acknowledged = rows;
            for (auto blocks = random() % 30; blocks > 0; --blocks) {
                int64_t reached = 0;
                if (::read(progress[0], &reached, sizeof reached) != sizeof reached) break;
                acknowledged = reached;
            }
            ::usleep(static_cast<useconds_t>(random() % 3000));
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            for (int64_t reached; ::read(progress[0], &reached, sizeof reached) == sizeof reached;)
                acknowledged = reached;
            ::close(progress[0]);
            if (!std::filesystem::exists(path)) continue;  // killed before it was made
            const WorkFile work = WorkFile::open(path);
            ASSERT_GE(work.rows(), acknowledged);
            ASSERT_LE(work.rows(), acknowledged + 16);
            ASSERT_NO_FATAL_FAILURE(expect_intact(work));
            rows = work.rows();
            most_rows = std::max(most_rows, rows);
        }
        WorkFile work = WorkFile::open_or_create(path, layout);
        EXPECT_EQ(work.dropped(), 0);
    }
    std::cout << kills << " kills, up to " << most_rows << " rows written\n";
    EXPECT_GT(most_rows, 200);
}

TEST_F(StoreTest, RowsThatAreDamagedAreMadeAgain) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    const WorkLayout layout = make_layout(32);
    {
        WorkFile work = WorkFile::open_or_create(path, layout);
        for (int64_t first = 0; first < 32; first += 8) work.append(make_block(layout, first, 8).block());
    }
    {  // as after a power failure: flags reached the disk, values did not
        Hdf5File file = Hdf5File::open_for_writing(path);
        file.write_rows<float>("/features", 17, std::vector<float>(5, 0.f));
    }
    EXPECT_NE(error_of([&] { WorkFile::open(path); }).message().find("16 are intact"), std::string::npos);
    {
        WorkFile work = WorkFile::open_or_create(path, layout);
        EXPECT_EQ(work.rows(), 16);
        EXPECT_EQ(work.dropped(), 16);
        for (int64_t first = 16; first < 32; first += 8) work.append(make_block(layout, first, 8).block());
    }
    const WorkFile work = WorkFile::open(path);
    EXPECT_EQ(work.rows(), 32);
    expect_intact(work);
}

TEST_F(StoreTest, CapacityGrows) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    {
        WorkFile work = WorkFile::open_or_create(path, make_layout(10));
        work.append(make_block(work.layout(), 0, 8).block());
        work.append(make_block(work.layout(), 8, 8).block());  // more than announced
        EXPECT_GE(work.layout().capacity, 16);
    }
    {
        WorkFile work = WorkFile::open_or_create(path, make_layout(100));
        EXPECT_EQ(work.layout().capacity, 100);
        EXPECT_EQ(work.rows(), 16);
        work.append(make_block(work.layout(), 16, 8).block());
    }
    const WorkFile work = WorkFile::open(path);
    EXPECT_EQ(work.rows(), 24);
    EXPECT_EQ(work.blocks().size(), 3u);
    expect_intact(work);
    EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_F(StoreTest, OtherWorkIsNotReused) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    const WorkLayout layout = make_layout(16);
    WorkFile::open_or_create(path, layout).append(make_block(layout, 0, 8).block());
    const auto refused = [&](auto change) {
        WorkLayout other = layout;
        change(other);
        EXPECT_NE(error_of([&] { WorkFile::open_or_create(path, other); }).hint().find("not reused"),
                  std::string::npos);
    };
    refused([](WorkLayout& other) { other.identity = "cell1"; });
    refused([](WorkLayout& other) { other.rank = 1; });
    refused([](WorkLayout& other) { other.image_shape = {1, 4, 4}; });
    refused([](WorkLayout& other) { other.feature_dim = 6; });
    refused([](WorkLayout& other) { other.extractor = "other"; });
    refused([](WorkLayout& other) { other.labels = false; });
    WorkLayout ranks = layout;
    ranks.world_size = 4;  // another number of ranks goes on with the same samples
    EXPECT_EQ(WorkFile::open_or_create(path, ranks).rows(), 8);

    make_run(run_, 3);
    error_of([&] { WorkFile::open(run_); });
    std::filesystem::resize_file(path, 1000);
    error_of([&] { WorkFile::open(path); });
    error_of([&] { WorkFile::open_or_create(path, layout); });
}

TEST_F(StoreTest, AFileThatARankIsWritingIsLeftOut) {
    const std::string path = WorkFile::path_of(run_, "cell0", 0);
    int ready[2], done[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte = 0;
        WorkFile writer = WorkFile::open_or_create(path, make_layout(16));
        writer.append(make_block(writer.layout(), 0, 8).block());
        (void)!::write(ready[1], &byte, 1);
        (void)!::read(done[0], &byte, 1);
        writer.close();
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_NE(error_of([&] { WorkFile::open(path); }).hint().find("HDF5_USE_FILE_LOCKING"),
              std::string::npos);
    EXPECT_TRUE(finished_ids({path}).empty());
    ASSERT_EQ(::write(done[1], &byte, 1), 1);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(finished_ids({path}).size(), 8u);
}

TEST_F(StoreTest, WriteThroughputOfImageBlocks) {
    WorkLayout layout = make_layout(4096, 256);
    layout.image_shape = {3, 32, 32};
    layout.feature_dim = 0;
    const BlockValues values = make_block(layout, 0, 256);
    WorkFile work = WorkFile::open_or_create(WorkFile::path_of(run_, "cell0", 0), layout);
    const auto start = std::chrono::steady_clock::now();
    for (int64_t first = 0; first < layout.capacity; first += 256) {
        SampleBlock block = values.block();
        std::vector<int64_t> ids(256);
        for (int64_t i = 0; i < 256; ++i) ids[static_cast<size_t>(i)] = first + i;
        block.ids = ids;
        work.append(block);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double megabytes = 1e-6 * static_cast<double>(layout.capacity * layout.image_size());
    std::cout << "blocks of 256 images 3x32x32: " << megabytes / seconds << " MB/s\n";
    RecordProperty("megabytes_per_second", std::to_string(megabytes / seconds));
    EXPECT_GT(megabytes / seconds,
              20);  // far below what is measured on an idle machine: a guard against collapse
}

}  // namespace
}  // namespace schedbench
