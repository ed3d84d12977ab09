#include "data/idx.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>

#include "core/error.h"
#include "data/byte_file.h"
#include "data/inflater.h"

namespace schedbench {

namespace {

// The bytes of an IDX file in order, whether they lie in the file plainly or compressed.
class IdxBytes {
  public:
    explicit IdxBytes(const std::string& path) : path_(path), file_(read_bytes(path)) {
        if (file_.size() >= 2 && file_[0] == 0x1f && file_[1] == 0x8b)
            inflater_.emplace(Inflater::Format::gzip, file_, path);
    }

    void read(std::span<uint8_t> out, const std::string& what) {
        const size_t got = take(out);
        if (got < out.size())
            throw Error("file",
                        "ends after " + std::to_string(got) + " of the " + std::to_string(out.size()) +
                            " bytes of " + what,
                        where(position_ + got), "the file is cut short: fetch it again");
        position_ += got;
    }

    void expect_end(const std::string& what) {
        std::array<uint8_t, 1> extra{};
        if (take(extra) > 0)
            throw Error(
                "file", "goes on after the last byte of " + what, where(position_),
                "the file is longer than its header says: it is damaged, or not the file it is taken for");
    }

    bool can_hold(uint64_t bytes) const {
        return bytes / (inflater_ ? Inflater::kLargestExpansion : 1) <= file_.size();
    }

    std::string where(uint64_t offset) const {
        return at_byte(path_, offset) + (inflater_ ? " of the uncompressed data" : "");
    }

  private:
    size_t take(std::span<uint8_t> out) {
        if (inflater_) return inflater_->read(out);
        const size_t count = std::min<size_t>(out.size(), file_.size() - position_);
        std::copy_n(file_.begin() + static_cast<std::ptrdiff_t>(position_), count, out.begin());
        return count;
    }

    std::string path_;
    std::vector<uint8_t> file_;
    std::optional<Inflater> inflater_;
    size_t position_ = 0;
};

std::string hex(uint8_t byte) {
    return std::string("0x") + "0123456789abcdef"[byte >> 4] + "0123456789abcdef"[byte & 15];
}

std::string find_idx_file(const std::string& folder, const std::string& stem, int dimensions,
                          const std::string& hint) {
    const std::string rank = std::to_string(dimensions);
    for (const std::string& name : {stem + "-idx" + rank + "-ubyte.gz", stem + "-idx" + rank + "-ubyte",
                                    stem + ".idx" + rank + "-ubyte"}) {
        const std::string path = folder + "/" + name;
        std::error_code fault;
        if (std::filesystem::exists(path, fault)) return path;
    }
    throw Error("file",
                "there is neither " + stem + "-idx" + rank + "-ubyte.gz nor the same file without .gz here",
                folder, hint);
}

// Puts every image of [count, height, width] into the middle of a frame of zeros.
std::vector<uint8_t> pad_images(const std::vector<uint8_t>& images, int64_t count, int64_t height,
                                int64_t width, int64_t margin) {
    const int64_t full_height = height + 2 * margin, full_width = width + 2 * margin;
    std::vector<uint8_t> out(static_cast<size_t>(count * full_height * full_width));
    for (int64_t i = 0; i < count; ++i)
        for (int64_t y = 0; y < height; ++y)
            std::copy_n(images.data() + (i * height + y) * width, width,
                        out.data() + (i * full_height + y + margin) * full_width + margin);
    return out;
}

}  // namespace

IdxArray read_idx(const std::string& path, int dimensions) {
    IdxBytes in(path);
    std::array<uint8_t, 4> magic{};
    in.read(magic, "the magic number");
    if (magic[0] != 0 || magic[1] != 0)
        throw Error(
            "file",
            "begins with " + hex(magic[0]) + " " + hex(magic[1]) + ", expected 0x00 0x00 of an IDX file",
            in.where(0), "this is not an IDX file");
    if (magic[2] != 0x08)
        throw Error("file", "element type " + hex(magic[2]) + ", expected 0x08 (unsigned bytes)",
                    in.where(2));
    if (magic[3] != dimensions)
        throw Error("file",
                    "has " + std::to_string(magic[3]) + " dimensions, expected " + std::to_string(dimensions),
                    in.where(3), "images have 3, labels have 1: are the two files exchanged?");
    IdxArray array;
    uint64_t total = 1;
    for (int d = 0; d < dimensions; ++d) {
        std::array<uint8_t, 4> word{};
        in.read(word, "dimension " + std::to_string(d));
        const uint64_t extent =
            uint64_t{word[0]} << 24 | uint64_t{word[1]} << 16 | uint64_t{word[2]} << 8 | word[3];
        array.shape.push_back(static_cast<int64_t>(extent));
        const bool fits = extent == 0 || total <= (uint64_t{1} << 62) / extent;
        total = fits ? total * extent : 0;
        if (!fits || !in.can_hold(total))
            throw Error("file",
                        "the header claims more elements than the file can hold (dimension " +
                            std::to_string(d) + " is " + std::to_string(extent) + ")",
                        in.where(4 + 4 * static_cast<uint64_t>(d)),
                        "the file is cut short or damaged: fetch it again");
    }
    array.values.resize(total);
    in.read(array.values, "the elements");
    in.expect_end("the elements");
    return array;
}

Dataset read_mnist_family(const std::string& folder, const std::string& split, bool pad, int64_t limit,
                          const std::string& hint) {
    require_folder(folder, hint);
    const std::string prefix = split == "train" ? "train" : "t10k";
    const std::string images_path = find_idx_file(folder, prefix + "-images", 3, hint);
    const std::string labels_path = find_idx_file(folder, prefix + "-labels", 1, hint);
    IdxArray images = read_idx(images_path, 3);
    const IdxArray labels = read_idx(labels_path, 1);
    if (images.shape[0] != labels.shape[0])
        throw Error("file",
                    "holds " + std::to_string(labels.shape[0]) + " labels for the " +
                        std::to_string(images.shape[0]) + " images of " + images_path,
                    at_byte(labels_path, 4), "the two files do not belong together");
    Dataset out;
    out.classes = 10;
    out.count = limit > 0 ? std::min(limit, images.shape[0]) : images.shape[0];
    out.channels = 1;
    out.height = images.shape[1];
    out.width = images.shape[2];
    for (size_t i = 0; i < labels.values.size(); ++i)
        if (labels.values[i] >= out.classes)
            throw Error("file",
                        "label " + std::to_string(i) + " is " + std::to_string(labels.values[i]) +
                            ", expected 0 to " + std::to_string(out.classes - 1),
                        at_byte(labels_path, 8 + i) + " of the uncompressed data");
    out.labels.assign(labels.values.begin(), labels.values.begin() + static_cast<std::ptrdiff_t>(out.count));
    images.values.resize(static_cast<size_t>(out.count * out.image_size()));
    if (pad && out.height == 28 && out.width == 28) {
        images.values = pad_images(images.values, out.count, out.height, out.width, 2);
        out.height = out.width = 32;
    }
    out.pixels = std::move(images.values);
    return out;
}

}  // namespace schedbench
