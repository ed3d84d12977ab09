// A file as a range of bytes, read by the operating system as they are looked at: archives may be larger than
// memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace schedbench {

class MappedFile {
  public:
    /// Error("file") if it is absent, not a file, or cannot be opened. It must not be made shorter while this
    /// lives.
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::span<const uint8_t> bytes() const { return bytes_; }
    /// What was looked at before need not stay in memory.
    void forget() const;

  private:
    std::span<const uint8_t> bytes_;
};

}  // namespace schedbench
