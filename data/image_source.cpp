#include "data/image_source.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/byte_file.h"
#include "data/image_folder.h"
#include "data/npy.h"
#include "data/npz_member.h"
#include "data/pixel_array.h"

namespace schedbench {

namespace {

constexpr int64_t kHashRows = 256;  // a block of the hash; part of its definition

class FolderSource final : public ImageSource {
  public:
    FolderSource(std::string folder, int64_t limit)
        : folder_(std::move(folder)), names_(list_images(folder_)) {
        if (limit > 0 && limit < count()) names_.resize(static_cast<size_t>(limit));
    }
    int64_t count() const override { return static_cast<int64_t>(names_.size()); }
    const std::string& name() const override { return folder_; }
    std::string hash() const override {
        std::string text = "encoded images, red green blue, " + std::to_string(count()) + "\n";
        for (const std::string& file : names_) text += sha256_file(folder_ + "/" + file) + "\n";
        return sha256(text);
    }
    std::vector<Image> read(int64_t first, int64_t n) const override {
        std::vector<Image> out;
        for (int64_t i = first; i < first + n; ++i) out.push_back(read_image(path(i)));
        return out;
    }
    std::string image_name(int64_t index) const override { return path(index); }

  private:
    std::string path(int64_t index) const { return folder_ + "/" + names_[static_cast<size_t>(index)]; }
    std::string folder_;
    std::vector<std::string> names_;
};

std::vector<Image> cut(const Dataset& data, int64_t first, int64_t n) {
    std::vector<Image> out;
    for (int64_t i = first; i < first + n; ++i) {
        const auto pixels = data.image(i);
        out.push_back({data.channels, data.height, data.width, {pixels.begin(), pixels.end()}});
    }
    return out;
}

/// Images of one array of bytes, which `read` copies from the file (offsets from the start of the .npy data).
class ArraySource final : public ImageSource {
  public:
    using Read = std::function<void(uint64_t, std::span<uint8_t>)>;
    ArraySource(std::string name, std::string layout, NpyLayout header, Read read, int64_t limit)
        : name_(std::move(name)),
          layout_(std::move(layout)),
          header_(std::move(header)),
          read_(std::move(read)) {
        if (header_.type != "uint8")
            throw Error("file", "holds " + header_.type + ", expected uint8 images", name_,
                        "pixels are bytes from 0 to 255: save array.astype(\"uint8\")");
        std::vector<int64_t> none = header_.shape;
        if (none.empty() || none[0] < 1) throw Error("file", "holds no images", name_);
        none[0] = 0;
        dataset_of_array({}, none, layout_, name_);  // refuses shapes that are no images
        if (limit > 0) header_.shape[0] = std::min(header_.shape[0], limit);
    }
    int64_t count() const override { return header_.shape[0]; }
    const std::string& name() const override { return name_; }
    std::string hash() const override {
        std::string text;
        for (int64_t first = 0; first < count(); first += kHashRows) {
            const Dataset block = rows(first, std::min(kHashRows, count() - first));
            if (first == 0)
                text = "images " + std::to_string(count()) + " " + std::to_string(block.channels) + " " +
                       std::to_string(block.height) + " " + std::to_string(block.width) + "\n";
            text += sha256({reinterpret_cast<const char*>(block.pixels.data()), block.pixels.size()}) + "\n";
        }
        return sha256(text);
    }
    std::vector<Image> read(int64_t first, int64_t n) const override { return cut(rows(first, n), 0, n); }

  private:
    Dataset rows(int64_t first, int64_t n) const {
        std::vector<int64_t> shape = header_.shape;
        int64_t size = 1;
        for (size_t axis = 1; axis < shape.size(); ++axis) size *= shape[axis];
        shape[0] = n;
        std::vector<uint8_t> bytes(static_cast<size_t>(n * size));
        read_(header_.data_at + static_cast<uint64_t>(first * size), bytes);
        return dataset_of_array(std::move(bytes), shape, layout_, name_);
    }
    std::string name_, layout_;
    NpyLayout header_;
    Read read_;
};

class DatasetSource final : public ImageSource {
  public:
    explicit DatasetSource(Dataset data) : data_(std::move(data)) {}
    int64_t count() const override { return data_.count; }
    const std::string& name() const override { return data_.spec; }
    std::string hash() const override { return data_.hash; }
    std::vector<Image> read(int64_t first, int64_t n) const override { return cut(data_, first, n); }

  private:
    Dataset data_;
};

}  // namespace

std::unique_ptr<ImageSource> open_image_folder(const std::string& folder, int64_t limit) {
    return std::make_unique<FolderSource>(folder, limit);
}

std::unique_ptr<ImageSource> open_npy_images(const std::string& file, const std::string& layout,
                                             int64_t limit) {
    return std::make_unique<ArraySource>(
        file, layout, read_npy_layout(file),
        [file](uint64_t offset, std::span<uint8_t> out) { read_bytes(file, offset, out); }, limit);
}

std::unique_ptr<ImageSource> open_npz_images(const std::string& file, const std::string& array,
                                             const std::string& layout, int64_t limit) {
    const auto member = std::make_shared<NpzMember>(file, array);
    return std::make_unique<ArraySource>(
        file, layout, member->layout(),
        [member](uint64_t offset, std::span<uint8_t> out) { member->read(offset, out); }, limit);
}

std::unique_ptr<ImageSource> images_of(Dataset data) {
    return std::make_unique<DatasetSource>(std::move(data));
}

}  // namespace schedbench
