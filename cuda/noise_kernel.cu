#include "cuda/noise_kernel.h"

#include "cuda/noise_kernel_body.h"

namespace schedbench {

namespace {

__global__ void normals_kernel(NoiseJob job) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < job.rows * job.blocks();
         i += stride)
        job.run(i / job.blocks(), i % job.blocks());
}

}  // namespace

cudaError_t launch_normals(float* out, const int64_t* ids, int64_t rows, int64_t elements, uint64_t seed,
                           uint32_t purpose, uint32_t draw, cudaStream_t stream) {
    constexpr int kThreads = 256;
    constexpr int64_t kMostBlocks = 1 << 16;
    const NoiseJob job{out, ids, rows, elements, seed, purpose, draw};
    const int64_t work = rows * job.blocks();
    if (work == 0) return cudaSuccess;
    const int64_t needed = (work + kThreads - 1) / kThreads;
    normals_kernel<<<static_cast<unsigned>(needed < kMostBlocks ? needed : kMostBlocks), kThreads, 0,
                     stream>>>(job);
    return cudaGetLastError();
}

}  // namespace schedbench
