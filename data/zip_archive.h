// The members of a zip archive. Source: PKWARE, ".ZIP File Format Specification" (APPNOTE.TXT),
// sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (end records), 4.5.3 (zip64).
// Read: stored and deflated members of any size; not read: encryption, several disks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/mapped_file.h"

namespace schedbench {

struct ZipMember {
    std::string name;
    bool deflated = false;
    uint32_t crc = 0;          ///< CRC-32 of the unpacked bytes
    uint64_t size = 0;         ///< of the unpacked bytes
    uint64_t packed_size = 0;  ///< of those in the file
    uint64_t local_at = 0;     ///< byte of its local header
};

class ZipArchive {
  public:
    /// Reads the directory only. Every fault is Error("file") with file and byte.
    explicit ZipArchive(const std::string& path);

    const std::string& path() const { return path_; }
    const std::vector<ZipMember>& members() const { return members_; }
    /// Its bytes as they are in the file, which begin at byte `at`; the local header is checked.
    std::span<const uint8_t> packed(const ZipMember& member, uint64_t& at) const;
    const MappedFile& file() const { return file_; }

  private:
    [[noreturn]] void fail(uint64_t offset, const std::string& message,
                           const std::string& hint = "the file is cut short or damaged") const;
    uint64_t number(uint64_t offset, uint64_t width, const char* what) const;
    std::string text(uint64_t offset, uint64_t size) const;
    uint64_t find_end_record() const;
    void read_directory();
    uint64_t read_entry(uint64_t at);
    void read_zip64_field(ZipMember& member, uint64_t at, uint64_t size) const;

    std::string path_;
    MappedFile file_;
    std::span<const uint8_t> bytes_;
    std::vector<ZipMember> members_;
};

/// Signatures of the records, and the sizes of their fixed parts.
inline constexpr uint32_t kZipLocal = 0x04034b50, kZipCentral = 0x02014b50, kZipEnd = 0x06054b50;
inline constexpr uint64_t kZipLocalSize = 30, kZipCentralSize = 46, kZipEndSize = 22;

}  // namespace schedbench
