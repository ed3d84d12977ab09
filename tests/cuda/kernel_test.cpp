// What can be shown of the CUDA plug-in without a device: its kernel's body gives the host's bits, thread by
// thread, and the plug-in loads with all that it needs.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/cuda_library.h"
#include "core/cuda_plugin.h"
#include "core/noise.h"
#include "cuda/noise_kernel_body.h"

namespace schedbench {
namespace {

TEST(NoiseKernel, BodyGivesTheHostsBits) {
    const std::vector<int64_t> ids{0, 5, (int64_t{1} << 32) + 7, (int64_t{1} << 56) - 1};
    for (const uint64_t seed : {uint64_t{1}, uint64_t{0xFEDCBA9876543210}})
        for (const int64_t elements : {1, 2, 3, 4, 7, 3072}) {
            std::vector<float> got(ids.size() * static_cast<size_t>(elements), -7),
                want(static_cast<size_t>(elements));
            const NoiseJob job{got.data(), ids.data(), static_cast<int64_t>(ids.size()),
                               elements,   seed,       static_cast<uint32_t>(NoisePurpose::step),
                               9};
            for (int64_t row = 0; row < job.rows; ++row) {
                for (int64_t block = 0; block < job.blocks(); ++block) job.run(row, block);
                fill_normals({seed, NoisePurpose::step}, static_cast<uint64_t>(ids[static_cast<size_t>(row)]),
                             9, want);
                EXPECT_EQ(std::memcmp(got.data() + row * elements, want.data(), want.size() * sizeof(float)),
                          0)
                    << "row " << row << " of " << elements;
            }
        }
}

TEST(CudaPlugin, LoadsBesideLibTorchsCudaLibrary) {
    if (!std::filesystem::exists(SCHEDBENCH_PLUGIN))
        GTEST_SKIP() << "the plug-in is not built: no CUDA toolkit";
    EXPECT_EQ(cuda_plugin(), nullptr);
    setenv("SCHEDBENCH_CUDA_PLUGIN", "/absent/libschedbench_cuda.so", 1);
    EXPECT_NE(load_cuda_plugin().find("/absent/libschedbench_cuda.so"), std::string::npos);
    const std::string folder = folder_of_code(reinterpret_cast<const void*>(&at::get_num_threads));
    const std::string missing = load_library(folder + "/libtorch_cuda.so");
    if (!missing.empty()) GTEST_SKIP() << "LibTorch's CUDA library cannot be loaded: " << missing;
    setenv("SCHEDBENCH_CUDA_PLUGIN", SCHEDBENCH_PLUGIN, 1);
    ASSERT_EQ(load_cuda_plugin(), "");
    const CudaPlugin* plugin = cuda_plugin();
    ASSERT_NE(plugin, nullptr);
    EXPECT_EQ(plugin->abi, CudaPlugin::kAbi);
    EXPECT_TRUE(plugin->fill_normals && plugin->capture && plugin->replay && plugin->release &&
                plugin->watch_synchronisation);
}

}  // namespace
}  // namespace schedbench
