// Resized images of torch-fidelity, pytorch-fid, clean-fid and torchmetrics: sums and single pixels.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <regex>

#include "core/error.h"
#include "eval/resize.h"
#include "inception_cases.h"

namespace schedbench {
namespace {

using nlohmann::json;

constexpr int64_t kSize = 299;

void check(const at::Tensor& resized, Pipeline pipeline, const json& expected, const std::string& what,
           golden::Tally& pixels, golden::Tally& sums, golden::Tally& bits) {
    ASSERT_EQ(resized.sizes(), (at::IntArrayRef{1, 3, kSize, kSize})) << what;
    ASSERT_EQ(resized.scalar_type(), at::kFloat);
    for (const auto& [key, value] : expected.items()) {
        std::smatch at;
        if (key == "sum") {
            const double sum = resized.to(at::kDouble).sum().item<double>();
            sums.add(std::abs(sum / value.get<double>() - 1), 1e-8, what + " sum");
        } else if (std::regex_match(key, at, std::regex("px_(\\d+)_(\\d+)_(\\d+)"))) {
            const float got =
                resized[0][std::stoll(at[1])][std::stoll(at[2])][std::stoll(at[3])].item<float>();
            const double difference = std::abs(static_cast<double>(got) - value.get<double>());
            pixels.add(difference * 255 / inception_cases::full_scale(pipeline), 2e-4, what + " " + key);
            if (pipeline == Pipeline::tf1) bits.add(difference, 0, what + " " + key);
        }
    }
}

TEST(ResizeGolden, SumsAndPixels) {
    golden::Tally pixels("metrics/resized pixels, levels of 255"), sums("metrics/resized sums, relative"),
        bits("metrics/resized pixels of tf1, bit for bit");
    for (const auto& list : golden::files("metrics", "_images.json")) {
        const json head = json::parse(std::ifstream(list));
        if (!head.contains("images")) continue;
        for (const auto& image : inception_cases::odd_images(list))
            for (const auto& [name, expected] : image.resized.items()) {
                const Pipeline pipeline = inception_cases::pipeline_of(name);
                check(resize_for(pipeline, image.pixels, kSize), pipeline, expected, image.file + " " + name,
                      pixels, sums, bits);
            }
    }
    for (const auto& row : inception_cases::formula_cases()) {
        const Pipeline pipeline = inception_cases::pipeline_of(row.at("pipeline"));
        const at::Tensor image = inception_cases::formula_image(row.at("height"), row.at("width"));
        check(resize_for(pipeline, image, kSize), pipeline, row.at("resized"),
              "formula " + row.at("case").get<std::string>(), pixels, sums, bits);
    }
    pixels.report();
    sums.report();
    bits.report();
}

// What holds of any image: constant images stay constant, an image of the right size is left alone, gray is
// three equal channels, and images of a batch do not see each other.
TEST(Resize, Invariants) {
    for (const auto& name : pipeline_names()) {
        SCOPED_TRACE(name);
        const Pipeline pipeline = parse_pipeline(name, "test");
        EXPECT_EQ(pipeline_name(pipeline), name);
        const double unit = pipeline == Pipeline::pytorch_fid ? 1.0 / 255 : 1;
        for (const int64_t size : {1, 2, 31, 64, 299, 701}) {
            const auto flat = resize_for(pipeline, at::full({1, 3, size, 5}, 200, at::kByte), 299);
            EXPECT_LT((flat - 200 * unit).abs().max().item<double>(), 1e-4 * unit) << size;
        }
        const at::Tensor exact = inception_cases::formula_image(299, 299);
        EXPECT_LT((resize_for(pipeline, exact, 299) - exact.to(at::kFloat) * unit).abs().max().item<double>(),
                  1e-7);
        const at::Tensor image = inception_cases::formula_image(33, 47);
        const at::Tensor gray = image.narrow(1, 1, 1);
        const at::Tensor alone = resize_for(pipeline, gray, 299);
        EXPECT_TRUE(alone.equal(resize_for(pipeline, gray.expand({1, 3, 33, 47}), 299)));
        const at::Tensor both = resize_for(pipeline, at::cat({image, image.flip(3)}), 299);
        EXPECT_TRUE(both.narrow(0, 0, 1).equal(resize_for(pipeline, image, 299)));
        EXPECT_TRUE(both.narrow(0, 1, 1).equal(resize_for(pipeline, image.flip(3), 299)));
        const at::Tensor scaled = scale_for(pipeline, at::full({1}, 255 * unit, at::kFloat));
        EXPECT_EQ(scaled.item<double>(), pipeline == Pipeline::pytorch_fid ? 1.0 : 0.9921875);
    }
}

// The same tf1 map written with the interpolation weights of all four neighbours, in double.
TEST(Resize, Tf1IsTheShiftedBilinearMap) {
    const at::Tensor image = inception_cases::formula_image(20, 27);
    const at::Tensor resized = resize_for(Pipeline::tf1, image, 299);
    double worst = 0;
    for (int64_t y = 0; y < 299; y += 7)
        for (int64_t x = 0; x < 299; x += 5) {
            const double v = static_cast<double>(y) * 20 / 299, u = static_cast<double>(x) * 27 / 299;
            double sum = 0;
            for (int64_t dy = 0; dy < 2; ++dy)
                for (int64_t dx = 0; dx < 2; ++dx) {
                    const auto row = static_cast<int64_t>(v), column = static_cast<int64_t>(u);
                    const double wy = v - static_cast<double>(row), wx = u - static_cast<double>(column);
                    sum += (dy ? wy : 1 - wy) * (dx ? wx : 1 - wx) *
                           image[0][2][std::min<int64_t>(row + dy, 19)][std::min<int64_t>(column + dx, 26)]
                               .item<double>();
                }
            worst = std::max(worst, std::abs(sum - resized[0][2][y][x].item<double>()));
        }
    EXPECT_LT(worst, 5e-4);
}

TEST(Resize, RefusesWhatIsNoImage) {
    for (const at::Tensor& wrong : {at::zeros({1, 3, 8, 8}), at::zeros({1, 4, 8, 8}, at::kByte),
                                    at::zeros({3, 8, 8}, at::kByte), at::zeros({1, 3, 0, 8}, at::kByte)}) {
        try {
            resize_for(Pipeline::clean, wrong, 299);
            ADD_FAILURE() << "accepted " << wrong.sizes();
        } catch (const Error& e) {
            EXPECT_EQ(e.kind(), "shape");
        }
    }
    EXPECT_THROW(parse_pipeline("tf2", "--extractor"), Error);
}

}  // namespace
}  // namespace schedbench
