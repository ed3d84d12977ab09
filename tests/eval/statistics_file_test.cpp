#include "eval/statistics_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "data/npz.h"
#include "eval/frechet.h"
#include "numbers.h"

namespace schedbench {
namespace {

class StatisticsFiles : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() /
                  ("statistics_file_" + std::to_string(::getpid()) + "_" +
                   testing::UnitTest::GetInstance()->current_test_info()->name());
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    static NpyArray doubles(std::vector<int64_t> shape, std::vector<double> values) {
        return {std::move(shape), std::move(values), {}};
    }
    /// The one-line error of reading these arrays as statistics.
    std::string refusal(const std::map<std::string, NpyArray>& arrays, int64_t dimension = 0) const {
        write_npz(path("bad.npz"), arrays);
        try {
            read_statistics(path("bad.npz"), dimension);
        } catch (const Error& error) {
            EXPECT_NE(error.where().find("bad.npz"), std::string::npos);
            return error.kind() + ": " + error.where().substr(error.where().find("bad.npz")) + ": " +
                   error.message();
        }
        return "";
    }

  private:
    std::filesystem::path folder_;
};

TEST_F(StatisticsFiles, RoundTrip) {
    const at::Tensor x = skewed_features(50, 6, 300), s = skewed_features(50, 9, 301);
    const FeatureStatistics out{feature_sums(x).moments(), feature_sums(s).moments()};
    write_statistics(path("a.npz"), out);
    const FeatureStatistics in = read_statistics(path("a.npz"), 6);
    EXPECT_TRUE(at::equal(in.moments.mean, out.moments.mean));
    EXPECT_TRUE(at::equal(in.moments.covariance, out.moments.covariance));
    EXPECT_EQ(in.moments.n, 50);
    ASSERT_TRUE(in.spatial.has_value());
    EXPECT_TRUE(at::equal(in.spatial->covariance, out.spatial->covariance));
    const at::Tensor y = 1.1 * skewed_features(80, 6, 302);
    EXPECT_EQ(frechet(y, FrechetReference::of_moments(in.moments)).at_n.value,
              frechet(y, FrechetReference::of_moments(out.moments)).at_n.value);
}

// What other tools write: mu and sigma alone, in either precision; other members are not looked at.
TEST_F(StatisticsFiles, ForeignFiles) {
    write_npz(path("a.npz"), {{"mu", {{2}, std::vector<float>{1, 2}, {}}},
                              {"sigma", {{2, 2}, std::vector<float>{2, 1.00000012F, 1, 3}, {}}},
                              {"arr_0", {{1, 1}, std::vector<uint8_t>{7}, {}}}});
    EXPECT_EQ(npz_names(path("a.npz")), (std::vector<std::string>{"arr_0", "mu", "sigma"}));
    const FeatureStatistics in = read_statistics(path("a.npz"));
    EXPECT_EQ(in.moments.n, 0);
    EXPECT_FALSE(in.spatial.has_value());
    EXPECT_TRUE(at::equal(in.moments.covariance, in.moments.covariance.t()));
    EXPECT_EQ(in.moments.mean[1].item<double>(), 2);
}

TEST_F(StatisticsFiles, Refusals) {
    const NpyArray mu = doubles({2}, {1, 2}), sigma = doubles({2, 2}, {2, 1, 1, 3});
    const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", sigma}}), "");
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", sigma}}, 3), "shape: bad.npz: has 2 features, expected 3");
    EXPECT_NE(refusal({{"mu", mu}}).find("holds no array \"sigma\""), std::string::npos);
    EXPECT_EQ(refusal({{"mu", doubles({2}, {1, nan})}, {"sigma", sigma}}),
              "file: bad.npz:mu: element 1 is NaN or infinite");
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", doubles({2, 2}, {2, 1, inf, 3})}}),
              "file: bad.npz:sigma: element 2 is NaN or infinite");
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", doubles({2, 2}, {2, 1, 0.9, 3})}}),
              "file: bad.npz:sigma: is not symmetric");
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", doubles({2, 2}, {2, 1, 1, -3})}}),
              "file: bad.npz:sigma: has a negative variance, of feature 1");
    EXPECT_EQ(refusal({{"mu", mu}, {"sigma", doubles({3, 3}, std::vector<double>(9, 1))}}),
              "file: bad.npz:sigma: has shape [3, 3], expected [2, 2]");
    EXPECT_EQ(refusal({{"mu", doubles({1, 2}, {1, 2})}, {"sigma", sigma}}),
              "file: bad.npz:mu: has shape [1, 2], expected [d]");
    EXPECT_NE(refusal({{"mu", mu}, {"sigma", sigma}, {"mu_s", mu}}).find("only one of mu_s"),
              std::string::npos);
    EXPECT_NE(refusal({{"mu", mu}, {"sigma", sigma}, {"mu_s", mu}, {"sigma_s", doubles({1, 1}, {1})}})
                  .find("sigma_s: has shape"),
              std::string::npos);
    EXPECT_NE(refusal({{"mu", mu}, {"sigma", sigma}, {"n", doubles({}, {2.5})}}).find("one whole number"),
              std::string::npos);
}

