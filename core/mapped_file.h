// A file as a range of bytes, read by the operating system as they are looked at: it may be larger than memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace schedbench {

class MappedFile {
  public:
    /// own: the bytes may be changed, in memory that is this process's alone; the file stays as it is.
    enum class Access { read, own };

    /// Error("file") if it is absent, not a file, or cannot be opened. It must not be made shorter while this
    /// lives.
    explicit MappedFile(const std::string& path, Access access = Access::read);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::span<const uint8_t> bytes() const { return bytes_; }
    std::span<uint8_t> own_bytes() const { return bytes_; }  ///< with Access::own only
    /// What was looked at before need not stay in memory. With Access::read only: changes would be lost.
    void forget() const;

  private:
    std::span<uint8_t> bytes_;
};

}  // namespace schedbench
