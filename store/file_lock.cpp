#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace schedbench {
namespace {

[[noreturn]] void refuse(const std::string& path, int code) {
    throw Error("store", std::string("cannot be locked: ") + std::strerror(code), path,
                "the folder must exist, be writable and be on a file system that has locks");
}

}  // namespace

FileLock::FileLock(std::string path) : path_(std::move(path)) {
    // The folder may vanish in between: the last rank clears the work folder when a run is complete.
    for (int tries = 0; descriptor_ < 0 && tries < 20; ++tries) {
        std::error_code ignored;
        const auto folder = std::filesystem::path(path_).parent_path();
        if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
        descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (descriptor_ < 0 && errno != ENOENT) break;
    }
    if (descriptor_ < 0) refuse(path_, errno);
}

FileLock::~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

bool FileLock::take(int operation) {
    int result = 0;
    do {
        result = ::flock(descriptor_, operation);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EWOULDBLOCK) refuse(path_, errno);
    return result == 0;
}

void FileLock::lock() {
    take(LOCK_EX);
}

bool FileLock::try_lock() {
    return take(LOCK_EX | LOCK_NB);
}

void FileLock::unlock() {
    take(LOCK_UN);
}

bool FileLock::is_at_path() const {
    struct stat opened {
    }, named{};
    return ::fstat(descriptor_, &opened) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace schedbench
