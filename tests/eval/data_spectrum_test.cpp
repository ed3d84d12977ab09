#include "eval/data_spectrum.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <random>

#include "core/error.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

Dataset images(int64_t count, int64_t height, int64_t width, const std::vector<uint8_t>& pixels) {
    Dataset out;
    out.spec = "npy:file=x";
    out.hash = "0123";
    out.count = count;
    out.channels = 1;
    out.height = height;
    out.width = width;
    out.pixels = pixels;
    return out;
}

Dataset noise(int64_t count, int64_t side, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<uint8_t> pixels;
    for (int64_t i = 0; i < count; ++i) {
        const uint64_t common = random() % 128;  // one strong axis, and many weak ones
        for (int64_t j = 0; j < side * side; ++j)
            pixels.push_back(static_cast<uint8_t>(common + random() % (2 + static_cast<uint64_t>(j) % 100)));
    }
    return images(count, side, side, pixels);
}

double total_variance(const CovarianceSpectrum& spectrum) {
    double total = 0;
    for (size_t i = 0; i < spectrum.stds.size(); ++i)
        total += spectrum.weights[i] * spectrum.stds[i] * spectrum.stds[i];
    return total;
}

/// Variances straight from their definition.
std::vector<double> pixel_variances(const Dataset& data) {
    std::vector<double> out;
    for (int64_t j = 0; j < data.image_size(); ++j) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < data.count; ++i)
            mean += data.image(i)[static_cast<size_t>(j)] / 127.5 / static_cast<double>(data.count);
        for (int64_t i = 0; i < data.count; ++i)
            square += std::pow(data.image(i)[static_cast<size_t>(j)] / 127.5 - mean, 2);
        out.push_back(square / static_cast<double>(data.count - 1));
    }
    return out;
}

TEST(DataSpectrum, TwoPixelsInClosedForm) {
    // Pixels (a, b) with variances p, q and covariance r: eigenvalues (p + q)/2 +- sqrt(((p - q)/2)^2 + r^2).
    const Dataset data = images(4, 1, 2, {0, 10, 100, 40, 200, 90, 250, 255});
    const auto variances = pixel_variances(data);
    double covariance = 0, means[2] = {137.5, 98.75};
    for (int64_t i = 0; i < 4; ++i)
        covariance += (data.image(i)[0] - means[0]) * (data.image(i)[1] - means[1]) / 127.5 / 127.5 / 3;
    const double middle = (variances[0] + variances[1]) / 2,
                 half = std::hypot((variances[0] - variances[1]) / 2, covariance);
    const DataSpectrum result = measure_spectrum(data);
    ASSERT_EQ(result.spectrum.stds.size(), 2u);
    EXPECT_NEAR(result.spectrum.stds[0], std::sqrt(middle + half), 1e-12);
    EXPECT_NEAR(result.spectrum.stds[1], std::sqrt(middle - half), 1e-12);
    EXPECT_EQ(result.spectrum.weights, (std::vector<double>{1, 1}));
    EXPECT_EQ(result.clamped, 0);
}

TEST(DataSpectrum, BothRoutesGiveTheEigenvaluesOfTheCovariance) {
    for (const int64_t count : {3, 40, 64, 65, 200, 2500}) {
        const Dataset data = noise(count, 8, static_cast<uint64_t>(count));
        at::Tensor x =
            at::from_blob(const_cast<uint8_t*>(data.pixels.data()), {count, 64}, at::kByte).to(at::kDouble) /
            127.5;
        x = x - x.mean(0);
        const at::Tensor all = at::linalg_eigvalsh(at::mm(x.t(), x) / static_cast<double>(count - 1));
        const DataSpectrum result = measure_spectrum(data);
        ASSERT_EQ(result.spectrum.stds.size(), 64u);
        int64_t below = 0;
        for (int64_t i = 0; i < 64; ++i) {
            const double std = std::sqrt(std::max(all[63 - i].item<double>(), 0.0));
            below += std < spectrum_floor();
            EXPECT_NEAR(result.spectrum.stds[static_cast<size_t>(i)], std::max(std, spectrum_floor()), 1e-10);
        }
        EXPECT_EQ(result.clamped, below);
        EXPECT_GE(result.clamped, 64 - (count - 1));
    }
}

TEST(DataSpectrum, BinsKeepTheVarianceAndTheNumberOfAxes) {
    const Dataset data = noise(700, 20, 5);
    const DataSpectrum result = measure_spectrum(data);
    EXPECT_EQ(result.dimension, 400);
    EXPECT_EQ(result.spectrum.stds.size(), 256u);
    EXPECT_EQ(std::accumulate(result.spectrum.weights.begin(), result.spectrum.weights.end(), 0.0), 400);
    for (size_t i = 1; i < 256; ++i) EXPECT_LE(result.spectrum.stds[i], result.spectrum.stds[i - 1]);
    for (double weight : result.spectrum.weights) EXPECT_TRUE(weight == 1 || weight == 2);
    const auto variances = pixel_variances(data);
    ASSERT_EQ(result.clamped, 0);
    EXPECT_NEAR(total_variance(result.spectrum) / std::accumulate(variances.begin(), variances.end(), 0.0), 1,
                1e-12);
}

TEST(DataSpectrum, RefusesWhatHasNoCovarianceAndClampsConstants) {
    EXPECT_THROW(measure_spectrum(images(1, 1, 2, {1, 2})), Error);
    EXPECT_THROW(measure_spectrum(images(0, 1, 2, {})), Error);
    const DataSpectrum flat = measure_spectrum(images(3, 1, 2, {7, 7, 7, 7, 7, 7}));
    EXPECT_EQ(flat.clamped, 2);
    EXPECT_EQ(flat.spectrum.stds, (std::vector<double>{spectrum_floor(), spectrum_floor()}));
}

TEST(DataSpectrum, FilesAreReadByTheSchedule) {
    const auto path = std::filesystem::temp_directory_path() / "schedbench_data_spectrum_test.json";
    const DataSpectrum result = measure_spectrum(noise(500, 8, 2));
    write_spectrum(result, path.string());
    const CovarianceSpectrum back = CovarianceSpectrum::read(path.string());
    EXPECT_EQ(back.stds, result.spectrum.stds);
    EXPECT_EQ(back.weights, result.spectrum.weights);
    const Schedule s =
        build_schedule(Spec::parse("kl-spectrum:file='" + path.string() + "'"),
                       NoiseProcess(Spec::parse("continuous")), {12, TimeRule::nearest, false});
    EXPECT_EQ(s.steps(), 12);
    std::filesystem::remove(path);
    EXPECT_THROW(write_spectrum(result, "/nowhere/at/all.json"), Error);
}

}  // namespace
}  // namespace schedbench
