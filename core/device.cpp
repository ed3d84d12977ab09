#include "core/device.h"

#include <ATen/ATen.h>
#include <ATen/Config.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <hdf5.h>
#include <sched.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <boost/version.hpp>
#include <cstdlib>
#include <fstream>

#include "core/error.h"

namespace schedbench {

namespace {

int available_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

}  // namespace

RuntimeSettings apply_runtime(const RuntimeSettings& requested) {
    RuntimeSettings effective = requested;
    if (requested.device == "auto") effective.device = "cpu";
    if (effective.device != "cpu")
        throw Error("device", "\"" + requested.device + "\" is not supported by this version", "--device",
                    "use --device cpu");
    if (requested.profile != "reproducible")
        throw Error("option", "\"" + requested.profile + "\" is not a profile this version offers",
                    "--profile", "known: reproducible");
    if (requested.threads < 0) throw Error("option", "wants at least 1 thread", "--threads");
    if (requested.threads == 0) effective.threads = available_cores();
    at::set_num_threads(effective.threads);
    at::globalContext().setDeterministicAlgorithms(true, false);
    return effective;
}

std::string stack_identity(const RuntimeSettings& s) {
    return "device=" + s.device + ";threads=" + std::to_string(s.threads) + ";profile=" + s.profile +
           ";torch=" TORCH_VERSION ";cpu=" + at::get_cpu_capability();
}

std::map<std::string, std::string> provenance(const RuntimeSettings& s) {
    std::map<std::string, std::string> out;
    out["device"] = s.device;
    out["threads"] = std::to_string(s.threads);
    out["profile"] = s.profile;
    out["cpu"] = cpu_name();
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
                             "ATEN_CPU_CAPABILITY", "HDF5_USE_FILE_LOCKING"})
        if (const char* value = std::getenv(name)) out[std::string("env.") + name] = value;
    return out;
}

}  // namespace schedbench
