#include "apps/tensor_row.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace schedbench {

std::string shape_text(const at::Tensor& tensor) {
    std::string out;
    for (const int64_t size : tensor.sizes()) out += (out.empty() ? "" : ",") + std::to_string(size);
    return "[" + out + "]";
}

TensorRow compare_tensors(const std::string& name, const at::Tensor& have, const at::Tensor& want,
                          double tolerance, const std::string& where) {
    if (have.sizes() != want.sizes())
        throw Error(
            "shape",
            "the network's tensor is " + shape_text(have) + ", but the golden one is " + shape_text(want),
            where + ", tensor " + name);
    const at::Tensor difference = have.to(at::kDouble) - want.to(at::kDouble);
    TensorRow row;
    row.tensor = name;
    row.max_abs = difference.numel() ? difference.abs().max().item<double>() : 0;
    row.rms = difference.numel() ? std::sqrt(difference.square().mean().item<double>()) : 0;
    row.tolerance = tolerance;
    return row;
}

}  // namespace schedbench
