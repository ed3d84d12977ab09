#include "data/image_file.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/error.h"
#include "data/byte_file.h"

#ifdef SCHEDBENCH_HAVE_OPENCV
#include <zlib.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#endif

namespace schedbench {

#ifdef SCHEDBENCH_HAVE_OPENCV

namespace {

// The one boundary where exceptions of OpenCV become ours. One thread: parallelism belongs to ranks and
// LibTorch, and OpenCV's pool would fight with both.
template <class Work>
auto checked(const std::string& where, const std::string& action, Work&& work) {
    cv::setNumThreads(1);
    try {
        return work();
    } catch (const cv::Exception& e) {
        std::string reason = e.err.empty() ? e.what() : e.err;
        std::replace(reason.begin(), reason.end(), '\n', ' ');
        throw Error("file", action + ": " + reason, where);
    }
}

cv::Mat to_mat(const Image& image) {
    SCHEDBENCH_ASSERT(image.channels == 1 || image.channels == 3);
    SCHEDBENCH_ASSERT(static_cast<int64_t>(image.pixels.size()) ==
                      image.channels * image.height * image.width);
    cv::Mat mat(static_cast<int>(image.height), static_cast<int>(image.width),
                image.channels == 3 ? CV_8UC3 : CV_8UC1);
    const int64_t plane = image.height * image.width;
    for (int64_t y = 0; y < image.height; ++y) {
        uint8_t* row = mat.ptr<uint8_t>(static_cast<int>(y));
        for (int64_t x = 0; x < image.width; ++x)
            for (int64_t c = 0; c < image.channels; ++c)  // OpenCV's order is blue, green, red, interleaved
                row[x * image.channels + image.channels - 1 - c] =
                    image.pixels[static_cast<size_t>(c * plane + y * image.width + x)];
    }
    return mat;
}

Image from_mat(const cv::Mat& mat) {
    Image image{mat.channels(), mat.rows, mat.cols, {}};
    const int64_t plane = image.height * image.width;
    image.pixels.resize(static_cast<size_t>(image.channels * plane));
    for (int64_t y = 0; y < image.height; ++y) {
        const uint8_t* row = mat.ptr<uint8_t>(static_cast<int>(y));
        for (int64_t x = 0; x < image.width; ++x)
            for (int64_t c = 0; c < image.channels; ++c)
                image.pixels[static_cast<size_t>(c * plane + y * image.width + x)] =
                    row[x * image.channels + image.channels - 1 - c];
    }
    return image;
}

[[noreturn]] void cut_short(std::span<const uint8_t> bytes, const std::string& path) {
    throw Error("file", "the image is cut short: its end marker is missing", at_byte(path, bytes.size()),
                "fetch the file again");
}

// libjpeg fills the missing part of a file that is cut short with gray, and OpenCV passes that on, so the end
// marker is looked for here. Segments before the first scan carry their length (a thumbnail in them may have
// an end marker of its own); within a scan 0xFF 0xD9 cannot be anything else, because data bytes 0xFF are
// followed by 0 (ITU-T T.81, B.1.1).
void check_jpeg(std::span<const uint8_t> bytes, const std::string& path) {
    size_t at = 2;
    while (at + 4 <= bytes.size() && bytes[at] == 0xff) {
        if (bytes[at + 1] == 0xff) {  // fill byte
            ++at;
            continue;
        }
        if (bytes[at + 1] == 0xda) {
            constexpr std::array<uint8_t, 2> end = {0xff, 0xd9};
            if (std::search(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), end.begin(),
                            end.end()) != bytes.end())
                return;
            break;
        }
        at += 2 + (size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
    }
    cut_short(bytes, path);
}

// The chunks of a PNG file are length, type, data and CRC-32 of type and data; the last is IEND (W3C PNG
// specification, section 5). Checked here because libpng prints its faults to stderr and does not say where
// they are.
void check_png(std::span<const uint8_t> bytes, const std::string& path) {
    constexpr std::array<uint8_t, 4> end = {'I', 'E', 'N', 'D'};
    auto number = [&](size_t at) {
        return size_t{bytes[at]} << 24 | size_t{bytes[at + 1]} << 16 | size_t{bytes[at + 2]} << 8 |
               bytes[at + 3];
    };
    for (size_t at = 8; at + 12 <= bytes.size();) {
        const size_t size = number(at);
        if (size > bytes.size() - at - 12) break;
        const std::span<const uint8_t> type_and_data = bytes.subspan(at + 4, 4 + size);
        if (crc32_z(0, type_and_data.data(), type_and_data.size()) != number(at + 8 + size))
            throw Error("file", "the image is damaged: the checksum (CRC-32) of a PNG chunk does not agree",
                        at_byte(path, at), "fetch the file again");
        if (std::equal(end.begin(), end.end(), type_and_data.begin())) return;
        at += 12 + size;
    }
    cut_short(bytes, path);
}

}  // namespace

Image read_image(const std::string& path, bool gray) {
    const std::vector<uint8_t> bytes = read_bytes(path);
    if (bytes.empty())
        throw Error("file", "the file is empty, expected a PNG or JPEG image", path,
                    "fetch it again, or remove it");
    constexpr std::array<uint8_t, 8> png = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a};
    const bool is_png = bytes.size() >= 8 && std::equal(png.begin(), png.end(), bytes.begin());
    const bool is_jpeg = bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
    if (!is_png && !is_jpeg)
        throw Error("file", "is neither a PNG nor a JPEG image", at_byte(path, 0),
                    "remove it, or convert it to PNG");
    is_png ? check_png(bytes, path) : check_jpeg(bytes, path);
    return checked(path, "the image cannot be decoded", [&] {
        const cv::Mat mat = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
        if (mat.empty())
            throw Error("file", "the image cannot be decoded", at_byte(path, 0), "the file is damaged");
        if (!gray) return from_mat(mat);
        cv::Mat one;
        cv::cvtColor(mat, one, cv::COLOR_BGR2GRAY);
        return from_mat(one);
    });
}

Image crop_and_resize(const Image& image, int64_t size) {
    return checked("image", "resizing failed", [&] {
        const int side = static_cast<int>(std::min(image.height, image.width));
        const cv::Rect square((static_cast<int>(image.width) - side) / 2,
                              (static_cast<int>(image.height) - side) / 2, side, side);
        cv::Mat out;
        cv::resize(to_mat(image)(square), out, cv::Size(static_cast<int>(size), static_cast<int>(size)), 0, 0,
                   cv::INTER_AREA);
        return from_mat(out);
    });
}

void write_png(const std::string& path, const Image& image) {
    const std::vector<uint8_t> bytes = checked(path, "the image cannot be encoded", [&] {
        std::vector<uint8_t> out;
        if (!cv::imencode(".png", to_mat(image), out))
            throw Error("file", "the image cannot be encoded as PNG", path);
        return out;
    });
    const std::array<std::span<const uint8_t>, 1> parts = {bytes};
    write_bytes(path, parts);
}

bool has_opencv() {
    return true;
}

#else

bool has_opencv() {
    return false;
}

namespace {
[[noreturn]] void no_opencv(const std::string& where) {
    throw Error("option", "this build cannot read or write images: it was made without OpenCV", where,
                "build with -DSCHEDBENCH_OPENCV=ON, or use .npy files");
}
}  // namespace

Image read_image(const std::string& path, bool) {
    no_opencv(path);
}
Image crop_and_resize(const Image&, int64_t) {
    no_opencv("image");
}
void write_png(const std::string& path, const Image&) {
    no_opencv(path);
}

#endif

}  // namespace schedbench
