// The layers of the 2015 Inception network: names and sizes of its 94 convolutions.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace schedbench {

struct InceptionLayer {
    int64_t in = 0, out = 0, height = 1, width = 1;  ///< of the kernel
    int64_t stride = 1;
    bool padded = true;  ///< to the same size (stride 1); otherwise not at all
    int64_t side = 0;    ///< height and width of its input
};

/// By name: "Conv2d_1a_3x3", "Mixed_5b.branch5x5_1", ...
const std::map<std::string, InceptionLayer>& inception_layers();

}  // namespace schedbench
