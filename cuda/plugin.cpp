// The plug-in's table: noise, and CUDA graphs by way of LibTorch, whose allocator gives a graph memory of its
// own.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/headeronly/version.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "core/cuda_plugin.h"
#include "cuda/noise_kernel.h"

namespace schedbench {

namespace {

thread_local std::string t_failure;

const char* failed(const std::string& why) {
    t_failure = why.substr(0, why.find('\n'));
    return t_failure.c_str();
}

const char* fill_normals(float* out, const int64_t* ids, int64_t rows, int64_t elements, uint64_t seed,
                         uint32_t purpose, uint32_t draw) {
    const cudaError_t code =
        launch_normals(out, ids, rows, elements, seed, purpose, draw, at::cuda::getCurrentCUDAStream());
    return code == cudaSuccess ? nullptr : failed(cudaGetErrorString(code));
}

/// Warms up and records on one side stream; a graph may not be recorded on the default stream. Other threads
/// go on allocating and copying meanwhile: the mode of the recording is that of this thread alone.
void* capture(int (*body)(void*), void* argument, int warm_ups, char* error, size_t error_size) {
    const auto give_up = [&](const char* why) -> void* {
        std::snprintf(error, error_size, "%s", why);
        return nullptr;
    };
    try {
        const c10::cuda::CUDAStream outer = c10::cuda::getCurrentCUDAStream();
        const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
        auto graph = std::make_unique<at::cuda::CUDAGraph>();
        c10::cuda::stream_synchronize(outer);
        {
            const c10::cuda::CUDAStreamGuard guard(side);
            for (int i = 0; i < warm_ups; ++i)
                if (body(argument) != 0) return give_up("the work itself failed");
            c10::cuda::stream_synchronize(side);
            graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
            int code = 1;
            try {
                code = body(argument);
            } catch (...) {
                graph->capture_end();
                throw;
            }
            graph->capture_end();
            if (code != 0) return give_up("the work cannot be recorded");
        }
        c10::cuda::stream_synchronize(side);
        return graph.release();
    } catch (const std::exception& e) {
        return give_up(failed(e.what()));
    }
}

const char* replay(void* graph) {
    try {
        static_cast<at::cuda::CUDAGraph*>(graph)->replay();
        return nullptr;
    } catch (const std::exception& e) {
        return failed(e.what());
    }
}

void release(void* graph) {
    delete static_cast<at::cuda::CUDAGraph*>(graph);
}

void watch_synchronisation(int level) {
    using Mode = c10::cuda::SyncDebugMode;
    c10::cuda::warning_state().set_sync_debug_mode(level == 0   ? Mode::L_DISABLED
                                                   : level == 1 ? Mode::L_WARN
                                                                : Mode::L_ERROR);
}

constexpr CudaPlugin kTable = {CudaPlugin::kAbi, TORCH_VERSION, fill_normals,         capture,
                               replay,           release,       watch_synchronisation};

}  // namespace

extern "C" __attribute__((visibility("default"))) const CudaPlugin* schedbench_cuda_plugin() {
    return &kTable;
}

}  // namespace schedbench
