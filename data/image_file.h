// Image: one uint8 image, and how to get it from and into PNG and JPEG files. image_file.cpp is the only file
// that knows OpenCV; in a build without it (-DSCHEDBENCH_OPENCV=OFF) each function here is an Error("option")
// that says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace schedbench {

struct Image {
    int64_t channels = 0, height = 0, width = 0;
    std::vector<uint8_t> pixels;  ///< [channels, height, width]; three channels are red, green, blue
};

/// Was this built with OpenCV?
bool has_opencv();

/// Reads a PNG or JPEG file: 8-bit, three channels or, with `gray`, one. One channel is repeated, an alpha
/// channel is dropped, of 16 bits the upper eight are kept, CMYK (inverted, as JPEG files hold it) becomes
/// red = (255 - C)(255 - K)/255 and so on, and the EXIF orientation is ignored, as Pillow does. Error("file")
/// for a file that cannot be decoded or is cut short.
Image read_image(const std::string& path, bool gray = false);

/// The largest centred square (offsets rounded down), resized to size x size with area averaging (enlarged:
/// linear).
Image crop_and_resize(const Image& image, int64_t size);

/// PNG of one or three channels.
void write_png(const std::string& path, const Image& image);

}  // namespace schedbench
