// Synthetic weights of the Inception network, defined by a hash of each tensor's name
// (inception_weights.json): everybody can make them, so features can be compared with those of the public
// tools without the real ones.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "eval/inception.h"

namespace schedbench::inception_weights {

/// FNV-1a, 64 bits.
inline uint64_t fnv1a(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    return hash;
}

/// v_i in [-1, 1), i = 1..n: the splitmix64 finaliser of hash(name) + i 0x9E3779B97F4A7C15.
inline at::Tensor values(std::string_view name, int64_t n) {
    const at::Tensor out = at::empty({n}, at::kDouble);
    double* to = out.data_ptr<double>();
    uint64_t state = fnv1a(name);
    for (int64_t i = 0; i < n; ++i) {
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        z ^= z >> 31;
        to[i] = 2.0 * static_cast<double>(z >> 11) * 0x1p-53 - 1.0;
    }
    return out;
}

inline std::map<std::string, at::Tensor> all() {
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, shape] : inception_shapes()) {
        const auto ends = [&](const char* suffix) { return name.ends_with(suffix); };
        double offset = 0, factor = 0.1;
        int64_t count = 1, fan_in = 1;
        for (size_t d = 0; d < shape.size(); ++d) {
            count *= shape[d];
            if (d > 0) fan_in *= shape[d];
        }
        if (name == "fc.weight") factor = std::pow(3.0 / 2048, 0.5);
        if (ends(".conv.weight")) factor = std::pow(6 / static_cast<double>(fan_in), 0.5);
        if (ends(".bn.weight")) offset = 1;
        if (ends(".bn.running_var")) offset = 1, factor = 0.5;
        out[name] = (values(name, count) * factor + offset).to(at::kFloat).reshape(shape);
    }
    return out;
}

}  // namespace schedbench::inception_weights
