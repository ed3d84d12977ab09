// The cache of features and the pass that fills it: block by block, killed and continued, two processes,
// damage told and mended, never used.
#include "eval/feature_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>

#include "core/error.h"
#include "eval/feature_pass.h"
#include "numbers.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

class FeatureCache : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "schedbench-cache-XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    void TearDown() override { fs::remove_all(folder_); }

    FeatureKey key(int64_t n = 300) const { return {"data", "net", "weights", "tf1", "float32", n, 5, 128}; }
    std::unique_ptr<FeatureEntry> open(const FeatureKey& k) {
        return std::make_unique<FeatureEntry>(folder_, k,
                                              [&](const std::string& text) { notes_.push_back(text); });
    }
    void fill(FeatureEntry& entry, const at::Tensor& rows) {
        for (int64_t b = 0; b < entry.blocks(); ++b)
            entry.put(b, rows.narrow(0, 128 * b, std::min<int64_t>(128, rows.size(0) - 128 * b)));
    }
    void damage(const std::string& path, std::streamoff at) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(at);
        const char old = static_cast<char>(file.get());
        file.seekp(at);
        file.put(static_cast<char>(old ^ 0x10));
    }

    std::string folder_;
    std::vector<std::string> notes_;
};

TEST_F(FeatureCache, KeepsBlocks) {
    const at::Tensor rows = skewed_features(300, 5, 1).to(at::kFloat);
    {
        auto entry = open(key());
        EXPECT_EQ(entry->blocks(), 3);
        EXPECT_FALSE(entry->has(0));
        entry->put(1, rows.narrow(0, 128, 128));
    }
    {
        auto entry = open(key());
        EXPECT_FALSE(entry->has(0));
        EXPECT_TRUE(entry->has(1));
        fill(*entry, rows);
        EXPECT_TRUE(entry->features().equal(rows));
    }
    EXPECT_TRUE(open(key())->features().equal(rows));
    EXPECT_TRUE(notes_.empty());
}

TEST_F(FeatureCache, EveryPartOfTheKeyCounts) {
    std::set<std::string> names;
    FeatureKey k = key();
    names.insert(k.file_name());
    const auto changed = [&](const std::function<void(FeatureKey&)>& change) {
        FeatureKey other = k;
        change(other);
        EXPECT_TRUE(names.insert(other.file_name()).second) << other.line();
    };
    changed([](FeatureKey& o) { o.data = "other"; });
    changed([](FeatureKey& o) { o.extractor = "other"; });
    changed([](FeatureKey& o) { o.weights = "other"; });
    changed([](FeatureKey& o) { o.pipeline = "clean"; });
    changed([](FeatureKey& o) { o.precision = "bfloat16"; });
    changed([](FeatureKey& o) { o.images = 299; });
    changed([](FeatureKey& o) { o.dim = 6; });
    changed([](FeatureKey& o) { o.block_rows = 64; });
}

// Every byte of the file, one at a time: what is read is right or told and absent.
TEST_F(FeatureCache, NoDamagedByteIsUsed) {
    const FeatureKey k = {"data", "net", "weights", "tf1", "float32", 5, 3, 2};
    const at::Tensor rows = skewed_features(5, 3, 2).to(at::kFloat);
    const auto put_all = [&](FeatureEntry& entry) {
        for (int64_t b = 0; b < 3; ++b) entry.put(b, rows.narrow(0, 2 * b, b < 2 ? 2 : 1));
    };
    std::string path;
    {
        auto entry = open(k);
        put_all(*entry);
        path = entry->path();
    }
    const auto size = static_cast<std::streamoff>(fs::file_size(path));
    int told = 0;
    for (std::streamoff at = 0; at < size; at += at < kFeatureHeader && at > 400 ? 97 : 1) {
        damage(path, at);
        notes_.clear();
        auto entry = open(k);
        bool all = true;
        for (int64_t b = 0; b < 3; ++b) all &= entry->has(b);
        if (all) {
            EXPECT_TRUE(entry->features().equal(rows)) << at;  // padding of the last, shorter block
        } else {
            ASSERT_EQ(notes_.size(), 1u) << at;
            EXPECT_NE(notes_[0].find(path), std::string::npos);
            EXPECT_NE(notes_[0].find("made again"), std::string::npos);
            ++told;
        }
        put_all(*entry);
        EXPECT_TRUE(entry->features().equal(rows));
    }
    EXPECT_GT(told, 300);
    // Cut short, and another file under its name.
    fs::resize_file(path, static_cast<uintmax_t>(size) - 10);
    EXPECT_FALSE(open(k)->has(2));
    std::ofstream(path) << "something else";
    notes_.clear();
    EXPECT_FALSE(open(k)->has(0));
    EXPECT_EQ(notes_.size(), 1u);
}

