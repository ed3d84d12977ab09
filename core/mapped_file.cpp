#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace schedbench {

namespace {

[[noreturn]] void fail(int file, const std::string& path, const std::string& what, int fault) {
    if (file >= 0) ::close(file);
    throw Error("file", what + (fault ? std::string(": ") + std::strerror(fault) : ""), path);
}

}  // namespace

MappedFile::MappedFile(const std::string& path, Access access) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (file < 0 || ::fstat(file, &about) != 0) fail(file, path, "cannot be opened for reading", errno);
    if (!S_ISREG(about.st_mode)) fail(file, path, "is no file", 0);
    const auto size = static_cast<size_t>(about.st_size);
    const int protection = access == Access::own ? PROT_READ | PROT_WRITE : PROT_READ;
    void* const start = size > 0 ? ::mmap(nullptr, size, protection, MAP_PRIVATE, file, 0) : nullptr;
    if (start == MAP_FAILED) fail(file, path, "cannot be mapped into memory", errno);
    ::close(file);
    bytes_ = {static_cast<uint8_t*>(start), size};
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

void MappedFile::forget() const {
    // Advice: where it is not taken, only memory is lost.
    if (!bytes_.empty()) ::madvise(bytes_.data(), bytes_.size(), MADV_DONTNEED);
}

}  // namespace schedbench
