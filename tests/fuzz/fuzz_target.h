// What a fuzz target of a reader shares: the entry point of libFuzzer, the files to start from, and what may
// come out of a reader for any bytes at all: a value, or an Error of one line.
//
// With clang: link a target with -fsanitize=fuzzer,address in place of mutate_main.cpp.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace schedbench::fuzz {

using Bytes = std::vector<uint8_t>;

/// Well-formed files, written by the program's own writers into `folder`.
std::vector<Bytes> seeds(const std::string& folder);

/// The bytes of files that `write(path, what)` makes in `folder`, one of each of `all`.
template <class All, class Write>
std::vector<Bytes> written(const std::string& folder, const All& all, Write&& write) {
    std::vector<Bytes> out;
    for (const auto& what : all) {
        const std::string path = folder + "/seed";
        write(path, what);
        std::ifstream in(path, std::ios::binary);
        out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return out;
}

/// The bytes as a file that lives in memory.
class MemoryFile {
  public:
    MemoryFile(const uint8_t* data, size_t size) : fd_(memfd_create("fuzz", 0)) {
        for (size_t done = 0; done < size;) {
            const ssize_t n = ::write(fd_, data + done, size - done);
            if (n <= 0) std::abort();
            done += static_cast<size_t>(n);
        }
    }
    ~MemoryFile() { ::close(fd_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  private:
    int fd_;
};

/// Runs a reader. Whatever it throws other than an Error of one line ends the program.
template <class Work>
int expect_value_or_error(Work&& work) {
    try {
        work();
    } catch (const Error& e) {
        if (std::string(e.what()).find('\n') != std::string::npos) {
            std::fprintf(stderr, "an error of several lines: %s\n", e.what());
            std::abort();
        }
    }
    return 0;
}

}  // namespace schedbench::fuzz
