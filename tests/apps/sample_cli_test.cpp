// sample: values against the closed form of Euler's method, exact counts, and readable files.
#include <cmath>

#include "cli.h"
#include "core/hdf5.h"
#include "core/noise.h"
#include "data/dataset.h"
#include "data/npy.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::numbers;

TEST(CliSample, EulerOnGaussianData) {
    const Folder folder;
    constexpr double kWidth = 0.5;
    folder.ok(
        "sample --model exact:gaussian,c=0.5,dim=3 --schedule edm --sampler euler --steps 8 --count 10 "
        "--batch 4 --seed 7 --output x.npy --raw");
    const NpyArray x = read_npy(folder.path("x.npy"));
    EXPECT_EQ(x.shape, (std::vector<int64_t>{10, 3}));
    // dx/dsigma = sigma x / (c^2 + sigma^2): every step multiplies x by a number.
    const auto levels = numbers(folder.ok("knots edm --steps 8 --json").json().at("effective"));
    double factor = levels[0];
    for (size_t i = 0; i + 1 < levels.size(); ++i)
        factor *= 1 + (levels[i + 1] - levels[i]) * levels[i] / (kWidth * kWidth + levels[i] * levels[i]);
    for (uint64_t id = 0; id < 10; ++id) {
        float z[3];
        fill_normals({7, NoisePurpose::latent}, id, 0, z);
        for (size_t e = 0; e < 3; ++e)
            EXPECT_NEAR(x.as<double>()[id * 3 + e], factor * static_cast<double>(z[e]), 1e-12);
    }
}

TEST(CliSample, CountsAndBudgets) {
    const Folder folder;
    const std::string line = "sample --model 'exact:gaussian,c=0.3,shape=[3,4,4]' --json ";
    struct Case {
        std::string options;
        int steps, nfe;
    };
    for (const Case& c : {Case{"--sampler heun --steps 5", 5, 9}, Case{"--sampler heun --budget 10", 5, 9},
                          Case{"--sampler heun --schedule edm:end=sigma-min --budget 10", 5, 10},
                          Case{"--sampler euler --budget 10", 10, 10}, Case{"--sampler ddim --steps 1", 1, 1},
                          Case{"--sampler dpmpp-2m --budget 7", 7, 7},
                          Case{"--sampler euler --schedule 'explicit:levels=[80,1,0]'", 2, 2}}) {
        const auto json = folder.ok(line + c.options + " --count 5 --output x.npy").json();
        EXPECT_EQ(json.at("steps"), c.steps) << c.options;
        EXPECT_EQ(json.at("nfe"), c.nfe) << c.options;
        EXPECT_EQ(json.at("count"), 5);
    }
    // An image does not depend on how many others there are, nor a file on its number of blocks.
    folder.ok(line + "--steps 4 --count 70 --batch 16 --output all.npy");
    folder.ok(line + "--steps 4 --count 5 --batch 16 --output few.npy");
    const NpyArray all = read_npy(folder.path("all.npy")), few = read_npy(folder.path("few.npy"));
    EXPECT_EQ(all.shape, (std::vector<int64_t>{70, 4, 4, 3}));
    EXPECT_EQ(few.shape, (std::vector<int64_t>{5, 4, 4, 3}));
    const auto &a = all.as<uint8_t>(), &f = few.as<uint8_t>();
    EXPECT_TRUE(std::equal(f.begin(), f.end(), a.begin()));
}

