#include "core/device.h"

#include <ATen/ATen.h>
#include <ATen/Config.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <hdf5.h>
#include <sched.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <boost/version.hpp>
#include <cstdlib>

#include "core/cpu_info.h"
#include "core/cuda_library.h"
#include "core/cuda_plugin.h"
#include "core/error.h"
#include "core/profile.h"

namespace schedbench {

namespace {

std::map<std::string, std::string>& notes() {
    static std::map<std::string, std::string> instance;
    return instance;
}

int available_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

bool on_cuda(const RuntimeSettings& s) {
    return s.device.starts_with("cuda");
}

/// Loads LibTorch's CUDA library and sets `s` to the device asked for ("cuda" or "cuda:N"). Error("device").
void use_cuda(RuntimeSettings& s, const std::string& asked) {
    const std::string hint = "use --device cpu, or --device auto to take what is there";
    const CudaDriver driver = cuda_driver();
    if (!driver.missing.empty()) throw Error("device", driver.missing, "--device " + asked, hint);
    const int index = cuda_device_index(asked, driver.devices, local_rank());
    // cuBLAS reads it when it starts; without it its deterministic mode refuses to work.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    // Before anything asks LibTorch about CUDA: it keeps its first answer.
    const std::string folder = folder_of_code(reinterpret_cast<const void*>(&at::get_num_threads));
    const std::string missing = load_library(folder + "/libtorch_cuda.so");
    if (!missing.empty())
        throw Error("device", "LibTorch's CUDA library cannot be loaded: " + missing, "--device " + asked,
                    hint);
    const auto& hooks = at::detail::getCUDAHooks();
    const int seen = hooks.getNumGPUs();
    if (index >= seen)
        throw Error("device",
                    "the driver (CUDA " + cuda_version_text(driver.version) + ") names " +
                        std::to_string(driver.devices.size()) + " devices, but LibTorch can use " +
                        std::to_string(seen) + " of them",
                    "--device " + asked, "is the driver older than LibTorch's CUDA?");
    try {
        at::globalContext().lazyInitDevice(at::kCUDA);
        c10::impl::VirtualGuardImpl(at::kCUDA).setDevice({at::kCUDA, static_cast<at::DeviceIndex>(index)});
    } catch (const std::exception& e) {
        const std::string text = e.what();
        throw Error("device", "CUDA does not start: " + text.substr(0, text.find('\n')), "--device " + asked,
                    hint);
    }
    const std::string lacking = load_cuda_plugin();
    note_provenance("cuda_plugin", lacking.empty() ? "loaded" : lacking);
    note_provenance("cuda_driver", cuda_version_text(driver.version));
    s.device = "cuda:" + std::to_string(index);
    s.device_name = driver.devices[static_cast<size_t>(index)];
}

/// fast: TF32 in convolutions and products, and kernels chosen by trial; else IEEE float32 and deterministic
/// ones.
void set_cuda_arithmetic(bool fast) {
    // Only this newer style of the switches: LibTorch refuses a mixture with the older one.
    const auto precision = fast ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    for (const at::Float32Op op : {at::Float32Op::CONV, at::Float32Op::RNN, at::Float32Op::MATMUL})
        at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, op, precision);
    at::globalContext().setDeterministicCuDNN(!fast);
    at::globalContext().setBenchmarkCuDNN(fast);
}

}  // namespace

RuntimeSettings apply_runtime(const RuntimeSettings& requested) {
    RuntimeSettings effective = requested;
    if (requested.device == "auto") {
        try {
            use_cuda(effective, "cuda");
            effective.device_reason = "auto found " + effective.device_name;
        } catch (const Error& e) {
            if (e.kind() != "device") throw;
            effective.device = "cpu";
            effective.device_reason = e.message();
        }
    } else if (requested.device != "cpu") {
        check_cuda_name(requested.device);
        use_cuda(effective, requested.device);
    }
    if (requested.profile != "reproducible" && requested.profile != "fast")
        throw Error("option", "\"" + requested.profile + "\" is not a profile", "--profile",
                    "known: reproducible, fast");
    const bool fast = requested.profile == "fast", on_cpu = !on_cuda(effective);
    if (fast && on_cpu)
        require_bf16("--profile fast", "use --profile reproducible, whose networks are float32");
    if (!on_cpu) set_cuda_arithmetic(fast);
    set_profile({fast, on_cpu});
    if (requested.threads < 0) throw Error("option", "wants at least 1 thread", "--threads");
    if (requested.threads == 0) effective.threads = available_cores();
    at::set_num_threads(effective.threads);
    at::globalContext().setDeterministicAlgorithms(!fast || on_cpu, false);
    return effective;
}

std::string stack_identity(const RuntimeSettings& s) {
    if (on_cuda(s)) {
        const auto& hooks = at::detail::getCUDAHooks();
        return "device=cuda:" + s.device_name + ";profile=" + s.profile +
               ";torch=" TORCH_VERSION ";cuda=" + cuda_version_text(static_cast<int>(hooks.versionCUDART())) +
               ";cudnn=" + std::to_string(hooks.versionRuntimeCuDNN());
    }
    return "device=" + s.device + ";threads=" + std::to_string(s.threads) + ";profile=" + s.profile +
           ";torch=" TORCH_VERSION ";cpu=" + at::get_cpu_capability();
}

std::map<std::string, std::string> provenance(const RuntimeSettings& s) {
    std::map<std::string, std::string> out = notes();
    out["device"] = s.device;
    if (!s.device_reason.empty()) out["device_reason"] = s.device_reason;
    if (on_cuda(s)) {
        const auto& hooks = at::detail::getCUDAHooks();
        out["device_name"] = s.device_name;
        out["cuda"] = cuda_version_text(static_cast<int>(hooks.versionCUDART()));
        out["cudnn"] = std::to_string(hooks.versionRuntimeCuDNN());
    }
    out["threads"] = std::to_string(s.threads);
    out["profile"] = s.profile;
    const std::string cpu = cpu_info("model name");
    out["cpu"] = cpu.empty() ? "unknown" : cpu;
    out["cpu_capability"] = at::get_cpu_capability();
    out["cores"] = std::to_string(available_cores());
    out["torch"] = TORCH_VERSION;
    out["hdf5"] = H5_VERS_INFO;
    out["boost"] = BOOST_LIB_VERSION;
    out["compiler"] = "g++ " __VERSION__;
    char host[256] = "unknown";
    gethostname(host, sizeof host - 1);
    out["host"] = host;
    for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "ONEDNN_MAX_CPU_ISA",
                             "ATEN_CPU_CAPABILITY", "HDF5_USE_FILE_LOCKING", "CUDA_VISIBLE_DEVICES",
                             "CUBLAS_WORKSPACE_CONFIG", "SCHEDBENCH_GRAPHS", "LOCAL_RANK", "SLURM_LOCALID"})
        if (const char* value = std::getenv(name)) out[std::string("env.") + name] = value;
    return out;
}

void note_provenance(const std::string& key, const std::string& value) {
    notes()[key] = value;
}

}  // namespace schedbench
