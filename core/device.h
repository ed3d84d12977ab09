// Device, threads and precision profile of a process. Set once at start-up; what is in force is stored with
// every result.
#pragma once

#include <map>
#include <string>

namespace schedbench {

/// reproducible: IEEE float32, deterministic kernels. fast: bf16 trunk (not yet offered on every path).
struct RuntimeSettings {
    std::string device = "cpu";
    int threads = 0;  ///< 0: all cores that this process may use
    std::string profile = "reproducible";
};

/// Applies the settings (threads, deterministic algorithms) and returns the effective ones. Error("device")
/// where the device or profile is not to be had.
RuntimeSettings apply_runtime(const RuntimeSettings& requested);

/// What determines bits beside the inputs: device type, threads, torch version, CPU capability, profile.
std::string stack_identity(const RuntimeSettings& effective);

/// Library versions, compiler, CPU, host, threads, environment switches: for /provenance.
std::map<std::string, std::string> provenance(const RuntimeSettings& effective);

}  // namespace schedbench
