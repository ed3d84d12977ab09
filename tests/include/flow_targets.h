// Exact targets and small helpers of the tests of the probability flow.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <numeric>
#include <string>
#include <vector>

#include "core/noise.h"
#include "core/spec.h"

namespace schedbench::flow {

/// Small tensors only: threads would wait for each other, above all on a busy machine.
inline const bool one_thread = (at::set_num_threads(1), true);

inline std::string list_of(const std::vector<double>& values) {
    std::string out;
    for (double v : values) out += (out.empty() ? "[" : ",") + format_number(v);
    return out + "]";
}

inline double value(const at::Tensor& scalar) {
    return scalar.item<double>();
}

inline std::vector<int64_t> first_ids(int64_t count) {
    std::vector<int64_t> ids(static_cast<size_t>(count));
    std::iota(ids.begin(), ids.end(), int64_t{0});
    return ids;
}

/// Three components anywhere: the Jacobian of its denoiser is far from diagonal.
inline std::string wide_mixture(int dims) {
    std::vector<double> means;
    std::vector<float> normals(static_cast<size_t>(3 * dims));
    fill_normals({11, NoisePurpose::selection}, 0, 0, normals);
    for (float v : normals) means.push_back(static_cast<double>(v));
    return "exact:mixture,means=" + list_of(means) + ",widths=[0.5,0.7,0.9],dim=" + std::to_string(dims);
}

}  // namespace schedbench::flow
