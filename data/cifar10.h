// CIFAR-10 in its binary layout: records of 3,073 bytes, the label and then the planes R, G, B of 32x32 bytes
// each. Source: A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace schedbench {

/// split "train": data_batch_1.bin to data_batch_5.bin, in this order; "test": test_batch.bin. They lie in
/// `folder` or in its sub-folder cifar-10-batches-bin. Every batch must be whole records, and the training
/// batches equally many.
Dataset read_cifar10(const std::string& folder, const std::string& split, int64_t limit);

}  // namespace schedbench
