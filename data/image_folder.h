// A folder of PNG and JPEG files as a data set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace schedbench {

/// Compares names as people count: runs of digits by their value, so that "img2" comes before "img10".
bool natural_less(const std::string& a, const std::string& b);

/// Names of the files in the folder that end in .png, .jpg or .jpeg (any case), in natural order; other files
/// and sub-folders are left aside. Error("file") if there is none.
std::vector<std::string> list_images(const std::string& folder);

/// Every image, centre-cropped and resized to size x size; `gray` keeps one channel of the three. No labels.
Dataset read_image_folder(const std::string& folder, int64_t size, bool gray, int64_t limit);

}  // namespace schedbench
