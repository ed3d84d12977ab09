// ImageSource: the images of a set in their order, read a block at a time, so that the set may be larger than
// memory and its images of several sizes. What a metric looks at.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/image_file.h"

namespace schedbench {

class ImageSource {
  public:
    virtual ~ImageSource() = default;
    virtual int64_t count() const = 0;
    virtual const std::string& name() const = 0;  ///< as people know it: a path, a completed spec
    /// SHA-256 over everything that decides the images (of files: their encoded bytes), not over names or
    /// paths.
    virtual std::string hash() const = 0;
    /// Images [first, first + n). Error("file") that names the file.
    virtual std::vector<Image> read(int64_t first, int64_t n) const = 0;
    virtual std::string image_name(int64_t index) const { return "image " + std::to_string(index); }
};

/// The PNG and JPEG files of a folder in natural order, three channels, each of its own size. Conversions are
/// those of read_image(). `limit` > 0 keeps the first ones.
std::unique_ptr<ImageSource> open_image_folder(const std::string& folder, int64_t limit = 0);

/// uint8 [N,C,H,W], [N,H,W,C] or [N,H,W] of an .npy file, read as they are needed.
std::unique_ptr<ImageSource> open_npy_images(const std::string& file, const std::string& layout = "auto",
                                             int64_t limit = 0);

/// The same of one array of an .npz file, stored or deflated. In order is fastest: a deflated array is
/// unpacked anew from its start for images before those read last.
std::unique_ptr<ImageSource> open_npz_images(const std::string& file, const std::string& array,
                                             const std::string& layout = "auto", int64_t limit = 0);

/// Images in memory.
std::unique_ptr<ImageSource> images_of(Dataset data);

}  // namespace schedbench
