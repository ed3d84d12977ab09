// The program end to end through its command line: real files, real processes, real kills.
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "store/block_claims.h"
#include "store/rank_lock.h"
#include "store/run_file.h"
#include "store/run_lock.h"
#include "store/validate.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

// An exact denoiser for images whose samples are noise around mid-gray, real images as reference, exact
// features: every station of the way but a network, in about a second a run. Learned schedules of both kinds
// are in it.
const char* const kSuite =
    "name = tiny\n"
    "model = exact:gaussian,c=0.3,shape=[1,32,32],process={linear:T=40}\n"
    "schedule = edm\nschedule = even\n"
    "schedule = score-optimal:probes=32,batch=16,spacing=0.5\nschedule = dp-elbo\n"
    "sampler = ddim:eta=0.5\nsampler = heun\n"
    "budget = 5\nbudget = 7\n"
    "images = 150\nbatch = 16\n"
    "reference = fashion-mnist\nreference-images = 600\nheldout = fashion-mnist:split=test\n"
    "extractor = pixels\n"
    "bpd-stride = even\nbpd-stride = dp\nbpd-variance = posterior\nbpd-steps = 4\nbpd-cells = true\n"
    "statistics-images = 8\n";

// Twelve blocks of equal length: ranks end at the same time.
const char* const kOneCell =
    "name = one-cell\n"
    "model = exact:gaussian,c=0.3,shape=[1,8,8],process={linear:T=1000}\n"
    "schedule = even\nsampler = ddim:eta=0.5\nbudget = 400\nimages = 12\nbatch = 1\n";

/// How often the file was closed by someone who had it open for writing, since the watch began.
int closed_after_writing(int watch, const std::string& name) {
    int times = 0;
    alignas(inotify_event) char events[4096];
    for (ssize_t size = 0; (size = read(watch, events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < size;) {
            const auto* event = reinterpret_cast<const inotify_event*>(events + at);
            if (event->len > 0 && event->name == name) ++times;
            at += static_cast<ssize_t>(sizeof *event + event->len);
        }
    return times;
}

class SweepTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!fs::exists("/usr/share/datasets/fashion-mnist"))
            GTEST_SKIP() << "the Fashion-MNIST package is not installed";
        const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
        folder_ =
            fs::temp_directory_path() / ("schedbench-sweep-" + std::to_string(getpid()) + "-" + info->name());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        setenv("SCHEDBENCH_CACHE", "none", 1);
        suite_ = write("tiny.suite", kSuite);
    }
    void TearDown() override {
        std::error_code ignored;
        if (!HasFailure() && !folder_.empty()) fs::remove_all(folder_, ignored);
    }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
        return path(name);
    }

    /// Starts the program; its output goes to files.
    pid_t start(std::vector<std::string> arguments, const std::string& log = "log") const {
        const pid_t pid = fork();
        if (pid != 0) return pid;
        const std::string out = path(log + ".out"), err = path(log + ".err");
        if (!std::freopen(out.c_str(), "w", stdout) || !std::freopen(err.c_str(), "w", stderr)) _exit(99);
        std::vector<char*> argv = {const_cast<char*>(SCHEDBENCH_PROGRAM)};
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        execv(SCHEDBENCH_PROGRAM, argv.data());
        _exit(99);
    }
    static int wait(pid_t pid) {
        int status = 0;
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int run(std::vector<std::string> arguments, const std::string& log = "log") const {
        return wait(start(std::move(arguments), log));
    }
    std::string text_of(const std::string& name) const {
        std::ifstream in(path(name));
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }
    std::vector<std::string> sweep_arguments(const std::string& run_file,
                                             const std::string& suite = "") const {
        return {"sweep",  suite.empty() ? suite_ : suite, "--output", path(run_file), "--threads", "1",
                "--quiet"};
    }
    /// Ranks 0 to size - 1 of a sweep, each a process.
    std::vector<pid_t> start_ranks(const std::string& run_file, int size) const {
        std::vector<pid_t> pids;
        for (int rank = 0; rank < size; ++rank) {
            auto arguments = sweep_arguments(run_file);
            for (const std::string& word : {std::string("--rank"), std::to_string(rank),
                                            std::string("--world-size"), std::to_string(size)})
                arguments.push_back(word);
            pids.push_back(start(arguments, "rank" + std::to_string(rank)));
        }
        return pids;
    }
    void expect_end(const std::vector<pid_t>& ranks) const {
        for (size_t rank = 0; rank < ranks.size(); ++rank)
            EXPECT_EQ(wait(ranks[rank]), 0) << text_of("rank" + std::to_string(rank) + ".err");
    }
    static void pause(std::mt19937& rng, unsigned least, unsigned more) {
        std::this_thread::sleep_for(std::chrono::milliseconds(least + rng() % more));
    }
    void sweep(const std::string& run_file) const {
        ASSERT_EQ(run(sweep_arguments(run_file)), 0) << text_of("log.err");
        ASSERT_TRUE(validate_run(path(run_file)).empty()) << validate_run(path(run_file))[0].message;
    }

    /// All that a run says about samples, schedules and metrics; times and provenance are not part of it.
    void expect_equal(const std::string& a, const std::string& b) const {
        const RunFile x = RunFile::open(path(a)), y = RunFile::open(path(b));
        EXPECT_EQ(x.header().status, "complete");
        EXPECT_EQ(y.header().status, "complete");
        ASSERT_EQ(x.ids("cells"), y.ids("cells"));
        EXPECT_EQ(x.ids("cells").size(),
                  17u);  // 4 schedules x 2 samplers x 2 budgets, and the held-out images
        EXPECT_EQ(x.ids("schedules"), y.ids("schedules"));
        ASSERT_EQ(x.ids("likelihood"), y.ids("likelihood"));
        for (const std::string& id : x.ids("likelihood"))
            EXPECT_EQ(x.likelihood(id).columns, y.likelihood(id).columns);
        for (const std::string& id : x.ids("cells")) {
            const CellRecord c = x.cell(id, CellParts::all), d = y.cell(id, CellParts::all);
            EXPECT_EQ(c.sample_ids, d.sample_ids);
            EXPECT_EQ(c.sample_ids.size(), 150u);
            EXPECT_EQ(c.features, d.features);
            EXPECT_EQ(c.images, d.images);
            EXPECT_EQ(c.preview, d.preview);
            EXPECT_FALSE(c.preview.empty());
            EXPECT_EQ(c.nfe, d.nfe);
            ASSERT_EQ(c.metrics.size(), d.metrics.size());
            EXPECT_EQ(c.metrics.size(), c.sampler == "held-out" ? 2u : 3u);
            for (const auto& [name, metric] : c.metrics) {
                const MetricRecord& other = d.metrics.at(name);
                EXPECT_EQ(metric.estimate.value, other.estimate.value) << name;
                EXPECT_EQ(metric.estimate.se, other.estimate.se) << name;
                EXPECT_EQ(metric.influence, other.influence) << name;
                EXPECT_EQ(metric.identity, other.identity) << name;
            }
        }
        EXPECT_FALSE(fs::exists(folder_ / (fs::path(a).stem().string() + ".work")));
        EXPECT_FALSE(fs::exists(folder_ / (fs::path(b).stem().string() + ".work")));
    }

    fs::path folder_;
    std::string suite_;
};