TEST(CliSample, PresetsAreTheSettingsTheyName) {
    const Folder folder;
    const std::string line =
        "sample --model 'exact:gaussian,c=0.3,shape=[3,4,4]' --count 3 --batch 3 --raw --json ";
    const auto values = [&](const char* file) { return read_npy(folder.path(file)).as<double>(); };
    const auto preset = folder.ok(line + "--preset edm-cifar10 --output a.npy").json();
    EXPECT_EQ(preset.at("steps"), 18);
    EXPECT_EQ(preset.at("nfe"), 35);
    EXPECT_EQ(preset.at("noise"), "edm");
    folder.ok(line + "--schedule edm --sampler heun --steps 18 --noise edm --output b.npy");
    EXPECT_EQ(values("a.npy"), values("b.npy"));
    // What is said beside it goes before it.
    const auto changed =
        folder.ok(line + "--preset edm-cifar10 --steps 4 --sampler euler --output c.npy").json();
    EXPECT_EQ(changed.at("steps"), 4);
    EXPECT_EQ(changed.at("nfe"), 4);
    folder.ok(line + "--schedule edm --sampler euler --steps 4 --noise edm --output d.npy");
    EXPECT_EQ(values("c.npy"), values("d.npy"));
    const auto unknown = folder.run(line + "--preset edm-cifar11 --output x.npy");
    EXPECT_EQ(unknown.code, 2);
    EXPECT_NE(unknown.err.find("edm-cifar10"), std::string::npos);
    // A variance that is measured needs the file of the measurement, and says so.
    const auto lacking = folder.run(
        "sample --model 'exact:gaussian,c=0.3,shape=[3,4,4],process={linear:T=100}' --preset "
        "analytic-dpm-cifar10-ls --output x.npy");
    EXPECT_EQ(lacking.code, 2);
    EXPECT_NE(lacking.err.find("statistics"), std::string::npos);
}

TEST(CliSample, TrafficOfEveryStep) {
    const Folder folder;
    const auto traffic = folder
                             .ok("sample --model exact:gaussian,c=0.5,dim=3 --sampler heun --steps 4 --count 9 "
                                 "--batch 4 --count-traffic --json --output x.npy")
                             .json()
                             .at("traffic");
    ASSERT_EQ(traffic.size(), 4u);
    for (const auto& step : traffic) {
        for (const char* key : {"copies_to_device", "copies_to_host", "values_read", "waits", "device_segments"})
            EXPECT_EQ(step.at(key), 0) << key;
        EXPECT_GT(step.at("operators"), 10);
    }
    // The last step is one evaluation, the others are two each.
    EXPECT_EQ(traffic[0].at("operators"), traffic[2].at("operators"));
    EXPECT_LT(traffic[3].at("operators"), traffic[2].at("operators"));
}

TEST(CliSample, FilesAreReadable) {
    const Folder folder;
    const std::string line = "sample --model 'exact:gaussian,c=0.3,shape=[3,8,8]' --steps 4 --count 10 ";
    for (const char* file : {"x.h5", "x.npy", "x.png"}) folder.ok(line + "--output " + file);
    const Dataset h5 = load_dataset(Spec::parse("hdf5:file=" + folder.path("x.h5"))),
                  npy = load_dataset(Spec::parse("npy:file=" + folder.path("x.npy")));
    EXPECT_EQ(h5.count, 10);
    EXPECT_EQ(h5.channels, 3);
    EXPECT_EQ(h5.pixels, npy.pixels);
    EXPECT_TRUE(cli::read_text(folder.path("x.png")).starts_with("\x89PNG"));
    const Hdf5File file = Hdf5File::open(folder.path("x.h5"));
    EXPECT_EQ(file.integer_attribute("/", "nfe"), 7);
    EXPECT_EQ(file.text_attribute("/", "schedule"), "edm:end=zero,rho=7,sigma-max=auto,sigma-min=auto");
    EXPECT_EQ(file.read<double>("/levels").size(), 5u);
    // Clipping keeps x0hat, and so a last step to 0, inside [-1, 1].
    folder.ok(
        "sample --model 'exact:gaussian,c=3,shape=[1,8,8]' --clip --steps 4 --count 10 --raw --output "
        "clipped.npy");
    const NpyArray clipped = read_npy(folder.path("clipped.npy"));
    for (double value : clipped.as<double>()) EXPECT_LE(std::abs(value), 1);
    folder.ok(
        "sample --model 'exact:gaussian,c=3,shape=[1,8,8]' --quantise truncate --steps 4 --count 10 --output "
        "truncated.npy");
}

}  // namespace
}  // namespace schedbench
