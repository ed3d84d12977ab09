#include "store/validate.h"

#include <sys/wait.h>

#include <fstream>
#include <random>

#include "store_testing.h"

namespace schedbench {
namespace {

/// The findings after a change of a good run.
template <class Change>
std::vector<Finding> findings_after(const std::string& path, Change&& change) {
    std::filesystem::remove(path);
    make_run(path, 12);
    {
        Hdf5File file = Hdf5File::open_for_writing(path);
        change(file);
        file.close();
    }
    return validate_run(path);
}

/// Hashes over all records of a run.
std::string content(const RunFile& run) {
    std::string hashes;
    for (const auto& [collection, type] : schema_collections()) {
        for (const std::string& id : run.ids(collection)) {
            hashes += id + content_hash(run.file(), "/" + collection + "/" + id);
        }
    }
    return hashes + content_hash(run.file(), "/cells/cell0/metrics/fd-test");
}

TEST_F(StoreTest, ValidateFindsWhatWasChanged) {
    const std::string schedule = "/schedules/" + make_schedule().hash();
    const auto one = [&](const std::string& place, const std::string& words, auto change) {
        const std::vector<Finding> found = findings_after(run_, change);
        ASSERT_FALSE(found.empty()) << place << ": " << words;
        EXPECT_NE(found[0].where.find(place), std::string::npos)
            << found[0].where << ": " << found[0].message;
        EXPECT_NE(found[0].message.find(words), std::string::npos)
            << found[0].where << ": " << found[0].message;
        EXPECT_EQ(found[0].where.find(run_), 0u);
    };
    EXPECT_TRUE(findings_after(run_, [](Hdf5File&) {}).empty());
    one("/cells/cell0", "sealed",
        [](Hdf5File& f) { f.write_rows<float>("/cells/cell0/features", 3, std::vector<float>(5)); });
    one("/cells/cell0", "sealed", [](Hdf5File& f) { f.set_attribute("/cells/cell0", "nfe", int64_t{18}); });
    one("/metrics/fd-test", "sealed",
        [](Hdf5File& f) { f.set_attribute("/cells/cell0/metrics/fd-test", "value", 1.0); });
    one("/cells/cell0", "seed is float64", [](Hdf5File& f) { f.set_attribute("/cells/cell0", "seed", 1.5); });
    one("/cells/cell0/sample_ids", "missing", [](Hdf5File& f) { f.remove("/cells/cell0/sample_ids"); });
    one("/cells/cell0/extra", "no such", [](Hdf5File& f) { f.create_group("/cells/cell0/extra"); });
    one(schedule, "missing", [&](Hdf5File& f) { f.remove(schedule + "/effective"); });
    one(schedule, "units", [&](Hdf5File& f) {
        f.remove(schedule + "/effective");
        f.write<double>(schedule + "/effective", {4}, std::vector<double>(4));
    });
    one("/" + schedule.substr(1), "axis knot has 5", [&](Hdf5File& f) {
        f.remove(schedule + "/model_time");
        f.write<double>(schedule + "/model_time", {5}, std::vector<double>(5));
        f.set_attribute(schedule + "/model_time", "units", "network time");
        f.set_attribute(schedule + "/model_time", "axes", "knot");
    });
    one("/models", "missing", [](Hdf5File& f) { f.remove("/models"); });
    one("/cells/cell0", "which is not there", [](Hdf5File& f) { f.remove("/models/model0"); });
    one("/data/data0", "encoding_type",
        [](Hdf5File& f) { f.set_attribute("/data/data0", "encoding_type", "cell"); });
    one("/", "software", [](Hdf5File& f) { f.set_attribute("/", "software", int64_t{1}); });
}

// Bytes of a run file are overwritten at random. Every reading must end with values or with errors of ours:
// no crash of the library may take the program down. Damage that no metadata holds is found by the content
// hashes.
TEST_F(StoreTest, DamagedBytesAreFoundOrHarmless) {
    make_run(run_, 12);
    std::string good(std::filesystem::file_size(run_), '\0');
    std::ifstream(run_, std::ios::binary).read(good.data(), static_cast<std::streamsize>(good.size()));
    const std::string good_content = content(RunFile::open(run_));
    std::mt19937 random(11);
    int crashed = 0, found = 0, missed = 0;
    constexpr int kTries = 150;
    for (int i = 0; i < kTries; ++i) {
        std::string bad = good;
        const size_t offset = random() % bad.size();
        for (size_t k = 0; k < 1 + random() % 8 && offset + k < bad.size(); ++k)
            bad[offset + k] = static_cast<char>(random());
        const std::string path = folder_ + "/bad.h5";
        std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            int result = 0;
            try {
                result = validate_run(path).empty() ? 0 : 1;
                const RunFile run = RunFile::open(path);
                run.cell("cell0", CellParts::all);
                if (result == 0 && content(run) != good_content) result = 8;
            } catch (const Error&) {
                result = 1;
            } catch (...) {
                result = 9;
            }
            ::_exit(result);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 9) {
            ++crashed;
        } else if (WEXITSTATUS(status) == 8) {
            ++missed;
        } else {
            found += WEXITSTATUS(status);
        }
    }
    std::cout << kTries << " damaged files: " << found << " found, " << crashed << " crashes, " << missed
              << " missed\n";
    EXPECT_EQ(missed, 0);
    EXPECT_EQ(crashed, 0);
}

TEST_F(StoreTest, TruncatedRunsAreErrors) {
    make_run(run_, 12);
    const auto size = std::filesystem::file_size(run_);
    for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.999}) {
        std::filesystem::remove(run_);
        make_run(run_, 12);
        std::filesystem::resize_file(run_, static_cast<uintmax_t>(share * static_cast<double>(size)));
        error_of([&] { validate_run(run_); });
    }
}

}  // namespace
}  // namespace schedbench