TEST_F(FeatureCache, SurvivesAKillAtAnyTime) {
    const at::Tensor rows = skewed_features(2000, 5, 3).to(at::kFloat);
    FeatureKey k = key(2000);
    k.block_rows = 4;
    int64_t blocks = 0;
    for (int round = 0; round < 20; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            FeatureEntry entry(folder_, k, [](const std::string&) {});
            for (int64_t b = 0; b < entry.blocks(); ++b) {
                if (!entry.has(b)) entry.put(b, rows.narrow(0, 4 * b, 4));
                usleep(200);
            }
            _exit(0);
        }
        usleep(static_cast<useconds_t>(1000 + 700 * round));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        auto entry = open(k);
        int64_t found = 0;
        for (int64_t b = 0; b < entry->blocks(); ++b) found += entry->has(b) ? 1 : 0;
        EXPECT_GE(found, blocks);  // nothing is lost
        blocks = found;
    }
    auto entry = open(k);
    for (int64_t b = 0; b < entry->blocks(); ++b)
        if (!entry->has(b)) entry->put(b, rows.narrow(0, 4 * b, 4));
    EXPECT_TRUE(entry->features().equal(rows));
    EXPECT_TRUE(notes_.empty());
}

TEST_F(FeatureCache, TheSecondProcessWaitsAndFindsItFilled) {
    const at::Tensor rows = skewed_features(300, 5, 4).to(at::kFloat);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        FeatureEntry entry(folder_, key(), [](const std::string&) {});
        char byte = 1;
        if (write(ready[1], &byte, 1) != 1) _exit(1);
        usleep(200000);
        fill(entry, rows);
        _exit(0);
    }
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    auto entry = open(key());
    EXPECT_TRUE(entry->features().equal(rows));
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_NE(notes_[0].find("waiting for another process"), std::string::npos);
    waitpid(child, nullptr, 0);
}

TEST_F(FeatureCache, TheLeastRecentlyUsedGoesAndNeverOneInUse) {
    const at::Tensor rows = skewed_features(300, 5, 5).to(at::kFloat);
    const auto key_of = [&](const std::string& data) {
        FeatureKey k = key();
        k.data = data;
        return k;
    };
    const auto there = [&](const std::string& data) {
        return fs::exists(folder_ + "/" + key_of(data).file_name());
    };
    const auto age = [&](const std::string& data, int hours) {
        fs::last_write_time(folder_ + "/" + key_of(data).file_name(),
                            fs::file_time_type::clock::now() - std::chrono::hours(hours));
    };
    int hours = 10;
    for (const char* data : {"a", "b", "c", "d"}) {
        auto entry = open(key_of(data));
        fill(*entry, rows);
        entry.reset();
        age(data, --hours);
    }
    std::ofstream(folder_ + "/notes.txt") << "not an entry";
    const CacheSize all = feature_cache_size(folder_);
    EXPECT_EQ(all.entries, 4);
    const int64_t one = all.bytes / 4;
    EXPECT_EQ(trim_feature_cache(folder_, all.bytes).entries, 0);
    EXPECT_TRUE(open(key_of("a"))->features().equal(rows));  // now the most recently used
    auto used = open(key_of("b"));
    age("b", 20);
    const CacheSize removed = trim_feature_cache(folder_, 2 * one);
    EXPECT_EQ(removed.entries, 2);
    EXPECT_EQ(removed.bytes, 2 * one);
    EXPECT_TRUE(there("a") && there("b"));
    EXPECT_FALSE(there("c") || there("d"));
    EXPECT_EQ(trim_feature_cache(folder_, 0).entries, 1);
    EXPECT_TRUE(there("b"));
    EXPECT_TRUE(used->features().equal(rows));
    used.reset();
    EXPECT_EQ(trim_feature_cache(folder_, 0).entries, 1);
    EXPECT_EQ(feature_cache_size(folder_).entries, 0);
    EXPECT_EQ(feature_cache_size(folder_ + "/none").entries, 0);
    EXPECT_TRUE(fs::exists(folder_ + "/notes.txt"));
    EXPECT_TRUE(notes_.empty());
}

