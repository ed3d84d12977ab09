// Published facts about the real data sets, where they are on this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <set>

#include "data/dataset.h"

namespace schedbench {
namespace {

const std::string kShared = std::string(SCHEDBENCH_SOURCE_DIR) + "/../shared/data";

Dataset load(const std::string& text, int64_t limit = 0) {
    return load_dataset(Spec::parse(text), "--data", limit);
}

std::vector<int64_t> class_counts(const Dataset& data) {
    std::vector<int64_t> counts(static_cast<size_t>(data.classes));
    for (int64_t label : data.labels) ++counts[static_cast<size_t>(label)];
    return counts;
}

struct Moments {
    double mean = 0, sd = 0;
};

// Mean and standard deviation of one channel over all images, pixels in [0, 1].
Moments moments(const Dataset& data, int64_t channel) {
    double sum = 0, squares = 0;
    const int64_t plane = data.height * data.width;
    for (int64_t i = 0; i < data.count; ++i) {
        int64_t s = 0, q = 0;
        for (uint8_t pixel :
             data.image(i).subspan(static_cast<size_t>(channel * plane), static_cast<size_t>(plane))) {
            s += pixel;
            q += int64_t{pixel} * pixel;
        }
        sum += static_cast<double>(s);
        squares += static_cast<double>(q);
    }
    const double n = static_cast<double>(data.count * plane);
    const double mean = sum / n / 255;
    return {mean, std::sqrt(squares / n / (255.0 * 255.0) - mean * mean)};
}

TEST(RealData, FashionMnist) {
    if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
        GTEST_SKIP()
            << "the Debian package dataset-fashion-mnist is not installed: Fashion-MNIST is not tested";
    const Dataset train = load("fashion-mnist:pad=false"), test = load("fashion-mnist:split=test,pad=false");
    EXPECT_EQ(train.count, 60000);
    EXPECT_EQ(test.count, 10000);
    EXPECT_EQ(train.height, 28);
    EXPECT_EQ(class_counts(train), std::vector<int64_t>(10, 6000));
    EXPECT_EQ(class_counts(test), std::vector<int64_t>(10, 1000));
    // The first training image is an ankle boot, then two T-shirts (data set's README); mean and deviation as
    // known.
    EXPECT_EQ((std::vector<int64_t>{train.labels.begin(), train.labels.begin() + 3}),
              (std::vector<int64_t>{9, 0, 0}));
    EXPECT_NEAR(moments(train, 0).mean, 0.2860, 5e-5);
    EXPECT_NEAR(moments(train, 0).sd, 0.3530, 5e-5);
    const Dataset padded = load("fashion-mnist", 100);
    EXPECT_EQ(padded.width, 32);
    EXPECT_EQ(std::accumulate(padded.pixels.begin(), padded.pixels.end(), int64_t{0}),
              std::accumulate(train.pixels.begin(), train.pixels.begin() + 100 * 784, int64_t{0}));
    EXPECT_NE(train.hash, test.hash);
}

TEST(RealData, Mnist) {
    if (!std::filesystem::exists(kShared + "/mnist"))
        GTEST_SKIP() << "no ../shared/data/mnist: MNIST is not tested";
    const Dataset train = load("mnist:pad=false,path='" + kShared + "/mnist'");
    const Dataset test = load("mnist:split=test,path='" + kShared + "/mnist'");
    EXPECT_EQ(test.width, 32);
    EXPECT_EQ(class_counts(train),
              (std::vector<int64_t>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}));
    EXPECT_EQ(class_counts(test),
              (std::vector<int64_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
    EXPECT_EQ((std::vector<int64_t>{train.labels.begin(), train.labels.begin() + 5}),
              (std::vector<int64_t>{5, 0, 4, 1, 9}));
    EXPECT_NEAR(moments(train, 0).mean, 0.1307, 5e-5);
    EXPECT_NEAR(moments(train, 0).sd, 0.3081, 5e-5);
}

TEST(RealData, Cifar10) {
    const std::string folder = kShared + "/cifar-10-batches-bin";
    if (!std::filesystem::exists(folder))
        GTEST_SKIP() << "no ../shared/data/cifar-10-batches-bin: CIFAR-10 is not tested";
    const Dataset train = load("cifar10:path='" + folder + "'"),
                  test = load("cifar10:split=test,path='" + folder + "'");
    EXPECT_EQ(train.count, 50000);
    EXPECT_EQ(test.count, 10000);
    EXPECT_EQ(class_counts(train), std::vector<int64_t>(10, 5000));
    EXPECT_EQ(class_counts(test), std::vector<int64_t>(10, 1000));
    // The first training image is a frog (6), the first test image a cat (3). Means and deviations of red,
    // green, blue.
    EXPECT_EQ(train.labels[0], 6);
    EXPECT_EQ(test.labels[0], 3);
    const std::vector<Moments> known = {{0.4914, 0.2470}, {0.4822, 0.2435}, {0.4465, 0.2616}};
    for (int64_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(moments(train, c).mean, known[static_cast<size_t>(c)].mean, 1e-4);
        EXPECT_NEAR(moments(train, c).sd, known[static_cast<size_t>(c)].sd, 1e-4);
    }
}

}  // namespace
}  // namespace schedbench