TEST_F(StatisticsFiles, SumsMergeAsIfNeverWritten) {
    const at::Tensor x = skewed_features(90, 5, 303) + 3;
    FeatureSums first = feature_sums(x.narrow(0, 0, 40)), second = feature_sums(x.narrow(0, 40, 50));
    write_feature_sums(path("1.npz"), first);
    write_feature_sums(path("2.npz"), second);
    FeatureSums read = read_feature_sums(path("1.npz"), 5);
    EXPECT_EQ(read.n(), 40);
    EXPECT_TRUE(at::equal(read.outer(), first.outer()));
    read.merge(read_feature_sums(path("2.npz")));
    first.merge(second);
    EXPECT_TRUE(at::equal(read.covariance(), first.covariance()));
    EXPECT_LT((read.covariance() - feature_sums(x).covariance()).abs().max().item<double>(), 1e-12);
    EXPECT_THROW(read_feature_sums(path("1.npz"), 6), Error);
    write_statistics(path("3.npz"), {first.moments()});
    EXPECT_THROW(read_feature_sums(path("3.npz")), Error);
}

TEST_F(StatisticsFiles, Features) {
    const at::Tensor x = skewed_features(7, 3, 304);
    write_features(path("d.npy"), x);
    write_features(path("f.npy"), x.to(at::kFloat).t().contiguous().t());
    EXPECT_TRUE(at::equal(read_features(path("d.npy"), 3), x));
    EXPECT_TRUE(at::equal(read_features(path("f.npy")), x.to(at::kFloat)));

    const auto refusal = [&](const NpyArray& array, int64_t dimension = 0) -> std::string {
        write_npy(path("bad.npy"), array);
        try {
            read_features(path("bad.npy"), dimension);
        } catch (const Error& error) {
            EXPECT_NE(error.where().find("bad.npy"), std::string::npos);
            return error.message();
        }
        return "";
    };
    EXPECT_EQ(refusal(doubles({1, 3}, {1, 2, 3})), "holds 1 rows of features, a metric needs two or more");
    EXPECT_EQ(refusal(doubles({3}, {1, 2, 3})), "has shape [3], expected features [n, d]");
    EXPECT_EQ(refusal(doubles({2, 2}, {1, 2, std::nan(""), 4})), "element 2 is NaN or infinite");
    EXPECT_EQ(refusal(doubles({2, 2}, {1, 2, 3, 4}), 5), "has 2 features, expected 5");
    EXPECT_EQ(refusal({{2, 1}, std::vector<uint8_t>{1, 2}, {}}),
              "holds uint8, expected float32 or float64 features");
    at::Tensor bad = x.clone();
    bad[2][0] = std::nan("");
    EXPECT_THROW(write_features(path("bad.npy"), bad), Error);
}

// Three images of one value each, 0, 1/2 and 1, as their own features.
TEST(FrechetOfSingular, ThreeValues) {
    const Moments m = feature_sums(at::tensor({0.0, 0.5, 1.0}, at::kDouble).reshape({3, 1})).moments();
    EXPECT_EQ(m.mean.item<double>(), 0.5);
    EXPECT_EQ(m.covariance.item<double>(), 0.25);
}

// A covariance without full rank, from statistics, from features or one of each, against itself.
TEST(FrechetOfSingular, SelfDistance) {
    uint64_t stream = 310;
    for (const auto& [n, d] : std::vector<std::pair<int64_t, int64_t>>{
             {6, 16}, {17, 16}, {2, 3}, {60, 128}, {128, 128}, {129, 128}, {100, 512}, {40, 2023}}) {
        const at::Tensor x = 3 * skewed_features(n, d, ++stream);
        const Moments m = feature_sums(x).moments();
        EXPECT_LT(frechet_distance(x, x), 1e-8) << n << " x " << d;
        if (d <= 512) {
            EXPECT_LT(frechet_distance(m, m), 1e-8) << n << " x " << d;
            EXPECT_LT(frechet(x, FrechetReference::of_moments(m)).at_n.value, 1e-8) << n << " x " << d;
        }
    }
    // The same directions missing from both, and rows repeated.
    at::Tensor flat = skewed_features(200, 12, 330);
    flat.narrow(1, 3, 5).fill_(0.7);
    const Moments m = feature_sums(flat.repeat({2, 1})).moments();
    EXPECT_LT(frechet_distance(m, m), 1e-8);
    EXPECT_LT(frechet_distance(flat, flat.flip(0)), 1e-8);
}

// sFID is this distance on 2023 values: with fewer samples than that, by the singular values of Xc Yc^T.
TEST(FrechetOfSingular, SpatialValues) {
    const at::Tensor x = skewed_features(70, 2023, 340), y = 1.1 * skewed_features(50, 2023, 341) + 0.01;
    const at::Tensor xc = (x - x.mean(0)) / std::sqrt(69.0), yc = (y - y.mean(0)) / std::sqrt(49.0);
    const double expected = ((x.mean(0) - y.mean(0)).square().sum() + xc.square().sum() + yc.square().sum() -
                             2 * at::linalg_svdvals(at::mm(xc, yc.t())).sum())
                                .item<double>();
    EXPECT_NEAR(frechet_distance(x, y) / expected, 1, 1e-11);
}

}  // namespace
}  // namespace schedbench
