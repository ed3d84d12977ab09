#include "core/cuda_plugin.h"

#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <filesystem>

namespace schedbench {

namespace {
const CudaPlugin* g_plugin = nullptr;
}

std::string load_cuda_plugin() {
    if (g_plugin) return "";
    // Beside the program, or where this variable says; a program with another layout still finds it then.
    const char* named = std::getenv("SCHEDBENCH_CUDA_PLUGIN");
    std::error_code code;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", code);
    const std::string path = named ? named : (program.parent_path() / "libschedbench_cuda.so").string();
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char* why = dlerror();
        return std::string("no CUDA plug-in: ") + (why ? why : path);
    }
    const auto table = reinterpret_cast<const CudaPlugin* (*)()>(dlsym(library, "schedbench_cuda_plugin"));
    if (!table) return path + " is no plug-in of this program";
    const CudaPlugin* plugin = table();
    if (plugin->abi != CudaPlugin::kAbi)
        return path + " is of another version (interface " + std::to_string(plugin->abi) + ", not " +
               std::to_string(CudaPlugin::kAbi) + ")";
    if (std::string(plugin->torch) != TORCH_VERSION)
        return path + " was built for LibTorch " + plugin->torch + ", not " TORCH_VERSION;
    g_plugin = plugin;
    return "";
}

const CudaPlugin* cuda_plugin() {
    return g_plugin;
}

}  // namespace schedbench