TEST_F(SweepTest, KilledAtAnyTimeAndContinuedEqualsLeftAlone) {
    sweep("whole.h5");
    std::mt19937 rng(5);
    int kills = 0;
    for (int attempt = 0; attempt < 60; ++attempt) {
        const pid_t pid = start(sweep_arguments("killed.h5"));
        // Later attempts get longer, so that the run ends on any machine.
        const int limit = 150 + 60 * attempt + static_cast<int>(rng() % 400);
        int status = 0, waited = 0;
        while (waited < limit && waitpid(pid, &status, WNOHANG) == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            waited += 10;
        }
        if (waited < limit) {
            ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text_of("log.err");
            break;
        }
        kill(pid, SIGKILL);
        wait(pid);
        ++kills;
    }
    EXPECT_GE(kills, 3) << "the machine is too fast for this test to mean anything";
    std::printf("killed %d times\n", kills);
    sweep("killed.h5");
    expect_equal("whole.h5", "killed.h5");
}

TEST_F(SweepTest, UnevenRanksAreBitEqualAndMakeNoBlockTwice) {
    sweep("one.h5");
    std::mt19937 rng(7);
    for (int size : {2, 3}) {
        const std::string file = std::to_string(size) + "ranks.h5";
        const std::vector<pid_t> pids = start_ranks(file, size);
        for (int i = 0; i < 4; ++i) {  // the last rank is held up again and again
            pause(rng, 100, 200);
            kill(pids.back(), SIGSTOP);
            pause(rng, 100, 200);
            kill(pids.back(), SIGCONT);
        }
        expect_end(pids);
        // The last rank at work has closed the run: nothing is left to merge.
        expect_equal("one.h5", file);
        const RunFile run = RunFile::open(path(file));
        std::map<int64_t, int64_t> blocks_of_rank;
        for (const std::string& id : run.ids("cells")) {
            const CellRecord cell = run.cell(id, CellParts::all);
            if (cell.sampler == "held-out") continue;
            EXPECT_EQ(cell.timing.first_id, (std::vector<int64_t>{0, 16, 32, 48, 64, 80, 96, 112, 128, 144}));
            for (const int64_t rank : cell.timing.rank) ++blocks_of_rank[rank];
        }
        for (const auto& [rank, blocks] : blocks_of_rank)
            std::printf("rank %d of %d: %d blocks\n", static_cast<int>(rank), size, static_cast<int>(blocks));
        std::fflush(stdout);  // children that are forked later must not say it again
    }
}

