#include "data/image_grid.h"

#include <algorithm>

#include "core/error.h"
#include "data/image_file.h"

namespace schedbench {

void write_image_grid(const std::string& path, std::span<const uint8_t> pixels,
                      const std::array<int64_t, 4>& shape, int64_t columns) {
    const auto [count, channels, height, width] = shape;
    if (count < 1 || height < 1 || width < 1 || (channels != 1 && channels != 3))
        throw Error("shape",
                    "cannot make a grid of images of shape [" + std::to_string(count) + ", " +
                        std::to_string(channels) + ", " + std::to_string(height) + ", " +
                        std::to_string(width) + "], expected at least one image of 1 or 3 channels",
                    path);
    SCHEDBENCH_ASSERT(static_cast<int64_t>(pixels.size()) == count * channels * height * width);
    if (columns <= 0)
        for (columns = 1; columns * width < (count + columns - 1) / columns * height;) ++columns;
    columns = std::min(columns, count);
    const int64_t rows = (count + columns - 1) / columns;
    Image grid{channels, rows * height, columns * width, {}};
    grid.pixels.assign(static_cast<size_t>(channels * grid.height * grid.width), 0);
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t y = 0; y < height; ++y) {
                const int64_t grid_y = i / columns * height + y, grid_x = i % columns * width;
                std::copy_n(pixels.data() + ((i * channels + c) * height + y) * width, width,
                            grid.pixels.data() + (c * grid.height + grid_y) * grid.width + grid_x);
            }
    write_png(path, grid);
}

}  // namespace schedbench
