#include "store/run_lock.h"

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

namespace {

std::string checked_lock_path(const std::string& run_path) {
    const std::string path = lock_path(run_path);
    SCHEDBENCH_ASSERT(!held.contains(path));
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code failure;
    if (!folder.empty() && !std::filesystem::is_directory(folder, failure))
        throw Error("store", "is not an existing folder, expected the run's", folder.string(),
                    "make it first");
    return path;
}

}  // namespace

RunLock::RunLock(const std::string& run_path) : run_path_(run_path), lock_(checked_lock_path(run_path)) {
    lock_.lock();
    held.insert(lock_.path());
}

RunLock::~RunLock() {
    held.erase(lock_.path());
}

}  // namespace schedbench
