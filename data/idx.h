// IDX: the file format of the MNIST family, plain or gzip. Two zero bytes, element type, number of
// dimensions, the dimensions as big-endian 32-bit numbers, then the elements in row-major order. Source: Y.
// LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section on file formats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace schedbench {

struct IdxArray {
    std::vector<int64_t> shape;
    std::vector<uint8_t> values;  ///< row-major
};

/// Reads a file of bytes with `dimensions` dimensions. Error("file") with file and byte for a wrong magic,
/// type or number of dimensions, and for a file shorter or longer than its header says. Gzip is known by its
/// first two bytes.
IdxArray read_idx(const std::string& path, int dimensions);

/// Images and labels of one split ("train" or "test") out of the four files of the MNIST family in `folder`;
/// `pad` pads 28x28 to 32x32 with 0. `hint` says how to get the files where they are absent.
Dataset read_mnist_family(const std::string& folder, const std::string& split, bool pad, int64_t limit,
                          const std::string& hint);

}  // namespace schedbench
