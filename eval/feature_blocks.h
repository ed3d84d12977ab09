// Features by blocks of one size, for networks whose bits depend on how many images they see at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace schedbench {

/// prepared [B, C, H, W] -> float32 [B, dim]: `rows` is called on `block` images at a time, the last time
/// filled up with zeros, and gives [block, dim].
at::Tensor features_in_blocks(const at::Tensor& prepared, int64_t block, int64_t dim,
                              const std::function<at::Tensor(const at::Tensor& images)>& rows);

}  // namespace schedbench
