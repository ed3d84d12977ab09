#include "data/dataset.h"

#include <bit>
#include <string_view>

#include "core/error.h"
#include "core/hash.h"
#include "data/cifar10.h"
#include "data/idx.h"
#include "data/image_folder.h"
#include "data/pixel_array.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

SpecParam required_path(const std::string& key, const std::string& help) {
    return {key, Type::text, "", help, {}, true};
}

const SpecParam kSplit = {"split", Type::choice, "train", "which half of the data set", {"train", "test"}};
const SpecParam kPad = {"pad", Type::flag, "true", "pad 28x28 images to 32x32 with 0"};
const SpecParam kLayout = {"layout",
                           Type::choice,
                           "auto",
                           "order of the axes; auto: the axis of 1 or 3 elements is the channels",
                           {"auto", "nchw", "nhwc"}};

// Shape, pixels and labels in a form of fixed byte order; not the path or the format they were read from.
std::string hash_of(const Dataset& data) {
    static_assert(std::endian::native == std::endian::little,
                  "labels are hashed as little-endian 64-bit numbers");
    const std::string_view pixels(reinterpret_cast<const char*>(data.pixels.data()), data.pixels.size());
    const std::string_view labels(reinterpret_cast<const char*>(data.labels.data()),
                                  data.labels.size() * sizeof(int64_t));
    std::string text = "images";
    for (int64_t extent : {data.count, data.channels, data.height, data.width})
        text += " " + std::to_string(extent);
    return sha256(text + "\npixels " + sha256(pixels) + "\nlabels " + sha256(labels) + "\n");
}

Dataset read(const Spec& spec, const std::string& where, int64_t limit) {
    const std::string& name = spec.name;
    if (name == "fashion-mnist")
        return read_mnist_family(
            spec.text("path"), spec.text("split"), spec.flag("pad"), limit,
            "install the Debian package dataset-fashion-mnist (apt-get install dataset-fashion-mnist), "
            "or say path=DIR of the four IDX files");
    if (name == "mnist")
        return read_mnist_family(
            spec.text("path"), spec.text("split"), spec.flag("pad"), limit,
            "path= is the folder of the four IDX files: train-images-idx3-ubyte.gz and so on");
    if (name == "cifar10") return read_cifar10(spec.text("path"), spec.text("split"), limit);
    if (name == "folder") {
        const long long size = spec.integer("size");
        if (size < 1 || size > 4096)
            throw Error("spec", "size=" + std::to_string(size) + ", expected 1 to 4096 pixels", where);
        return read_image_folder(spec.text("path"), size, spec.flag("gray"), limit);
    }
    if (name == "npy")
        return read_npy_images(spec.text("file"), spec.text("layout"), spec.text("labels"), limit);
    if (name == "npz")
        return read_npz_images(spec.text("file"), spec.text("array"), spec.text("layout"),
                               spec.text("labels"), limit);
    SCHEDBENCH_ASSERT(name == "hdf5");
    return read_hdf5_images(spec.text("file"), spec.text("object"), spec.text("layout"), spec.text("labels"),
                            limit);
}

}  // namespace

const std::vector<SpecEntry>& dataset_entries() {
    static const std::vector<SpecEntry> entries = {
        {"fashion-mnist",
         "clothing, gray, 10 classes, 60,000 training and 10,000 test images",
         "Xiao, Rasul, Vollgraf 2017, Fashion-MNIST (arXiv:1708.07747)",
         {kSplit,
          {"path", Type::text, "/usr/share/datasets/fashion-mnist",
           "folder of the IDX files (Debian: dataset-fashion-mnist)"},
          kPad}},
        {"mnist",
         "handwritten digits, gray, 10 classes, 60,000 training and 10,000 test images",
         "LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition",
         {required_path("path", "folder of the four IDX files"), kSplit, kPad}},
        {"cifar10",
         "natural images, 32x32 RGB, 10 classes, 50,000 training and 10,000 test images",
         "Krizhevsky 2009, Learning multiple layers of features from tiny images",
         {required_path("path", "folder of the binary version (data_batch_1.bin ...)"), kSplit}},
        {"folder",
         "PNG and JPEG files of a folder, in natural order, centre-cropped and resized by area",
         "",
         {required_path("path", "the folder"),
          {"size", Type::integer, "32", "height and width after resizing, pixels"},
          {"gray", Type::flag, "false", "one channel of luminance instead of red, green, blue"}}},
        {"npy",
         "uint8 images of one .npy file",
         "",
         {required_path("file", "the .npy file: uint8 [N,C,H,W], [N,H,W,C] or [N,H,W]"),
          kLayout,
          {"labels", Type::text, "none", ".npy file of integer labels [N]"}}},
        {"npz",
         "uint8 images of one array in an .npz file",
         "",
         {required_path("file", "the .npz file"),
          {"array", Type::text, "arr_0", "name of the array of images"},
          kLayout,
          {"labels", Type::text, "none", "name of the array of integer labels [N]"}}},
        {"hdf5",
         "uint8 images of one data set in an HDF5 file",
         "",
         {required_path("file", "the HDF5 file"),
          {"object", Type::text, "/images", "path of the images in the file"},
          kLayout,
          {"labels", Type::text, "none", "path of the integer labels [N] in the file"}}},
    };
    return entries;
}

Dataset load_dataset(const Spec& spec, const std::string& where, int64_t limit) {
    SCHEDBENCH_ASSERT(limit >= 0);
    const Spec completed = complete(spec, find_entry(dataset_entries(), spec, "data sets", where), where);
    Dataset data = read(completed, where, limit);
    data.spec = completed.print();
    if (data.count == 0 || data.image_size() == 0)
        throw Error("file", "the data set holds no images", data.spec);
    data.hash = hash_of(data);
    return data;
}

}  // namespace schedbench
