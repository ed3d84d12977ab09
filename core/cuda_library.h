// CUDA at run time: the program is linked to nothing of it, and asks for it only when a CUDA device is
// wanted.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

/// What the driver library (libcuda.so.1) says, without any of LibTorch's CUDA libraries.
struct CudaDriver {
    std::string
        missing;      ///< why there is none, in the words of the loader or the driver; "" where there is one
    int version = 0;  ///< of CUDA that the driver knows: 1000 major + 10 minor
    std::vector<std::string> devices;  ///< names, in the driver's order
};
CudaDriver cuda_driver();

/// Loads a shared library for the rest of the process, its symbols seen by all. Returns "" or what the loader
/// says.
std::string load_library(const std::string& path);

/// Folder of the shared library or program in which `address` lies, without a slash at the end; "" if
/// unknown.
std::string folder_of_code(const void* address);

/// 13000 -> "13.0".
std::string cuda_version_text(int version);

/// Place of this process among those on its machine, as launchers say it: LOCAL_RANK (torchrun),
/// SLURM_LOCALID, OMPI_COMM_WORLD_LOCAL_RANK, MPI_LOCALRANKID; 0 without any. Error("option") for what is no
/// number.
int local_rank();

/// Error("option") for what is neither "cuda" nor "cuda:N".
void check_cuda_name(const std::string& asked);

/// The device that `asked` ("cuda" or "cuda:N") names among `names`: N, or the local rank (device 0 if there
/// is but one: then the launcher has chosen). Error("device"), which counts the devices, for one that is not
/// there, and Error("option") for another form.
int cuda_device_index(const std::string& asked, const std::vector<std::string>& names, int local);

}  // namespace schedbench
