#include "store/run_file.h"

#include <sys/wait.h>

#include <fstream>

#include "store/validate.h"
#include "store_testing.h"

namespace schedbench {
namespace {

void expect_everything(const RunFile& run, int64_t n) {
    EXPECT_EQ(run.header().software, "schedbench 0.1.0");
    EXPECT_EQ(run.header().status, "running");
    EXPECT_EQ(run.suite("suite0").text, "steps=9\n# comment \"x\"\n");
    EXPECT_EQ(run.suite("suite0").settings, R"({"steps":[9]})");
    EXPECT_EQ(run.provenance("1").values.at("host"), "a");
    EXPECT_EQ(run.provenance("1").values.size(), 3u);
    const Schedule expected = make_schedule();
    const ScheduleRecord schedule = run.schedule(expected.hash());
    EXPECT_EQ(schedule.schedule.hash(), expected.hash());
    EXPECT_EQ(schedule.schedule.requested, expected.requested);
    EXPECT_EQ(schedule.schedule.index, expected.index);
    EXPECT_TRUE(std::isnan(schedule.schedule.model_time[3]));
    ASSERT_TRUE(schedule.learned);
    EXPECT_EQ(schedule.learned->cost_curve, (std::vector<double>{1, 2, 3}));
    EXPECT_EQ(run.model("model0").shape, (std::vector<int64_t>{3, 4, 4}));
    EXPECT_EQ(run.data("data0").classes, 10);
    EXPECT_EQ(run.extractor("extractor0").pipeline, "round");
    EXPECT_EQ(run.extractor("extractor0").precision, "float32");
    EXPECT_EQ(run.extractor("extractor0").deviation, 0);
    const ReferenceRecord reference = run.reference("reference0");
    EXPECT_EQ(reference.outer, (std::vector<double>{1, 2, 2, 5}));
    EXPECT_EQ(reference.features, (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(reference.n, 2);
    const StatisticsRecord statistics = run.statistics("statistics0");
    EXPECT_EQ(statistics.texts.at("model"), "model0");
    EXPECT_EQ(statistics.integers.at("n"), 64);
    EXPECT_EQ(statistics.reals.at("floor"), 1e-300);
    EXPECT_EQ(statistics.arrays.at("M").axes, "level,clip");
    EXPECT_EQ(statistics.arrays.at("M").shape, (std::vector<int64_t>{2, 2}));
    const LikelihoodRecord likelihood = run.likelihood("likelihood0");
    EXPECT_EQ(likelihood.text_columns.at("variance")[1], "posterior");
    EXPECT_EQ(likelihood.columns.at("bits_per_dim"), (std::vector<double>{3.75, 3.5}));
    EXPECT_EQ(likelihood.columns.size(), 2u);
    EXPECT_EQ(likelihood.arrays.at("per_image").units, "bits/dim");
    const CellRecord made = make_cell(n), cell = run.cell("cell0", CellParts::all);
    EXPECT_EQ(cell.seed, made.seed);
    EXPECT_EQ(cell.nfe, 17);
    EXPECT_EQ(cell.sample_ids, made.sample_ids);
    EXPECT_EQ(cell.labels, made.labels);
    EXPECT_EQ(cell.images, made.images);
    EXPECT_EQ(cell.image_shape, made.image_shape);
    EXPECT_EQ(cell.features, made.features);
    EXPECT_EQ(cell.preview, made.preview);
    EXPECT_EQ(cell.preview_shape, made.preview_shape);
    EXPECT_EQ(cell.timing.seconds, made.timing.seconds);
    EXPECT_EQ(cell.metrics.at("fd-test").estimate.value, 1.25);
    EXPECT_EQ(cell.metrics.at("fd-test").estimate.estimand, "Frechet distance at this n");
    EXPECT_EQ(cell.metrics.at("fd-test").influence, made.metrics.at("fd-test").influence);
    EXPECT_EQ(cell.metrics.at("fd-test").influence_ref, made.metrics.at("fd-test").influence_ref);
    const CellRecord summary = run.cell("cell0");
    EXPECT_TRUE(summary.images.empty() && summary.features.empty());
    EXPECT_TRUE(summary.metrics.at("fd-test").influence.empty());
    EXPECT_EQ(summary.feature_dim, 5);
    EXPECT_EQ(run.cell_count("cell0"), n);
    EXPECT_EQ(run.cell_count("absent"), 0);
}

TEST_F(StoreTest, EveryRecordReadsBack) {
    make_run(run_, 12);
    expect_everything(RunFile::open(run_), 12);
    for (const Finding& finding : validate_run(run_))
        ADD_FAILURE() << finding.where << ": " << finding.message;
    EXPECT_FALSE(std::filesystem::exists(run_ + ".part"));
}

// One file a schema version: what this version wrote must be readable for ever. See make_fixture.cpp.
TEST_F(StoreTest, FixturesOfAllSchemaVersions) {
    int count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(SCHEDBENCH_SOURCE_DIR "/tests/store/fixtures")) {
        if (entry.path().extension() != ".h5") continue;
        SCOPED_TRACE(entry.path().string());
        expect_everything(RunFile::open(entry.path().string()), 12);
        for (const Finding& finding : validate_run(entry.path().string())) {
            ADD_FAILURE() << finding.where << ": " << finding.message;
        }
        ++count;
    }
    EXPECT_GT(count, 0);
}

TEST_F(StoreTest, AnExtractorsPrecisionIsKeptAndItsFileMayMove) {
    const RunLock lock(run_);
    {
        RunEdit edit(lock, make_header());
        edit.put(ExtractorRecord{"half", "net:file=a", "ff00", "tf1", 8, "bf16", 0.0021});
        // Measured on another CPU, from a file elsewhere: the same extractor.
        edit.put(ExtractorRecord{"half", "net:file=b", "ff00", "tf1", 8, "bf16", 0.0022});
        error_of([&] { edit.put(ExtractorRecord{"half", "net:file=a", "ff01", "tf1", 8, "bf16", 0}); });
        edit.commit();
    }
    const ExtractorRecord record = RunFile::open(run_).extractor("half");
    EXPECT_EQ(record.precision, "bf16");
    EXPECT_EQ(record.deviation, 0.0021);
    EXPECT_EQ(record.spec, "net:file=a");
    EXPECT_TRUE(validate_run(run_).empty());
}

TEST_F(StoreTest, EqualIdsAreReusedAndOthersRefused) {
    make_run(run_, 12);
    make_run(run_, 12);  // everything equal: nothing changes
    EXPECT_EQ(RunFile::open(run_).ids("provenance").size(), 1u);
    const std::string before = RunFile::open(run_).file().text_attribute("/cells/cell0", "content_hash");
    const RunLock lock(run_);
    {
        RunEdit edit(lock, make_header());
        error_of([&] { edit.put(SuiteRecord{"suite0", "steps=10\n", "{}"}); });
        error_of([&] { edit.put(ModelRecord{"model0", "other", "", "continuous", {3, 4, 4}, "{}"}); });
        error_of([&] { edit.put(ModelRecord{"a/b", "other", "", "continuous", {3, 4, 4}, "{}"}); });
        CellRecord other = edit.cell("cell0", CellParts::all);
        other.labels[3] += 1;
        error_of([&] { edit.put_cell(other); });
        other = edit.cell("cell0", CellParts::all);
        other.features[7] += 1;
        error_of([&] { edit.put_cell(other); });
        EXPECT_EQ(edit.put(ProvenanceRecord{{{"host", "b"}}}), "2");
    }  // not committed: nothing of this is in the run
    EXPECT_EQ(RunFile::open(run_).ids("provenance").size(), 1u);
    EXPECT_EQ(RunFile::open(run_).file().text_attribute("/cells/cell0", "content_hash"), before);
    EXPECT_FALSE(std::filesystem::exists(run_ + ".part"));
}

TEST_F(StoreTest, RecordsOfAnOlderMinorVersionAreThoseOfToday) {
    const std::string path = folder_ + "/records.h5";
    Hdf5File file = Hdf5File::create(path);
    const auto record = [&](const std::string& name, const std::string& version, const std::string& value,
                            bool more) {
        create_record(file, name, "model");
        file.set_attribute(name, "encoding_version", version);
        file.set_attribute(name, "spec", value);
        if (more) file.set_attribute(name, "news", "of 1.1");
        seal_record(file, name);
    };
    record("/old", "1.0", "exact:gaussian", false);
    record("/new", "1.1", "exact:gaussian", true);
    record("/changed", "1.1", "exact:mixture", true);
    record("/less", "1.1", "exact:gaussian", false);
    EXPECT_TRUE(same_record(file, "/old", file, "/new"));
    EXPECT_TRUE(same_record(file, "/new", file, "/old"));
    EXPECT_TRUE(same_record(file, "/old", file, "/less"));
    EXPECT_FALSE(same_record(file, "/old", file, "/changed"));
    EXPECT_FALSE(same_record(file, "/new", file, "/less"));  // of one version, they must be equal
}

TEST_F(StoreTest, LargerNAddsSamplesAndKeepsOtherMetrics) {
    make_run(run_, 12);
    const RunLock lock(run_);
    {
        RunEdit edit(lock, make_header());
        MetricRecord kid;
        kid.estimate = {"kid", 2, 0.1, 12, "KID", "", ""};
        kid.identity = "k12";
        edit.put_metric("cell0", "kid", kid);
        kid.estimate.value = 3;
        edit.put_metric("cell0", "kid", kid);  // same identity: left as it is
        EXPECT_EQ(edit.cell("cell0").metrics.at("kid").estimate.value, 2);
        put_everything(edit, 30);
        edit.commit();
    }
    {
        const RunFile run = RunFile::open(run_);
        const CellRecord cell = run.cell("cell0", CellParts::all), made = make_cell(30);
        EXPECT_EQ(cell.features, made.features);
        EXPECT_EQ(cell.images, made.images);
        EXPECT_EQ(cell.metrics.at("fd-test").estimate.n, 30);
        EXPECT_EQ(cell.metrics.at("kid").estimate.n, 12);
        EXPECT_TRUE(validate_run(run_).empty());
    }
    make_run(folder_ + "/small.h5", 12);
    RunEdit edit(lock, make_header());
    edit.merge(RunFile::open(folder_ + "/small.h5"));  // fewer samples take nothing away
    EXPECT_EQ(edit.cell_count("cell0"), 30);
    EXPECT_EQ(edit.cell("cell0").metrics.at("fd-test").estimate.n, 30);
}

TEST_F(StoreTest, MergeOfRunsFromTwoMachines) {
    make_run(run_, 12);
    const std::string other = folder_ + "/other.h5";
    {
        const RunLock lock(other);
        RunEdit edit(lock, make_header());
        put_everything(edit, 20);
        CellRecord second = make_cell(4);
        second.id = "cell1";
        second.schedule = make_schedule().hash();
        edit.put_cell(second);
        edit.put(ProvenanceRecord{{{"host", "b"}}});
        edit.commit();
    }
    {
        const RunLock lock(run_);
        RunEdit edit(lock, make_header());
        edit.merge(RunFile::open(other));
        edit.commit();
    }
    const RunFile run = RunFile::open(run_);
    EXPECT_EQ(run.cell_count("cell0"), 20);
    EXPECT_EQ(run.cell_count("cell1"), 4);
    EXPECT_EQ(run.ids("provenance").size(), 2u);
    EXPECT_TRUE(validate_run(run_).empty());
    {
        const RunLock lock(other);
        RunEdit edit(lock, make_header());
        RunFile alien = RunFile::open(run_);
        edit.put(ModelRecord{"model9", "x", "", "continuous", {1}, "{}"});
        edit.commit();
    }
    std::filesystem::remove(run_);
    {
        const RunLock lock(run_);
        RunEdit edit(lock, make_header());
        edit.put(ModelRecord{"model9", "y", "", "continuous", {1}, "{}"});
        error_of([&] { edit.merge(RunFile::open(other)); });
    }
}

TEST_F(StoreTest, AReaderKeepsItsFileWhileTheRunIsChanged) {
    make_run(run_, 12);
    int ready[2], go[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(go), 0);
    const pid_t child = ::fork();
    if (child == 0) {  // another process reads, before and after the change
        char byte = 0;
        const RunFile run = RunFile::open(run_);
        (void)!::write(ready[1], &byte, 1);
        (void)!::read(go[0], &byte, 1);
        const bool good = run.cell("cell0", CellParts::all).features == make_cell(12).features &&
                          RunFile::open(run_).cell_count("cell0") == 20;
        ::_exit(good ? 0 : 1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    make_run(run_, 20);
    ASSERT_EQ(::write(go[1], &byte, 1), 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// An edit that is killed at any time leaves the run as it was, and the next edit works.
TEST_F(StoreTest, KilledEditsLeaveTheRunWhole) {
    make_run(run_, 12);
    for (int i = 0; i < 12; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            for (int64_t n = 13;; ++n) make_run(run_, n);
        }
        ::usleep(static_cast<useconds_t>(2000 + 2900 * i));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        ASSERT_TRUE(validate_run(run_).empty());
        const RunFile run = RunFile::open(run_);
        ASSERT_EQ(run.cell("cell0", CellParts::all).features, make_cell(run.cell_count("cell0")).features);
        std::filesystem::remove(run_);
        make_run(run_, 12);
    }
}

TEST_F(StoreTest, AlienAndNewerFilesAreErrors) {
    error_of([&] { RunFile::open(run_); });
    std::ofstream(run_) << "text";
    error_of([&] { RunFile::open(run_); });
    Hdf5File::create(run_, true).create_group("/a");
    EXPECT_NE(error_of([&] { RunFile::open(run_); }).message().find("not a run"), std::string::npos);
    {
        const RunLock lock(run_);
        error_of([&] { RunEdit(lock, make_header()); });
    }
    std::filesystem::remove(run_);
    make_run(run_, 3);
    for (const char* version : {"1.2", "2.0", "one", "1"}) {
        Hdf5File::open_for_writing(run_).set_attribute("/", "schema_version", version);
        error_of([&] { RunFile::open(run_); });
    }
    EXPECT_THROW(RunLock(folder_ + "/none/run.h5"), Error);
}

}  // namespace
}  // namespace schedbench
