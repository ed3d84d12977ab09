// metrics: any two sets, by the command a user types; and everything that can be wrong with a set.
#include <ATen/ATen.h>

#include <cmath>

#include "cli.h"
#include "data/image_file.h"
#include "data/npy.h"
#include "data/npz.h"
#include "eval/frechet.h"
#include "eval/kid.h"
#include "eval/statistics_file.h"

namespace schedbench {
namespace {

using cli::Folder;
namespace fs = std::filesystem;

const std::string kGray = "--extractor pixels:size=16 ";
const std::string kColour = "--extractor pixels:size=32,channels=3 ";

NpyArray random_images(int64_t n, uint32_t seed, int low = 0, int high = 255) {
    NpyArray out{{n, 1, 16, 16}, std::vector<uint8_t>{}, {}};
    std::vector<uint8_t> pixels;
    uint32_t state = seed;
    for (int64_t i = 0; i < n * 256; ++i) {
        state = state * 1664525u + 1013904223u;
        pixels.push_back(static_cast<uint8_t>(low + static_cast<int>(state >> 16) % (high - low + 1)));
    }
    out.values = std::move(pixels);
    return out;
}

Image colour(uint8_t value, int64_t size = 32) {
    return {3, size, size, std::vector<uint8_t>(static_cast<size_t>(3 * size * size), value)};
}

std::string fixture(const std::string& name) {
    return std::string(SCHEDBENCH_SOURCE_DIR) + "/tests/apps/fixtures/" + name;
}

at::Tensor features_in(const std::string& path) {
    return read_features(path);
}

nlohmann::json row(const nlohmann::json& rows, const std::string& metric) {
    for (const auto& r : rows)
        if (r.at("metric") == metric) return r;
    ADD_FAILURE() << "no metric " << metric << " in " << rows.dump(1);
    return {};
}

TEST(CliMetrics, EveryKindOfSetGivesTheSameNumber) {
    const Folder folder;
    write_npy(folder.path("a.npy"), random_images(90, 1));
    write_npy(folder.path("b.npy"), random_images(80, 2, 20, 200));
    write_npz(folder.path("a.npz"), {{"arr_0", random_images(90, 1)}});
    const auto direct = folder.ok("metrics a.npy b.npy --json " + kGray).json();
    ASSERT_EQ(direct.size(), 2u);
    EXPECT_EQ(direct[0].at("metric"), "fd-pixels");
    EXPECT_EQ(direct[1].at("metric"), "fd-pixels-debiased");
    EXPECT_EQ(cli::keys(direct[0]),
              (std::vector<std::string>{"estimand", "extractor", "generated", "method", "metric", "n",
                                        "reference", "reference_n", "reliable", "se", "value", "warning"}));
    EXPECT_EQ(direct[0].at("n"), 90);
    EXPECT_EQ(direct[0].at("reference_n"), 80);
    EXPECT_GT(direct[0].at("se").get<double>(), 0);
    EXPECT_EQ(direct[0].at("extractor").at("pipeline"), "mean-8x8");
    const double value = direct[0].at("value");

    // Exports, and everything against everything.
    folder.ok("metrics a.npy " + kGray +
              "--export-features fa.npy --export-statistics sa.npz --export-sums ua.npz");
    folder.ok("metrics b.npy " + kGray +
              "--export-features fb.npy --export-statistics sb.npz --export-sums ub.npz");
    const at::Tensor fa = features_in(folder.path("fa.npy")), fb = features_in(folder.path("fb.npy"));
    EXPECT_NEAR(value, frechet_distance(fa, fb), 1e-9 * value);
    for (const std::string a : {"npz:file=a.npz", "fa.npy", "sa.npz", "ua.npz"})
        for (const std::string b : {"fb.npy", "sb.npz"}) {
            const auto rows = folder.ok("metrics " + a + " " + b + " --json " + kGray).json();
            EXPECT_NEAR(row(rows, "fd-pixels").at("value").get<double>(), value, 1e-9 * value)
                << a << " " << b;
            const bool samples = a[0] != 's' && a[0] != 'u', reference_samples = b == "fb.npy";
            EXPECT_EQ(row(rows, "fd-pixels").at("se").is_null(), !samples && !reference_samples)
                << a << " " << b;
            // Where features are missing the bias is that of Gaussian ones.
            EXPECT_NEAR(row(rows, "fd-pixels-debiased").at("value").get<double>(),
                        direct[1].at("value").get<double>(),
                        (samples && reference_samples ? 1e-9 : 0.03) * value)
                << a << " " << b;
        }
    EXPECT_EQ(folder.ok("metrics a.npz b.npy --json " + kGray).json()[0].at("value"), value);
    EXPECT_EQ(folder.ok("metrics npy:file=a.npy ub.npz --json " + kGray).json()[0].at("n"), 90);
    // Without an extractor files keep a name that claims nothing, or the one that they are given.
    EXPECT_EQ(folder.ok("metrics fa.npy sb.npz --json").json()[0].at("metric"), "fd-features");
    EXPECT_EQ(folder.ok("metrics fa.npy sb.npz --json --called 'fid[tf1]'").json()[0].at("metric"),
              "fid[tf1]");
    for (const char* wrong : {"fid", "'fid[tf2]'", "x"})
        EXPECT_EQ(folder.run("metrics fa.npy sb.npz --called " + std::string(wrong)).code, 2) << wrong;
    EXPECT_NE(folder.ok("metrics fa.npy b.npy " + kGray).err.find("count as fd-pixels"), std::string::npos);
}

// As ADM's references are: statistics of a whole data set, beside some of its images.
TEST(CliMetrics, StatisticsAndImagesInOneFile) {
    const Folder folder;
    write_npy(folder.path("a.npy"), random_images(90, 1));
    write_npy(folder.path("all.npy"), random_images(400, 2, 20, 200));
    write_npy(folder.path("some.npy"), random_images(100, 2, 20, 200));
    folder.ok("metrics all.npy " + kGray + "--export-statistics all.npz");
    auto arrays = read_npz(folder.path("all.npz"));
    arrays["arr_0"] = random_images(100, 2, 20, 200);
    write_npz(folder.path("both.npz"), arrays);
    const auto rows =
        folder.ok("metrics a.npy both.npz --metric frechet --metric prdc --json " + kGray).json();
    const auto whole = folder.ok("metrics a.npy all.npz --json " + kGray).json(),
               part = folder.ok("metrics a.npy some.npy --metric prdc --json " + kGray).json();
    EXPECT_EQ(row(rows, "fd-pixels").at("value"), row(whole, "fd-pixels").at("value"));
    EXPECT_EQ(row(rows, "fd-pixels").at("se"), row(whole, "fd-pixels").at("se"));
    for (const char* name : {"precision-pixels", "recall-pixels"})
        EXPECT_EQ(row(rows, name).at("value"), row(part, name).at("value"));
    EXPECT_EQ(folder.ok("metrics a.npy both.npz --json " + kGray).json()[0].at("value"),
              row(whole, "fd-pixels").at("value"));
}

TEST(CliMetrics, MetricsByName) {
    const Folder folder;
    write_npy(folder.path("a.npy"), random_images(320, 3));
    write_npy(folder.path("b.npy"), random_images(300, 4, 10, 240));
    const std::string line = "metrics a.npy b.npy --json " + kGray;
    folder.ok("metrics a.npy " + kGray + "--export-features fa.npy");
    folder.ok("metrics b.npy " + kGray + "--export-features fb.npy");
    const at::Tensor fa = features_in(folder.path("fa.npy")), fb = features_in(folder.path("fb.npy"));
    const auto rows =
        folder
            .ok(line +
                "--metric kid --metric kid-blocks:size=50 --metric prdc --metric fid-infinity:points=5 "
                "--metric edm-minimum --metric kid-torch-fidelity:size=100,subsets=4")
            .json();
    const KidResult expected = kid(fa, fb);
    EXPECT_NEAR(row(rows, "kd-pixels").at("value").get<double>(), expected.unbiased.value,
                1e-9 * std::abs(expected.biased));
    EXPECT_NEAR(row(rows, "kd-pixels").at("se").get<double>(), expected.unbiased.se,
                1e-9 * expected.unbiased.se);
    EXPECT_EQ(row(rows, "kd-pixels-blocks:size=50").at("value").get<double>(),
              kid_blocks(fa, fb, 50).mean.value);
    EXPECT_TRUE(row(rows, "kd-pixels-torch-fidelity:subsets=4,size=100").at("se").is_null());
    for (const char* name : {"precision-pixels", "recall-pixels", "density-pixels", "coverage-pixels",
                             "fd-pixels-infinity:points=5"})
        EXPECT_TRUE(row(rows, name).at("se").is_number()) << name;
    const FrechetReference reference = FrechetReference::of_features(fb);
    double smallest = INFINITY;
    for (int64_t s = 0; s < 3; ++s)
        smallest = std::min(smallest, frechet(fa.narrow(0, 106 * s, 106), reference).at_n.value);
    const auto minimum = row(rows, "fd-pixels-edm-minimum");
    EXPECT_NEAR(minimum.at("value").get<double>(), smallest, 1e-9 * smallest);
    EXPECT_EQ(minimum.at("n"), 106);
    // The table for people: narrow, the unreliable marked.
    const auto text = folder.ok("metrics a.npy b.npy --metric frechet " + kGray);
    EXPECT_NE(text.out.find("fd-pixels-debiased"), std::string::npos);
    EXPECT_NE(text.out.find("?"), std::string::npos);
    EXPECT_NE(text.out.find("below 16 a feature"), std::string::npos);
    std::istringstream lines(text.out);
    for (std::string one; std::getline(lines, one);)
        if (one.find(": ") == std::string::npos) {  // not the notes below
            EXPECT_LE(one.size(), 100u) << one;
        }
    EXPECT_EQ(folder.run("metrics a.npy b.npy --metric is " + kGray).code, 2);
    EXPECT_EQ(folder.run("metrics a.npy b.npy --metric kidd " + kGray).code, 2);
    EXPECT_EQ(folder.run("metrics a.npy b.npy --metric kid:size=3 " + kGray).code, 2);
    EXPECT_EQ(folder.run("metrics a.npy " + kGray).code, 2);
    EXPECT_EQ(folder.run("metrics a.npy b.npy").code, 2);
    EXPECT_EQ(folder.run("metrics npy:file=a.npy,arry=x b.npy " + kGray).code, 2);
}

TEST(CliMetrics, BatchesAndTheCacheDoNotShow) {
    const Folder folder;
    write_npy(folder.path("a.npy"), random_images(300, 5));
    const auto features = [&](const std::string& more) {
        folder.ok("metrics a.npy " + kGray + "--export-features f.npy " + more);
        return features_in(folder.path("f.npy"));
    };
    const at::Tensor plain = features("");
    EXPECT_LE((features("--batch 7") - plain).abs().max().item<double>(), 1e-5);
    EXPECT_TRUE(features("--cache store").equal(plain));
    EXPECT_TRUE(features("--cache store").equal(plain));
    // One byte of the entry changes: told, and made again.
    for (const auto& file : fs::directory_iterator(folder.path("store"))) {
        std::fstream entry(file.path(), std::ios::in | std::ios::out | std::ios::binary);
        entry.seekp(5000);
        entry.put('!');
    }
    const auto mended = folder.ok("metrics a.npy " + kGray + "--export-features f.npy --cache store");
    EXPECT_NE(mended.err.find("damaged (checksum), the first with the features of images 0 to 127"),
              std::string::npos)
        << mended.err;
    EXPECT_TRUE(features_in(folder.path("f.npy")).equal(plain));
    EXPECT_EQ(
        folder.ok("metrics a.npy " + kGray + "--export-features f.npy --cache store").err.find("damaged"),
        std::string::npos);
    EXPECT_EQ(folder.run("metrics a.npy " + kGray + "--export-features f.npy --cache a.npy/x").code, 2);
}

class BadSets : public ::testing::Test {
  protected:
    void SetUp() override {
        write_npy(folder.path("b.npy"), random_images(60, 6));
        fs::create_directory(folder.path("good"));
        for (int i = 0; i < 5; ++i)
            write_png(folder.path("good/" + std::to_string(i) + ".png"),
                      colour(static_cast<uint8_t>(40 * i + 10)));
    }
    /// Fails with one line that holds all of the words.
    void refused(const std::string& line, const std::vector<std::string>& words) {
        const auto result = folder.run("metrics " + line);
        EXPECT_EQ(result.code, 2) << line << "\n" << result.out;
        ASSERT_EQ(result.error_lines().size(), 1u) << line << "\n" << result.err;
        for (const std::string& word : words)
            EXPECT_NE(result.err.find(word), std::string::npos) << line << "\n" << word << "\n" << result.err;
    }
    /// Features of one image among others.
    at::Tensor features_of(const std::string& file) {
        const std::string set = "set-" + fs::path(file).filename().string();
        fs::create_directory(folder.path(set));
        for (const char* copy : {"0", "1"})
            fs::copy_file(file, folder.path(set + "/" + copy + fs::path(file).extension().string()));
        folder.ok("metrics " + set + " " + kColour + "--export-features " + set + ".npy");
        return features_in(folder.path(set + ".npy"))[0];
    }
    const Folder folder;
};

TEST_F(BadSets, NumbersThatAreNone) {
    for (const float bad : {std::nanf(""), INFINITY}) {
        std::vector<float> values(40 * 4, 1.5f);
        values[4 * 17 + 2] = bad;
        write_npy(folder.path("bad.npy"), {{40, 4}, values, {}});
        refused("bad.npy bad.npy", {"bad.npy", "element 70", "NaN or infinite"});
    }
    write_npy(folder.path("int.npy"), {{40, 4}, std::vector<int64_t>(160, 1), {}});
    refused("int.npy int.npy", {"int.npy", "float32 or float64"});
    write_npy(folder.path("f.npy"), {{4, 1, 16, 16}, std::vector<float>(1024, 1), {}});
    refused("f.npy b.npy " + kGray, {"f.npy"});
}

TEST_F(BadSets, TooFewOrAllEqual) {
    write_npy(folder.path("one.npy"), random_images(1, 7));
    refused("one.npy b.npy " + kGray, {"one.npy", "1 sample", "at least two"});
    refused("b.npy one.npy " + kGray, {"one.npy", "1 sample", "at least two"});
    // Two equal images, constant images: a distance like any other.
    NpyArray two = random_images(1, 8);
    auto& pixels = std::get<std::vector<uint8_t>>(two.values);
    const std::vector<uint8_t> first = pixels;
    pixels.insert(pixels.end(), first.begin(), first.end());
    two.shape[0] = 2;
    write_npy(folder.path("two.npy"), two);
    const auto rows = folder.ok("metrics two.npy b.npy --json " + kGray).json();
    EXPECT_GT(rows[0].at("value").get<double>(), 0);
    EXPECT_FALSE(rows[0].at("reliable").get<bool>());
    EXPECT_NEAR(folder.ok("metrics two.npy two.npy --json " + kGray).json()[0].at("value").get<double>(), 0,
                1e-8);
    write_npy(folder.path("flat.npy"), {{9, 1, 16, 16}, std::vector<uint8_t>(9 * 256, 100), {}});
    write_npy(folder.path("grey.npy"), {{8, 1, 16, 16}, std::vector<uint8_t>(8 * 256, 103), {}});
    EXPECT_EQ(folder.ok("metrics flat.npy grey.npy --json " + kGray).json()[0].at("value"), 64 * 9.0);
    EXPECT_EQ(folder.ok("metrics flat.npy flat.npy --json " + kGray).json()[0].at("value"), 0.0);
    refused("flat.npy grey.npy --metric prdc " + kGray, {"equal"});
    EXPECT_NEAR(folder.ok("metrics b.npy b.npy --json " + kGray).json()[0].at("value").get<double>(), 0,
                1e-8);
}

TEST_F(BadSets, ImagesOfSeveralSizes) {
    write_png(folder.path("good/9.png"), colour(7, 33));
    refused("good good " + kColour, {"good/9.png", "33x33", "32x32", "folder:path"});
    write_npy(folder.path("b28.npy"), {{3, 28, 28}, std::vector<uint8_t>(3 * 784, 1), {}});
    refused("b28.npy b.npy " + kGray, {"b28.npy", "[B, 1, 16, 16]"});
}

TEST_F(BadSets, UnusualEncodings) {
    const at::Tensor plain = features_of(fixture("plain.png"));
    EXPECT_TRUE(features_of(fixture("alpha.png")).equal(plain));    // alpha is dropped
    EXPECT_TRUE(features_of(fixture("sixteen.png")).equal(plain));  // the upper eight bits
    // (255 - C)(255 - K)/255 in the four quarters.
    const double inks[4][4] = {{0, 0, 0, 0}, {255, 0, 0, 0}, {0, 128, 200, 40}, {30, 60, 90, 120}};
    const at::Tensor cmyk = features_of(fixture("cmyk.jpg")).reshape({3, 8, 8});
    for (int64_t q = 0; q < 4; ++q)
        for (int64_t c = 0; c < 3; ++c)
            EXPECT_NEAR(cmyk[c][2 + 4 * (q / 2)][2 + 4 * (q % 2)].item<double>(),
                        (255 - inks[q][c]) * (255 - inks[q][3]) / 255, 3);
}

TEST_F(BadSets, FilesThatAreNone) {
    std::ofstream(folder.path("good/7.png")).flush();
    refused("good good " + kColour, {"good/7.png", "empty"});
    std::ofstream(folder.path("good/7.png")) << "not an image";
    refused("good good " + kColour, {"good/7.png", "neither a PNG nor a JPEG"});
    fs::remove(folder.path("good/7.png"));
    std::ofstream(folder.path("zero.npy")).flush();
    refused("zero.npy b.npy " + kGray, {"zero.npy"});
    fs::create_directory(folder.path("void"));
    refused("void b.npy " + kGray, {"void", "holds no"});
    refused("nowhere/x b.npy " + kGray, {"nowhere/x", "no such"});
    refused("x.npz b.npy " + kGray, {"x.npz", "no such"});
    std::ofstream(folder.path("run.h5")) << "no run";
    refused("run.h5 b.npy " + kGray, {"run.h5"});
    refused("imagenet b.npy " + kGray, {"imagenet"});
}

TEST_F(BadSets, StatisticsOfAnotherDimension) {
    folder.ok("metrics b.npy " + kGray + "--export-statistics s64.npz --export-features f64.npy");
    write_npy(folder.path("f3.npy"), {{50, 3}, std::vector<float>(150, 2), {}});
    refused("f3.npy s64.npz", {"s64.npz", "64 features", "3"});
    refused("good s64.npz " + kColour, {"s64.npz", "64 features", "192"});
    refused("f3.npy b.npy " + kGray, {"f3.npy", "3 features", "64"});
    refused("s64.npz b.npy --metric kid " + kGray, {"s64.npz", "only statistics"});
    refused("f64.npy s64.npz --reference-images 10", {"s64.npz", "cannot be cut"});
}

}  // namespace
}  // namespace schedbench
