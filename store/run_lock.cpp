#include "store/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "core/error.h"

namespace schedbench {
namespace {

std::string with_extension(const std::string& run_path, const char* extension) {
    std::filesystem::path path(run_path);
    if (path.extension() == ".h5" || path.extension() == ".hdf5") path.replace_extension();
    return path.string() + extension;
}

/// Locks that this thread holds: a second one on the same run would wait for itself.
thread_local std::set<std::string> held;

}  // namespace

std::string work_folder(const std::string& run_path) {
    return with_extension(run_path, ".work");
}
std::string lock_path(const std::string& run_path) {
    return with_extension(run_path, ".lock");
}

RunLock::RunLock(const std::string& run_path) : run_path_(run_path) {
    const std::string path = lock_path(run_path);
    SCHEDBENCH_ASSERT(!held.contains(path));
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int result = descriptor_ < 0 ? -1 : 0;
    if (result == 0) {
        do {
            result = ::flock(descriptor_, LOCK_EX);
        } while (result != 0 && errno == EINTR);
    }
    if (result != 0) {
        const std::string reason = std::strerror(errno);
        if (descriptor_ >= 0) ::close(descriptor_);
        throw Error("store", "cannot lock the run: " + reason, path,
                    "the folder must exist, be writable and be on a file system that has locks");
    }
    held.insert(path);
}

RunLock::~RunLock() {
    held.erase(lock_path(run_path_));
    ::close(descriptor_);
}

}  // namespace schedbench