TEST_F(SweepTest, KilledRanksAreReplacedByAnyNumberOfRanks) {
    sweep("one.h5");
    std::mt19937 rng(11);
    int kills = 0;
    for (int round = 0; round < 6; ++round) {
        const std::vector<pid_t> pids = start_ranks("killed.h5", 1 + static_cast<int>(rng() % 3));
        // Some die and the others go on; one that was killed may be started again meanwhile.
        for (const pid_t pid : pids) {
            pause(rng, 50, 500);
            if (rng() % 3 == 0) continue;
            kill(pid, SIGKILL);
            ++kills;
        }
        for (const pid_t pid : pids) {
            if (round % 2 == 1) kill(pid, SIGKILL);
            wait(pid);
        }
    }
    EXPECT_GE(kills, 3);
    expect_end(start_ranks("killed.h5", 2));
    expect_equal("one.h5", "killed.h5");
}

TEST_F(SweepTest, ARankThatDiedIsReplacedWhileTheOthersWork) {
    sweep("one.h5");
    std::mt19937 rng(13);
    std::vector<pid_t> pids = start_ranks("replaced.h5", 2);
    pause(rng, 400, 300);
    kill(pids[1], SIGKILL);
    wait(pids[1]);
    pids.pop_back();
    auto arguments = sweep_arguments("replaced.h5");
    for (const char* word : {"--rank", "1", "--world-size", "2"}) arguments.emplace_back(word);
    pids.push_back(start(arguments, "rank1"));
    expect_end(pids);
    expect_equal("one.h5", "replaced.h5");
}

// A part that is open for writing is passed over by the rank that folds. So a rank that only looks whether
// there is more to do must leave its part alone: nobody would fold after that.
TEST_F(SweepTest, ARankThatLooksForMoreToDoDoesNotOpenItsPart) {
    const std::string suite = write("one-cell.suite", kOneCell);
    ASSERT_EQ(run(sweep_arguments("one.h5", suite)), 0) << text_of("log.err");
    const std::string cell = RunFile::open(path("one.h5")).ids("cells").at(0);

    // Rank 1 is at work on its half, so the part of rank 0 need not grow.
    const std::string shared = path("two.h5");
    std::optional<RankLock> at_work(std::in_place, shared, 1);
    BlockClaims claims(shared, cell, 1, blocks_of(0, 12, 1), {});
    for (int64_t id = 0; id < 6; ++id) ASSERT_EQ(claims.next(), (IdRange{id, id + 1}));
    const int watch = inotify_init1(IN_NONBLOCK);
    ASSERT_GE(inotify_add_watch(watch, work_folder(shared).c_str(), IN_CLOSE_WRITE), 0);
    auto arguments = sweep_arguments("two.h5", suite);
    for (const char* word : {"--rank", "0", "--world-size", "2", "--json"}) arguments.emplace_back(word);
    ASSERT_EQ(run(arguments), 0) << text_of("log.err");
    EXPECT_NE(text_of("log.out").find("\"waiting\":1"), std::string::npos) << text_of("log.out");
    EXPECT_EQ(closed_after_writing(watch, cell + ".0.h5"), 1);
    close(watch);

    at_work.reset();
    arguments[std::find(arguments.begin(), arguments.end(), "--rank") - arguments.begin() + 1] = "1";
    ASSERT_EQ(run(arguments), 0) << text_of("log.err");
    EXPECT_EQ(RunFile::open(shared).header().status, "complete");
}

TEST_F(SweepTest, RanksThatEndTogetherCloseTheRun) {
    write("tiny.suite", kOneCell);
    for (int round = 0; round < 12; ++round) {
        const std::string file = "round" + std::to_string(round) + ".h5";
        expect_end(start_ranks(file, 3));
        EXPECT_EQ(RunFile::open(path(file)).header().status, "complete");
        EXPECT_FALSE(fs::exists(work_folder(path(file))));
    }
}

