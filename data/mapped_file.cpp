#include "data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

MappedFile::MappedFile(const std::string& path) {
    const uint64_t size = regular_file_size(path);
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        throw Error("file", std::string("cannot be opened for reading: ") + std::strerror(errno), path);
    void* const start = size > 0 ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0) : nullptr;
    const int fault = errno;
    ::close(file);
    if (start == MAP_FAILED)
        throw Error("file", std::string("cannot be mapped into memory: ") + std::strerror(fault), path);
    bytes_ = {static_cast<const uint8_t*>(start), size};
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

void MappedFile::forget() const {
    // Advice: where it is not taken, only memory is lost.
    if (!bytes_.empty()) ::madvise(const_cast<uint8_t*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

}  // namespace schedbench
