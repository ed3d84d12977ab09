// Dataset: uint8 images [N, C, H, W] with labels, behind one data spec. Gray 28x28 (the MNIST family) is
// padded to 32x32 with 0 by default (pad=0 turns it off).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"

namespace schedbench {

struct Dataset {
    std::string spec;  ///< completed spec
    int64_t count = 0, channels = 0, height = 0, width = 0;
    std::vector<uint8_t> pixels;  ///< [count, channels, height, width], row-major
    std::vector<int64_t> labels;  ///< [count], or empty
    int64_t classes = 0;
    std::string hash;  ///< SHA-256 over shape, pixels and labels (of the images kept; not the path)

    int64_t image_size() const { return channels * height * width; }
    std::span<const uint8_t> image(int64_t i) const {
        return {pixels.data() + i * image_size(), static_cast<size_t>(image_size())};
    }
};

/// fashion-mnist[:split=train|test,path=DIR]   mnist:path=DIR,split=...   cifar10:path=DIR,split=train|test
/// folder:path=DIR,size=32    npy:file=F[,layout=nhwc]    npz:file=F[,array=arr_0]
/// hdf5:file=F[,object=/images]
const std::vector<SpecEntry>& dataset_entries();

/// Reads a data set. `limit` > 0 keeps the first `limit` images (all, where there are fewer). Damaged files
/// are Error("file") with file and byte offset, arrays of a shape that images cannot have Error("shape").
Dataset load_dataset(const Spec& spec, const std::string& where = "--data", int64_t limit = 0);

}  // namespace schedbench
