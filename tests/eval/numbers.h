// Random numbers and small constructions shared by the tests of eval/.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdint>

#include "core/noise.h"

namespace schedbench {

/// The matrices of these tests are small: more threads than one only wait for each other.
inline const bool kOneThread = (at::set_num_threads(1), true);

/// Standard normals [n, d], float64 values of float32 draws, one stream for each `stream`.
inline at::Tensor normals(int64_t n, int64_t d, uint64_t stream) {
    const at::Tensor out = at::empty({n, d}, at::kFloat);
    fill_normals({2024, NoisePurpose::probe}, stream, 0, {out.data_ptr<float>(), static_cast<size_t>(n * d)});
    return out.to(at::kDouble);
}

/// Rows with a spread spectrum, correlations and a skewed tail: nothing about them is Gaussian.
inline at::Tensor skewed_features(int64_t n, int64_t d, uint64_t stream) {
    const at::Tensor z = normals(n, d, stream);
    const at::Tensor scale = at::arange(1, d + 1, at::kDouble).pow(-0.5);
    const at::Tensor mix = at::mm(
        z * scale, at::eye(d, at::kDouble) + 0.3 * at::ones({d, d}, at::kDouble) / static_cast<double>(d));
    return mix + 0.2 * mix.square();
}

}  // namespace schedbench
