// The golden images of tests/golden/metrics: PNG files with any size, and images given by a formula.
#pragma once

#include <ATen/ATen.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/hash.h"
#include "data/image_file.h"
#include "eval/resize.h"
#include "golden.h"

namespace schedbench::inception_cases {

struct OddImage {
    std::string file;
    at::Tensor pixels;  ///< uint8 [1, C, H, W], C as in the file
    nlohmann::json resized;
};

/// The names of pipelines in the golden files.
inline Pipeline pipeline_of(const std::string& name) {
    if (name == "pytorchfid") return Pipeline::pytorch_fid;
    if (name == "antialias") return Pipeline::antialiased;
    return parse_pipeline(name, "golden file");
}

/// Full scale of resize_for().
inline double full_scale(Pipeline pipeline) {
    return pipeline == Pipeline::pytorch_fid ? 1 : 255;
}

inline at::Tensor tensor_of(const Image& image) {
    return at::from_blob(const_cast<uint8_t*>(image.pixels.data()),
                         {1, image.channels, image.height, image.width}, at::kByte)
        .clone();
}

/// All images of every <set>_images.json that lists files; checks the SHA-256 of what was decoded.
inline std::vector<OddImage> odd_images(const std::filesystem::path& list) {
    std::vector<OddImage> out;
    const nlohmann::json json = nlohmann::json::parse(std::ifstream(list));
    for (const auto& entry : json.at("images")) {
        const std::string file = entry.at("file");
        const bool gray = entry.at("channels_in_file") == 1;
        const at::Tensor pixels = tensor_of(read_image((list.parent_path() / file).string(), gray));
        const at::Tensor bytes =
            pixels.expand({1, 3, pixels.size(2), pixels.size(3)}).permute({0, 2, 3, 1}).contiguous();
        EXPECT_EQ(sha256({reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                          static_cast<size_t>(bytes.numel())}),
                  entry.at("sha256_rgb_hwc").get<std::string>())
            << file;
        out.push_back({file, pixels, entry.at("resized")});
    }
    return out;
}

/// p[c][y][x] = (37 c + 7 y + 13 x + (x y mod 29)) mod 256
inline at::Tensor formula_image(int64_t height, int64_t width) {
    const auto c = at::arange(3, at::kLong).reshape({3, 1, 1});
    const auto y = at::arange(height, at::kLong).reshape({1, height, 1});
    const auto x = at::arange(width, at::kLong).reshape({1, 1, width});
    return (37 * c + 7 * y + 13 * x + (x * y).remainder(29)).remainder(256).to(at::kByte).unsqueeze(0);
}

/// The files that hold a list of formula images.
inline std::vector<nlohmann::json> formula_cases() {
    std::vector<nlohmann::json> out;
    for (const auto& file : golden::files("metrics", ".json")) {
        const nlohmann::json json = nlohmann::json::parse(std::ifstream(file));
        if (!json.is_object() || !json.contains("pixel_formula")) continue;
        for (const auto& row : json.at("rows")) out.push_back(row);
    }
    return out;
}

}  // namespace schedbench::inception_cases
