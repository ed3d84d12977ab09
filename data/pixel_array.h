// A data set out of one array of bytes, in an .npy, .npz or HDF5 file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace schedbench {

/// Pixels of shape [N,H,W] (gray), [N,C,H,W] or [N,H,W,C] with C = 1 or 3 as a data set without labels.
/// layout "auto" takes the one axis that has 1 or 3 elements as the channels, and is an Error("shape") where
/// both may be it or neither is.
Dataset dataset_of_array(std::vector<uint8_t> pixels, const std::vector<int64_t>& shape,
                         const std::string& layout, const std::string& origin);

/// Attaches labels: one for each image, none negative. classes = largest + 1.
void attach_labels(Dataset& data, std::vector<int64_t> labels, const std::vector<int64_t>& shape,
                   const std::string& origin);

Dataset read_npy_images(const std::string& file, const std::string& layout, const std::string& labels,
                        int64_t limit);
Dataset read_npz_images(const std::string& file, const std::string& array, const std::string& layout,
                        const std::string& labels, int64_t limit);
Dataset read_hdf5_images(const std::string& file, const std::string& object, const std::string& layout,
                         const std::string& labels, int64_t limit);

}  // namespace schedbench