TEST_F(SweepTest, PartsOfTwoMachinesAreFolded) {
    sweep("one.h5");
    for (int rank = 0; rank < 2; ++rank) {
        auto arguments = sweep_arguments("machine" + std::to_string(rank) + ".h5");
        for (const std::string& word :
             {std::string("--rank"), std::to_string(rank), std::string("--world-size"), std::string("2"),
              std::string("--share"), std::string("deal")})
            arguments.push_back(word);
        ASSERT_EQ(run(arguments), 0) << text_of("log.err");
        EXPECT_NE(text_of("log.out").find("wait for other ranks"), std::string::npos);
    }
    ASSERT_EQ(run({"merge", suite_, "--output", path("both.h5"), "--threads", "1", "--parts",
                   path("machine0.work"), "--parts", path("machine1.work")}),
              0)
        << text_of("log.err");
    expect_equal("one.h5", "both.h5");
}

TEST_F(SweepTest, AGrownSuiteComputesOnlyWhatIsNew) {
    std::string small = kSuite;
    small.replace(small.find("schedule = even\n"), 16, "");
    small.replace(small.find("images = 150"), 12, "images = 70");
    const std::string small_suite = write("small.suite", small);
    ASSERT_EQ(run({"sweep", small_suite, "--output", path("grown.h5"), "--threads", "1"}), 0)
        << text_of("log.err");
    ASSERT_EQ(run({"sweep", suite_, "--output", path("grown.h5"), "--threads", "1", "--json"}), 0)
        << text_of("log.err");
    EXPECT_NE(text_of("log.out").find("\"computed\":16"), std::string::npos) << text_of("log.out");
    ASSERT_EQ(run({"sweep", suite_, "--output", path("grown.h5"), "--threads", "1", "--json"}), 0)
        << text_of("log.err");
    EXPECT_NE(text_of("log.out").find("\"computed\":0"), std::string::npos) << text_of("log.out");
    sweep("whole.h5");
    expect_equal("whole.h5", "grown.h5");
}

TEST_F(SweepTest, TablesInEveryFormatAndWhileTheRunGoesOn) {
    const pid_t pid = start(sweep_arguments("run.h5"), "sweep");
    int shown = 0;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (fs::exists(path("run.h5")) && run({"table", path("run.h5")}, "table") == 0) ++shown;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text_of("sweep.err");
    EXPECT_GT(shown, 0);
    for (const char* format : {"terminal", "markdown", "csv", "latex"}) {
        ASSERT_EQ(run({"table", path("run.h5"), "--format", format}), 0) << text_of("log.err");
        EXPECT_NE(text_of("log.out").find("dp-elbo"), std::string::npos) << format;
    }
    ASSERT_EQ(run({"table", path("run.h5")}), 0);
    const std::string table = text_of("log.out");
    for (const char* word : {"NFE 5", "held out", "±", "unresolved", "bits/dim", "(learned)"})
        EXPECT_NE(table.find(word), std::string::npos) << word << "\n" << table;
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.find("NFE") == std::string::npos ? 0u : line.size(), 100u)
            << "a table must fit a terminal";
}

TEST_F(SweepTest, FaultsAreOneLineAndExitCode2) {
    const auto expect_fault = [&](const std::vector<std::string>& arguments, const std::string& words) {
        EXPECT_EQ(run(arguments), 2);
        const std::string err = text_of("log.err");
        EXPECT_NE(err.find(words), std::string::npos) << err;
        EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
    };
    expect_fault({"sweep", path("none.suite")}, "none.suite");
    expect_fault(
        {"sweep", write("bad.suite", std::string(kSuite) + "schedule = edn\n"), "--output", path("x.h5")},
        "did you mean \"edm\"");
    expect_fault(
        {"sweep", write("bad.suite", std::string(kSuite) + "budget = 0\n"), "--output", path("x.h5")},
        "budget");
    expect_fault({"sweep", suite_, "--rank", "2", "--world-size", "2"}, "rank 2 of 2");
    expect_fault({"sweep", suite_, "--share", "alike"}, "known: claim, deal");
    expect_fault({"sweep", suite_, "--thread", "2x"}, "--threads");
    expect_fault({"table", suite_}, "tiny.suite");
    expect_fault({"swep", suite_}, "did you mean \"sweep\"");
    EXPECT_FALSE(fs::exists(path("x.h5")));
}

}  // namespace
}  // namespace schedbench
