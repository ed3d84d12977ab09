// Device, threads and precision profile of a process. Set once at start-up; what is in force is stored with
// every result.
#pragma once

#include <map>
#include <string>

namespace schedbench {

/// reproducible: IEEE float32, deterministic kernels. fast: convolutions and attention of native networks in bfloat16
/// (which a CPU must have instructions for), TF32 on a GPU.
struct RuntimeSettings {
    std::string device =
        "cpu";        ///< asked for: cpu, cuda (that of the local rank), cuda:N, auto; in force: cpu, cuda:N
    int threads = 0;  ///< 0: all cores that this process may use
    std::string profile = "reproducible";
    // What apply_runtime() adds to the settings in force:
    std::string device_name = "";    ///< of a CUDA device, as its driver names it
    std::string device_reason = "";  ///< why `auto` chose this device
};

/// Applies the settings (device, threads, deterministic algorithms) and returns the effective ones.
/// LibTorch's CUDA library is loaded here and only here, if a CUDA device is asked for. Error("device") where
/// the device or profile is not to be had, with what is missing; `auto` takes the CPU instead and says why.
RuntimeSettings apply_runtime(const RuntimeSettings& requested);

/// What determines bits beside the inputs: device type (and name), threads, torch version, CPU capability,
/// profile. Threads and CPU do not matter where the network runs on a CUDA device; the versions of CUDA and
/// cuDNN do.
std::string stack_identity(const RuntimeSettings& effective);

/// Library versions, compiler, CPU, host, threads, environment switches: for /provenance.
std::map<std::string, std::string> provenance(const RuntimeSettings& effective);

/// Adds a fact that was found out later to every provenance() from now on: whether graphs could be recorded.
void note_provenance(const std::string& key, const std::string& value);

}  // namespace schedbench
