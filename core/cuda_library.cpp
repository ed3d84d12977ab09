#include "core/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

/// The driver's C interface, as cuda.h declares it: every call returns 0 or an error number.
struct DriverCalls {
    int (*init)(unsigned) = nullptr;
    int (*version)(int*) = nullptr;
    int (*count)(int*) = nullptr;
    int (*device)(int*, int) = nullptr;
    int (*name)(char*, int, int) = nullptr;
    int (*error_text)(int, const char**) = nullptr;
};

template <class Function>
bool find(void* library, const char* symbol, Function& out) {
    out = reinterpret_cast<Function>(dlsym(library, symbol));
    return out != nullptr;
}

std::string driver_error(const DriverCalls& calls, int code) {
    const char* text = nullptr;
    if (calls.error_text(code, &text) != 0 || !text)
        return "error " + std::to_string(code) + " of the driver";
    return text;
}

/// A whole number from 0 on.
std::optional<int> small_count(std::string_view text) {
    const auto number = parse_number(text);
    if (!number || *number < 0 || *number > 1e6 || *number != static_cast<double>(static_cast<int>(*number)))
        return std::nullopt;
    return static_cast<int>(*number);
}

/// N of "cuda:N".
std::optional<int> index_in(const std::string& asked) {
    return asked.starts_with("cuda:") ? small_count(asked.substr(5)) : std::nullopt;
}

}  // namespace

CudaDriver cuda_driver() {
    CudaDriver out;
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // kept: LibTorch uses it too
    if (!library) {
        const char* why = dlerror();
        out.missing = std::string("no NVIDIA driver: ") + (why ? why : "libcuda.so.1 cannot be loaded");
        return out;
    }
    DriverCalls calls;
    if (!find(library, "cuInit", calls.init) || !find(library, "cuDriverGetVersion", calls.version) ||
        !find(library, "cuDeviceGetCount", calls.count) || !find(library, "cuDeviceGet", calls.device) ||
        !find(library, "cuDeviceGetName", calls.name) ||
        !find(library, "cuGetErrorString", calls.error_text)) {
        out.missing = "libcuda.so.1 is no NVIDIA driver: a function is missing in it";
        return out;
    }
    int count = 0;
    for (const int code : {calls.init(0), calls.version(&out.version), calls.count(&count)})
        if (code != 0) {
            out.missing = "the NVIDIA driver offers no device: " + driver_error(calls, code);
            return out;
        }
    for (int i = 0; i < count; ++i) {
        int device = 0;
        char name[256] = "unknown";
        if (calls.device(&device, i) == 0) calls.name(name, sizeof name - 1, device);
        out.devices.emplace_back(name);
    }
    if (count == 0) out.missing = "the NVIDIA driver sees no device (is CUDA_VISIBLE_DEVICES empty?)";
    return out;
}

std::string load_library(const std::string& path) {
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return "";
    const char* why = dlerror();
    return why ? why : path + " cannot be loaded";
}

std::string folder_of_code(const void* address) {
    Dl_info info;
    if (dladdr(address, &info) == 0 || !info.dli_fname) return "";
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string cuda_version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int local_rank() {
    // Slurm's comes last: all processes that mpirun starts in a batch script inherit a 0 of the script.
    for (const char* name :
         {"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}) {
        const char* value = std::getenv(name);
        if (!value) continue;
        const auto rank = small_count(value);
        if (!rank)
            throw Error("option", "is \"" + std::string(value) + "\", which is no place on a machine", name,
                        "it counts the processes of one machine from 0");
        return *rank;
    }
    return 0;
}

void check_cuda_name(const std::string& asked) {
    if (asked == "cuda") return;
    if (!index_in(asked))
        throw Error("option", "is \"" + asked + "\"", "--device", "known: cpu, cuda, cuda:N, auto");
}

int cuda_device_index(const std::string& asked, const std::vector<std::string>& names, int local) {
    check_cuda_name(asked);
    const int count = static_cast<int>(names.size());
    const std::string there =
        count == 1 ? "there is 1: cuda:0"
                   : "there are " + std::to_string(count) + ": cuda:0 to cuda:" + std::to_string(count - 1);
    if (asked == "cuda") {
        if (count == 1) return 0;
        if (local < count) return local;
        throw Error("device",
                    "no device for this process, which is number " + std::to_string(local) +
                        " (from 0) on its machine; " + there,
                    "--device cuda", "start at most one process a device, or name one with --device cuda:N");
    }
    const int index = *index_in(asked);
    if (index >= count)
        throw Error("device", "no device " + asked + "; " + there, "--device",
                    "CUDA_VISIBLE_DEVICES hides devices from a process");
    return index;
}

}  // namespace schedbench