// Some fill entries while others remove all that is not open: whoever has one open keeps it.
TEST_F(FeatureCache, RemovalAndUseAtTheSameTime) {
    const at::Tensor rows = skewed_features(300, 5, 6).to(at::kFloat);
    std::vector<pid_t> children;
    for (int c = 0; c < 3; ++c) {
        children.push_back(fork());
        if (children.back() != 0) continue;
        bool good = true;
        for (int i = 0; i < 60; ++i) {
            if (c == 2) {
                trim_feature_cache(folder_, 0);
                continue;
            }
            FeatureEntry entry(folder_, key(), [](const std::string&) {});
            fill(entry, rows);
            good &= entry.features().equal(rows) && fs::exists(entry.path());
        }
        _exit(good ? 0 : 1);
    }
    for (const pid_t child : children) {
        int status = 1;
        waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
}

TEST_F(FeatureCache, FolderThatCannotBeMade) {
    std::ofstream(folder_ + "/file") << "x";
    EXPECT_THROW(FeatureEntry(folder_ + "/file/sub", key(), [](const std::string&) {}), Error);
}

Dataset images(int64_t n, int64_t channels = 1) {
    Dataset data;
    data.spec = "test";
    data.count = n, data.channels = channels, data.height = data.width = 16;
    for (int64_t i = 0; i < n * data.image_size(); ++i)
        data.pixels.push_back(static_cast<uint8_t>((i * 2654435761u) >> 11));
    data.hash = "hash " + std::to_string(n);
    return data;
}

TEST_F(FeatureCache, APassEqualsTheExtractor) {
    const auto extractor = make_extractor(Spec::parse("pixels:size=16"));
    const Dataset data = images(300);
    const at::Tensor direct = extract_features(
        *extractor, at::tensor(at::ArrayRef<uint8_t>(data.pixels), at::kByte).reshape({300, 1, 16, 16}));
    const auto source = images_of(data);
    EXPECT_TRUE(run_feature_pass(*extractor, *source, {"features"}).at("features").equal(direct));
    FeaturePassOptions options;
    options.cache.folder = folder_;
    options.note = [&](const std::string& text) { notes_.push_back(text); };
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(
            run_feature_pass(*extractor, *source, {"features"}, options).at("features").equal(direct));
    options.batch = 7;
    EXPECT_TRUE(run_feature_pass(*extractor, *source, {"features"}, options).at("features").equal(direct));
    EXPECT_TRUE(notes_.empty());
    int64_t entries = 0;
    for (const auto& file : fs::directory_iterator(folder_))
        entries += file.path().extension() == ".features" ? 1 : 0;
    EXPECT_EQ(entries, 2);
    // A pass keeps its own entry whatever the limit, and says what went.
    options.cache.limit = 0;
    EXPECT_TRUE(run_feature_pass(*extractor, *source, {"features"}, options).at("features").equal(direct));
    EXPECT_EQ(feature_cache_size(folder_).entries, 1);
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_NE(notes_[0].find("1 least recently used"), std::string::npos) << notes_[0];
    notes_.clear();
    // A default folder that cannot be written is told; one that was named is an error.
    std::ofstream(folder_ + "/file") << "x";
    options.cache.folder = folder_ + "/file/sub";
    EXPECT_TRUE(run_feature_pass(*extractor, *source, {"features"}, options).at("features").equal(direct));
    EXPECT_EQ(notes_.size(), 1u);
    options.cache.is_default = false;
    EXPECT_THROW(run_feature_pass(*extractor, *source, {"features"}, options), Error);
}

}  // namespace
}  // namespace schedbench
