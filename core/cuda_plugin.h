// The optional plug-in libschedbench_cuda.so (folder cuda/): what needs the CUDA toolkit to be compiled. It
// is loaded from the program's own folder when a CUDA device is used; without it the program works too, only
// slower, and says so in the provenance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace schedbench {

/// The plug-in's one table of entries, of C types only. All calls use LibTorch's current device and stream.
struct CudaPlugin {
    static constexpr int kAbi = 1;
    int abi;            ///< kAbi of the header that the plug-in was compiled with
    const char* torch;  ///< version of LibTorch that it was compiled with

    /// out [rows, elements] float32, ids [rows] int64, both on the device: normals as core/noise.h defines
    /// them. Returns null, or what went wrong (valid until the next call).
    const char* (*fill_normals)(float* out, const int64_t* ids, int64_t rows, int64_t elements, uint64_t seed,
                                uint32_t purpose, uint32_t draw);

    /// Runs body(argument) `warm_ups` times on a side stream, then once more while a CUDA graph records it.
    /// body returns 0, or another number to give up. Returns the graph, or null with the reason in error.
    void* (*capture)(int (*body)(void*), void* argument, int warm_ups, char* error, size_t error_size);
    /// Launches a graph on the current stream. Null, or what went wrong.
    const char* (*replay)(void* graph);
    void (*release)(void* graph);

    /// What LibTorch does where the host waits for the device: 0 nothing, 1 a warning, 2 an error.
    void (*watch_synchronisation)(int level);
};

/// Loads the plug-in, once, after LibTorch's CUDA library. Returns "" or why there is none.
std::string load_cuda_plugin();

/// The loaded plug-in; null without.
const CudaPlugin* cuda_plugin();

}  // namespace schedbench
