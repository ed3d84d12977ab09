// One line of `verify`: how far a tensor is from its golden one.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace schedbench {

struct TensorRow {
    std::string tensor;
    double max_abs = 0, rms = 0, tolerance = 0;
    bool ok() const { return max_abs <= tolerance; }  // false for NaN
};

/// Differences in float64; Error("shape") if the shapes are not equal. `where` is the golden file.
TensorRow compare_tensors(const std::string& name, const at::Tensor& have, const at::Tensor& want,
                          double tolerance, const std::string& where);

/// "[3,16,16]"
std::string shape_text(const at::Tensor& tensor);

}  // namespace schedbench
