// What --device does without a device: every reason has its words, and `auto` says which one held it back.
#include "core/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/cuda_library.h"
#include "core/error.h"
#include "failure.h"

namespace schedbench {
namespace {

void forget_launchers() {
    for (const char* name : {"LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"})
        unsetenv(name);
}

TEST(LocalRank, AsEveryLauncherSaysIt) {
    forget_launchers();
    EXPECT_EQ(local_rank(), 0);
    for (const char* name :
         {"LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"}) {
        setenv(name, "3", 1);
        EXPECT_EQ(local_rank(), 3) << name;
        setenv(name, "third", 1);
        EXPECT_EQ(failure([] { local_rank(); }).where(), name);
        unsetenv(name);
    }
}

TEST(CudaDevice, IndexByNameOrLocalRank) {
    const std::vector<std::string> one{"a"}, four{"a", "b", "c", "d"};
    EXPECT_EQ(cuda_device_index("cuda", four, 0), 0);
    EXPECT_EQ(cuda_device_index("cuda", four, 3), 3);
    EXPECT_EQ(cuda_device_index("cuda", one, 3), 0);  // the launcher shows each process its own device
    EXPECT_EQ(cuda_device_index("cuda:2", four, 0), 2);
    const Error beyond = failure([&] { cuda_device_index("cuda:4", four, 0); });
    EXPECT_EQ(beyond.kind(), "device");
    EXPECT_NE(beyond.message().find("there are 4: cuda:0 to cuda:3"), std::string::npos) << beyond.what();
    const Error crowded = failure([&] { cuda_device_index("cuda", four, 4); });
    EXPECT_EQ(crowded.kind(), "device");
    EXPECT_NE(crowded.message().find("number 4"), std::string::npos) << crowded.what();
    for (const char* wrong : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1.5", "cudaa", ""})
        EXPECT_EQ(failure([&] { cuda_device_index(wrong, four, 0); }).kind(), "option") << wrong;
}

TEST(Library, WhatTheLoaderSays) {
    const std::string said = load_library("/absent/libtorch_cuda.so");
    EXPECT_NE(said.find("/absent/libtorch_cuda.so"), std::string::npos) << said;
    EXPECT_EQ(folder_of_code(reinterpret_cast<const void*>(&at::get_num_threads)).find("/"), 0u);
    EXPECT_EQ(cuda_version_text(13000), "13.0");
    EXPECT_EQ(cuda_version_text(12080), "12.8");
}

TEST(Runtime, CpuIdentityNamesWhatDecidesBits) {
    const RuntimeSettings cpu = apply_runtime({"cpu", 1, "reproducible"});
    EXPECT_EQ(stack_identity(cpu).find("device=cpu;threads=1;profile=reproducible;torch="), 0u);
    EXPECT_FALSE(provenance(cpu).contains("device_reason"));
    EXPECT_EQ(failure([] {
                  apply_runtime({"tpu", 1, "reproducible"});
              }).kind(), "option");
}

// One test, because a library stays loaded: first without a driver, then with one that has no device to
// offer.
TEST(Runtime, WithoutAndThenWithADriver) {
    if (cuda_driver().missing.empty()) GTEST_SKIP() << "this machine has a driver: nothing can be missing";
    forget_launchers();
    const Error none = failure([] { apply_runtime({"cuda", 1, "reproducible"}); });
    EXPECT_EQ(none.kind(), "device");
    EXPECT_NE(none.message().find("no NVIDIA driver: libcuda.so.1"), std::string::npos) << none.what();
    EXPECT_EQ(none.where(), "--device cuda");
    const RuntimeSettings chosen = apply_runtime({"auto", 1, "reproducible"});
    EXPECT_EQ(chosen.device, "cpu");
    EXPECT_EQ(chosen.device_reason, none.message());
    EXPECT_EQ(provenance(chosen).at("device_reason"), none.message());
    EXPECT_EQ(stack_identity(chosen), stack_identity(apply_runtime({"cpu", 1, "reproducible"})));

    ASSERT_EQ(load_library(SCHEDBENCH_FAKE_DRIVER), "");
    const CudaDriver driver = cuda_driver();
    EXPECT_EQ(driver.missing, "");
    EXPECT_EQ(driver.version, 13010);
    EXPECT_EQ(driver.devices, (std::vector<std::string>{"Paper Tiger 100", "Paper Tiger 200"}));
    const Error beyond = failure([] { apply_runtime({"cuda:7", 1, "reproducible"}); });
    EXPECT_NE(beyond.message().find("there are 2: cuda:0 to cuda:1"), std::string::npos) << beyond.what();
    // LibTorch's own library is loaded now, where all that it needs is there, and finds no device behind the
    // names.
    const Error unusable = failure([] { apply_runtime({"cuda:1", 1, "reproducible"}); });
    EXPECT_EQ(unusable.kind(), "device");
    const std::string said = unusable.message();
    EXPECT_TRUE(said.find("names 2 devices, but LibTorch can use 0") != std::string::npos ||
                said.find("CUDA library cannot be loaded: ") != std::string::npos)
        << unusable.what();
    EXPECT_EQ(said.find('\n'), std::string::npos);
    EXPECT_EQ(apply_runtime({"auto", 1, "reproducible"}).device, "cpu");
}

}  // namespace
}  // namespace schedbench
