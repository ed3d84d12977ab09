// Synthetic weights of DINOv2 by the rule of tests/golden/dinov2/README.md.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>

#include "eval/dinov2.h"
#include "inception_weights.h"

namespace schedbench::dinov2_weights {

inline std::map<std::string, at::Tensor> all(const DinoV2Size& size) {
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, shape] : dinov2_shapes(size)) {
        int64_t count = 1, fan_in = 1;
        for (size_t d = 0; d < shape.size(); ++d) {
            count *= shape[d];
            if (d > 0) fan_in *= shape[d];
        }
        double offset = 0, factor = std::sqrt(3 / static_cast<double>(fan_in));
        if (name == "pos_embed") {
            factor = 0.2;
        } else if (name == "cls_token" || name == "mask_token") {
            factor = 0.5;
        } else if (name.ends_with("gamma")) {
            offset = 0.5, factor = 0.3;
        } else if (name.ends_with("bias")) {
            factor = 0.1;
        } else if (name.find("norm") != std::string::npos) {
            offset = 1, factor = 0.1;
        }
        out[name] =
            inception_weights::values(name, count).mul_(factor).add_(offset).to(at::kFloat).reshape(shape);
    }
    return out;
}

}  // namespace schedbench::dinov2_weights
