#include "core/hdf5.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "core/error.h"

namespace schedbench {
namespace {

class Hdf5 : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("schedbench_hdf5_" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
        path_ = (folder_ / "a.h5").string();
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// The error of an action: kind "store", one line, its place starting with the file.
    template <class Action>
    Error error_of(Action&& action) {
        try {
            action();
        } catch (const Error& e) {
            EXPECT_EQ(e.kind(), "store");
            EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
            EXPECT_NE(e.where().find(folder_.string()), std::string::npos) << e.what();
            return e;
        }
        ADD_FAILURE() << "no error";
        return Error("none", "none");
    }

    std::filesystem::path folder_;
    std::string path_;
};

template <class T>
std::span<const T> as_span(const std::vector<T>& values) {
    return values;
}

TEST_F(Hdf5, EverythingReadsBack) {
    const std::vector<double> reals = {0.1, -0.0, std::numeric_limits<double>::infinity(), 1e-310, 5, 6};
    const std::vector<uint8_t> bytes = {0, 255, 7, 8, 9, 10};
    const std::vector<std::string> texts = {"", "one", "zwei \xc3\xbc", std::string(200000, 'x')};
    {
        Hdf5File file = Hdf5File::create(path_);
        file.create_group("/a/b/c");
        file.write<double>("/a/reals", {2, 3}, reals);
        file.write<double>("/a/scalar", {}, std::vector<double>{2.5});
        file.write<float>("/a/none", {0, 3}, std::vector<float>{});
        file.write<uint8_t>("/new/parents/bytes", {3, 2}, bytes);
        file.write_text("/text", texts[3]);
        file.write_texts("/texts", texts);
        file.write_texts("/no_texts", {});
        file.set_attribute("/", "seed", std::numeric_limits<int64_t>::min());
        file.set_attribute("/a", "long", texts[3]);
        file.set_attribute("/a", "text", texts[3]);
        file.set_attribute("/a", "text", "short");
        file.set_attribute("/a/reals", "units", "");
        file.set_attribute("/a/reals", "value", std::nan(""));
        file.close();
    }
    const Hdf5File file = Hdf5File::open(path_);
    EXPECT_EQ(file.list("/"), (std::vector<std::string>{"a", "new", "no_texts", "text", "texts"}));
    EXPECT_TRUE(file.exists("/a/b/c"));
    EXPECT_FALSE(file.exists("/a/x/c"));
    EXPECT_FALSE(file.exists("/a/reals/c"));
    EXPECT_TRUE(file.is_group("/a"));
    EXPECT_TRUE(file.is_dataset("/a/reals"));
    EXPECT_EQ(file.info("/a/reals").shape, (std::vector<int64_t>{2, 3}));
    const std::vector<double> back = file.read<double>("/a/reals");
    EXPECT_EQ(back, reals);
    EXPECT_TRUE(std::signbit(back[1]));
    EXPECT_EQ(file.read<double>("/a/scalar"), std::vector<double>{2.5});
    EXPECT_TRUE(file.read<float>("/a/none").empty());
    EXPECT_EQ(file.read<uint8_t>("/new/parents/bytes"), bytes);
    EXPECT_EQ(file.read<int64_t>("/new/parents/bytes"), std::vector<int64_t>(bytes.begin(), bytes.end()));
    EXPECT_EQ(file.read_text("/text"), texts[3]);
    EXPECT_EQ(file.read_texts("/texts"), texts);
    EXPECT_TRUE(file.read_texts("/no_texts").empty());
    EXPECT_EQ(file.integer_attribute("/", "seed"), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(file.text_attribute("/a", "text"), "short");
    EXPECT_EQ(file.text_attribute("/a", "long"), texts[3]);
    EXPECT_EQ(file.text_attribute("/a/reals", "units"), "");
    EXPECT_TRUE(std::isnan(file.real_attribute("/a/reals", "value")));
    EXPECT_EQ(file.attribute_names("/a/reals"), (std::vector<std::string>{"units", "value"}));
    EXPECT_EQ(file.attribute_type("/a/reals", "value"), Hdf5Type::float64);
}

TEST_F(Hdf5, RowsGrowAndAreReadInParts) {
    Hdf5File file = Hdf5File::create(path_);
    file.create_rows<float>("/rows", {2, 2}, 3);
    std::vector<float> all(7 * 4);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(i) + 0.5f;
    file.write_rows<float>("/rows", 3, as_span(all).subspan(12, 16));
    EXPECT_EQ(file.info("/rows").shape, (std::vector<int64_t>{7, 2, 2}));
    EXPECT_EQ(file.info("/rows").chunk, (std::vector<int64_t>{3, 2, 2}));
    EXPECT_EQ(file.read_rows<float>("/rows", 0, 3), std::vector<float>(12, 0.f));
    file.write_rows<float>("/rows", 0, as_span(all).first(12));
    EXPECT_EQ(file.read<float>("/rows"), all);
    EXPECT_EQ(file.read_rows<float>("/rows", 2, 3), std::vector<float>(all.begin() + 8, all.begin() + 20));
    EXPECT_EQ(file.read_rows<double>("/rows", 6, 1), std::vector<double>(all.begin() + 24, all.end()));
    EXPECT_TRUE(file.read_rows<float>("/rows", 7, 0).empty());
}

TEST_F(Hdf5, LinksAreMovedCopiedAndRemoved) {
    Hdf5File file = Hdf5File::create(path_);
    file.write<int64_t>("/x/values", {2}, std::vector<int64_t>{1, 2});
    file.set_attribute("/x", "name", "x");
    Hdf5File other = Hdf5File::create((folder_ / "b.h5").string());
    other.copy_from(file, "/x", "/deep/copy");
    EXPECT_EQ(other.read<int64_t>("/deep/copy/values"), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(other.text_attribute("/deep/copy", "name"), "x");
    other.rename("/deep/copy", "/moved/there");
    EXPECT_FALSE(other.exists("/deep/copy"));
    other.remove("/moved/there/values");
    EXPECT_FALSE(other.exists("/moved/there/values"));
    other.sync();
}

TEST_F(Hdf5, ErrorsNameFileAndObject) {
    const auto missing = error_of([&] { Hdf5File::open(path_); });
    EXPECT_NE(missing.message().find("no such file"), std::string::npos);
    Hdf5File file = Hdf5File::create(path_);
    error_of([&] { Hdf5File::create(path_); });
    error_of([&] { Hdf5File::create((folder_ / "none" / "a.h5").string()); });
    file.write<double>("/reals", {1}, std::vector<double>{1});
    EXPECT_EQ(error_of([&] { file.read<double>("/group/absent"); }).where(), path_ + ":/group/absent");
    EXPECT_NE(error_of([&] { file.read<float>("/reals"); }).message().find("float64"), std::string::npos);
    error_of([&] { file.read<uint8_t>("/reals"); });
    error_of([&] { file.read_text("/reals"); });
    error_of([&] { file.read_rows<double>("/reals", 1, 1); });
    error_of([&] { file.write<double>("/reals", {1}, std::vector<double>{1}); });
    error_of([&] { file.write_text("/zero", std::string("a\0b", 3)); });
    error_of([&] { file.remove("/absent"); });
    error_of([&] { file.list("/absent"); });
    error_of([&] { file.create_group("/reals"); });
    EXPECT_EQ(error_of([&] { file.text_attribute("/reals", "units"); }).where(), path_ + ":/reals@units");
    file.set_attribute("/reals", "units", "1");
    error_of([&] { file.integer_attribute("/reals", "units"); });
    const Hdf5File reader = [&] {
        file.close();
        return Hdf5File::open(path_);
    }();
    error_of([&] { const_cast<Hdf5File&>(reader).create_group("/new"); });
}

TEST_F(Hdf5, DamagedFilesAreErrors) {
    {
        Hdf5File file = Hdf5File::create(path_);
        file.write<double>("/reals", {10000}, std::vector<double>(10000, 1.0));
    }
    std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
    const auto truncated = error_of([&] { Hdf5File::open(path_); });
    EXPECT_NE(truncated.message().find("truncated"), std::string::npos);
    EXPECT_NE(truncated.hint().find("incomplete"), std::string::npos) << truncated.what();
    std::ofstream(path_) << "PNG or whatever";
    EXPECT_NE(error_of([&] { Hdf5File::open(path_); }).message().find("not an HDF5 file"), std::string::npos);
    std::ofstream(path_, std::ios::trunc).flush();
    error_of([&] { Hdf5File::open(path_); });
    error_of([&] { Hdf5File::open(folder_.string()); });
}

TEST_F(Hdf5, ALockedFileSaysWhatToDo) {
    Hdf5File::create(path_).close();
    int ready[2], done[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte = 0;
        Hdf5File holder = Hdf5File::open_for_writing(path_);
        (void)!::write(ready[1], &byte, 1);
        (void)!::read(done[0], &byte, 1);
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const auto locked = error_of([&] { Hdf5File::open(path_); });
    EXPECT_NE(locked.hint().find("HDF5_USE_FILE_LOCKING"), std::string::npos) << locked.what();
    ASSERT_EQ(::write(done[1], &byte, 1), 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    Hdf5File::open(path_);
}

TEST_F(Hdf5, ThreadsMayShareAFile) {
    Hdf5File file = Hdf5File::create(path_);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&file, t] {
            for (int i = 0; i < 50; ++i) {
                const std::string name = "/t" + std::to_string(t) + "/" + std::to_string(i);
                file.write<int64_t>(name, {1}, std::vector<int64_t>{i});
                EXPECT_THROW(file.read<int64_t>(name + "/absent"), Error);
                EXPECT_EQ(file.read<int64_t>(name), std::vector<int64_t>{i});
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Hdf5, ReplacedFileLeavesAnOpenReaderItsOld) {
    const auto make = [&](const std::string& path, int64_t value) {
        Hdf5File::create(path, true).write<int64_t>("/value", {1}, std::vector<int64_t>{value});
    };
    make(path_, 1);
    const Hdf5File reader = Hdf5File::open(path_);
    make(path_ + ".part", 2);
    replace_file(path_ + ".part", path_);
    EXPECT_EQ(reader.read<int64_t>("/value"), std::vector<int64_t>{1});
    EXPECT_EQ(Hdf5File::open(path_).read<int64_t>("/value"), std::vector<int64_t>{2});
    EXPECT_FALSE(std::filesystem::exists(path_ + ".part"));
    EXPECT_THROW(replace_file(path_ + ".part", path_), Error);
}

}  // namespace
}  // namespace schedbench
