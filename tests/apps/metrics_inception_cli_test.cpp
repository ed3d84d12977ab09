// metrics under the 2015 Inception network, with the synthetic weights that everybody can make: images of
// several sizes against the public tools' features, several layers in one pass, a pass that is killed.
#include <fcntl.h>
#include <signal.h>

#include <thread>

#include "../eval/inception_weights.h"
#include "cli.h"
#include "eval/statistics_file.h"
#include "golden.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

using cli::Folder;
namespace fs = std::filesystem;

class MetricsInception : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder = std::make_unique<Folder>();
        write_safetensors(folder->path("w.safetensors"), inception_weights::all(), {});
        fs::create_directory(folder->path("odd"));
        for (const auto& file : golden::files("metrics", ".png"))
            fs::copy_file(file, folder->path("odd/" + file.filename().string()));
    }
    static void TearDownTestSuite() { folder.reset(); }
    static std::string network(const std::string& pipeline) {
        return " --extractor inception:file=w.safetensors,pipeline=" + pipeline + " ";
    }
    static at::Tensor exported(const std::string& line) {
        folder->ok("metrics " + line + " --export-features f.npy");
        return read_features(folder->path("f.npy"));
    }
    static std::unique_ptr<Folder> folder;
};
std::unique_ptr<Folder> MetricsInception::folder;

TEST_F(MetricsInception, ImagesOfSeveralSizesAsThePublicTools) {
    golden::Tally tally("metrics/odd images by the command");
    for (const auto& file : golden::files("metrics", "_pool3.npy")) {
        const std::string name = file.filename().string();
        if (!name.starts_with("odd_")) continue;
        const std::string tool = name.substr(4, name.find("_pool3") - 4);
        const at::Tensor ours = exported("odd" + network(tool == "pytorchfid" ? "pytorch-fid" : tool));
        const at::Tensor theirs = read_features(file);
        ASSERT_EQ(ours.sizes(), theirs.sizes()) << name;
        tally.add((ours - theirs).abs().max().item<double>(), 2e-5, name);
    }
    tally.report();
}

TEST_F(MetricsInception, SeveralLayersInOnePass) {
    const auto rows = folder
                          ->ok(
                              "metrics odd odd --json --metric frechet --metric sfid --metric is:splits=2 "
                              "--export-statistics s.npz" +
                              network("tf1"))
                          .json();
    std::vector<std::string> names;
    for (const auto& row : rows) names.push_back(row.at("metric"));
    EXPECT_EQ(names, (std::vector<std::string>{"fid[tf1]", "fid[tf1]-debiased", "sfid[tf1]",
                                               "sfid[tf1]-debiased", "is[tf1]:splits=2"}));
    EXPECT_LT(rows[0].at("value").get<double>(), 1e-8);
    EXPECT_LT(rows[2].at("value").get<double>(), 1e-8);
    EXPECT_FALSE(rows[0].at("reliable").get<bool>());
    EXPECT_EQ(rows[0].at("extractor").at("pipeline"), "tf1");
    const FeatureStatistics statistics = read_statistics(folder->path("s.npz"), 2048);
    ASSERT_TRUE(statistics.spatial.has_value());
    EXPECT_EQ(statistics.spatial->mean.size(0), 2023);
    // The statistics file, with sFID's pair, as a reference.
    const auto again = folder->ok("metrics odd s.npz --json --metric sfid" + network("tf1")).json();
    EXPECT_NEAR(again[0].at("value").get<double>(), 0, 1e-8);
    // The score alone needs no reference; another pipeline is another name.
    EXPECT_EQ(folder->ok("metrics odd --json --metric is:splits=1" + network("clean")).json()[0].at("metric"),
              "is[clean]:splits=1");
}

// sfid looks at another layer than the run was made with: from kept images it can be added, otherwise the
// sweep says what to do.
TEST_F(MetricsInception, SfidIsAddedToARun) {
    const auto suite = [&](const std::string& more) {
        std::ofstream(folder->path("later.suite"))
            << "model = exact:gaussian,c=0.3,shape=[3,16,16]\nschedule = edm\nsampler = heun\nsteps = 3\n"
               "images = 4\nbatch = 4\nreference = folder:path=odd,size=16\nreference-images = 4\n"
               "extractor = inception:file=w.safetensors,pipeline=tf1\n"
            << more;
    };
    const auto metrics_of = [&](const std::string& run) {
        std::map<std::string, double> out;
        for (const auto& row : folder->ok("export " + run + " --format json").json())
            out[row.at("sampler").get<std::string>() + " " + row.at("metric").get<std::string>()] =
                row.at("value");
        return out;
    };
    const std::string kept = "keep-images = true\nheldout = folder:path=odd,size=16\n",
                      all = kept + "metric = frechet\nmetric = sfid\nmetric = is:splits=2\n";
    suite(kept);
    folder->ok("sweep later.suite --output later.h5 --quiet");
    EXPECT_EQ(metrics_of("later.h5").size(), 4u);
    suite(all);
    folder->ok("sweep later.suite --output later.h5 --quiet");
    folder->ok("sweep later.suite --output once.h5 --quiet");
    EXPECT_EQ(metrics_of("later.h5").size(), 10u);
    EXPECT_EQ(metrics_of("later.h5"), metrics_of("once.h5"));
    EXPECT_EQ(folder->run("validate later.h5").code, 0);

    suite("");
    folder->ok("sweep later.suite --output bare.h5 --quiet");
    suite("metric = frechet\nmetric = sfid\n");
    const auto refused = folder->run("sweep later.suite --output bare.h5 --quiet");
    EXPECT_NE(refused.code, 0);
    EXPECT_NE(refused.err.find("cannot get sfid[tf1] any more"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("keep-images = true"), std::string::npos) << refused.err;
}

TEST_F(MetricsInception, KilledAndContinued) {
    fs::create_directory(folder->path("many"));
    int copy = 0;
    for (int round = 0; round < 5; ++round)
        for (const auto& file : fs::directory_iterator(folder->path("odd")))
            fs::copy_file(file.path(), folder->path("many/" + std::to_string(copy++) + ".png"));
    const std::string line = "many" + network("tf1");
    const pid_t child = fork();
    if (child == 0) {
        setenv("SCHEDBENCH_CACHE", folder->path("store").c_str(), 1);
        const std::string weights = "inception:file=" + folder->path("w.safetensors") + ",pipeline=tf1";
        const std::string images = folder->path("many"), output = folder->path("x.npy");
        execl(SCHEDBENCH_PROGRAM, "schedbench", "metrics", images.c_str(), "--extractor", weights.c_str(),
              "--export-features", output.c_str(), nullptr);
        _exit(99);
    }
    // Killed as soon as the first block is sealed.
    const off_t seal = 4096 + 16 * 2048 * 4;
    bool sealed = false;
    for (int i = 0; i < 6000 && !sealed; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (!fs::exists(folder->path("store"))) continue;
        for (const auto& file : fs::directory_iterator(folder->path("store"))) {
            const int handle = open(file.path().c_str(), O_RDONLY);
            char byte = 0;
            sealed |= pread(handle, &byte, 1, seal) == 1 && byte != 0;
            close(handle);
        }
    }
    ASSERT_TRUE(sealed);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_FALSE(fs::exists(folder->path("x.npy")));
    const at::Tensor continued = exported(line + "--cache store"), alone = exported(line);
    EXPECT_TRUE(continued.equal(alone));
    // With everything there no image is looked at again: it takes no network pass, so progress has no total.
    EXPECT_TRUE(exported(line + "--cache store").equal(alone));
}

}  // namespace
}  // namespace schedbench
