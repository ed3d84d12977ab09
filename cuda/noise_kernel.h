// Launches the noise kernel; apart from the plug-in's table, so that the CUDA compiler sees no header of
// LibTorch.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace schedbench {

/// Queues the kernel on the stream; see CudaPlugin::fill_normals.
cudaError_t launch_normals(float* out, const int64_t* ids, int64_t rows, int64_t elements, uint64_t seed,
                           uint32_t purpose, uint32_t draw, cudaStream_t stream);

}  // namespace schedbench
