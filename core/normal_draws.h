// The noise of a block of samples as a tensor, made where it is used: on the host by core/noise.h and copied,
// by tensor operations on any device, or by a CUDA kernel. All three follow core/noise_arithmetic.h operation
// by operation, so their integers agree to the bit, and their normals too where the device rounds as IEEE
// asks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/noise.h"

namespace schedbench {

enum class DrawPath { host, tensor, kernel };

/// host on the CPU; elsewhere the kernel where the CUDA plug-in offers it (core/cuda_plugin.h), else tensor
/// operations.
DrawPath draw_path(at::Device device);

class NormalDraws {
  public:
    /// ids >= 0: of the samples; shape: of one sample. What the draws need is copied to the device here,
    /// once.
    NormalDraws(uint64_t seed, std::vector<int64_t> ids, std::vector<int64_t> shape, at::Device device);
    NormalDraws(uint64_t seed, std::vector<int64_t> ids, std::vector<int64_t> shape, at::Device device,
                DrawPath path);

    /// Standard normals [ids, shape...] float32 on the device: element e of (purpose, id, draw) as
    /// fill_normals().
    at::Tensor draw(NoisePurpose purpose, uint32_t draw) const;

    /// The raw words by tensor operations: int64 [ids, blocks, 4] in [0, 2^32), as noise_words().
    at::Tensor words(NoisePurpose purpose, uint32_t draw) const;

  private:
    at::Tensor by_host(NoisePurpose purpose, uint32_t draw) const;
    at::Tensor by_tensors(NoisePurpose purpose, uint32_t draw) const;
    at::Tensor by_kernel(NoisePurpose purpose, uint32_t draw) const;

    uint64_t seed_;
    std::vector<int64_t> ids_, sizes_;
    int64_t elements_ = 1;  ///< of one sample
    at::Device device_;
    DrawPath path_;
    at::Tensor id_column_, blocks_;  ///< int64 [ids, 1] and [1, blocks], on the device
};

}  // namespace schedbench
