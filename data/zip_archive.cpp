#include "data/zip_archive.h"

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

namespace {

constexpr uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr uint64_t kZip64EndSize = 56, kZip64LocatorSize = 20;
// What a field of the old records holds where the true value stands in a zip64 one.
constexpr uint64_t kElsewhere16 = 0xffff, kElsewhere32 = 0xffffffff;

}  // namespace

ZipArchive::ZipArchive(const std::string& path)
    : path_((regular_file_size(path), path)), file_(path), bytes_(file_.bytes()) {
    read_directory();
}

void ZipArchive::fail(uint64_t offset, const std::string& message, const std::string& hint) const {
    throw Error("file", message, at_byte(path_, offset), hint);
}

// Little-endian number of 2, 4 or 8 bytes.
uint64_t ZipArchive::number(uint64_t offset, uint64_t width, const char* what) const {
    if (offset > bytes_.size() || width > bytes_.size() - offset)
        fail(bytes_.size(), std::string("the file ends within ") + what);
    uint64_t value = 0;
    for (uint64_t i = 0; i < width; ++i) value |= uint64_t{bytes_[offset + i]} << 8 * i;
    return value;
}

std::string ZipArchive::text(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset)
        fail(bytes_.size(), "the file ends within a name");
    const std::span<const uint8_t> found = bytes_.subspan(offset, size);
    return {found.begin(), found.end()};
}

std::span<const uint8_t> ZipArchive::packed(const ZipMember& member, uint64_t& at) const {
    const uint64_t local = member.local_at;
    if (number(local, 4, "a member") != kZipLocal) fail(local, "a member does not begin with its signature");
    const uint64_t name_size = number(local + 26, 2, "a member"),
                   extra_size = number(local + 28, 2, "a member");
    if (text(local + kZipLocalSize, name_size) != member.name)
        fail(local + kZipLocalSize, "the member's name differs from the one in the directory");
    at = local + kZipLocalSize + name_size + extra_size;
    if (at > bytes_.size() || member.packed_size > bytes_.size() - at)
        fail(local, "the member \"" + member.name + "\" goes beyond the end of the file");
    return bytes_.subspan(at, member.packed_size);
}

/// It is the last thing but a comment of up to 65535 bytes, of which its last field is the length.
uint64_t ZipArchive::find_end_record() const {
    const uint64_t size = bytes_.size();
    if (size >= kZipEndSize) {
        const uint64_t lowest = size > kZipEndSize + 0xffff ? size - kZipEndSize - 0xffff : 0;
        for (uint64_t at = size - kZipEndSize;; --at) {
            if (number(at, 4, "the file") == kZipEnd &&
                at + kZipEndSize + number(at + 20, 2, "the file") == size)
                return at;
            if (at == lowest) break;
        }
    }
    fail(size, "the directory at the end of the archive is missing");
}

void ZipArchive::read_directory() {
    if (bytes_.size() < 4 || (number(0, 4, "the file") != kZipLocal && number(0, 4, "the file") != kZipEnd))
        fail(0, "does not begin like a zip archive", "save it with numpy.savez");
    uint64_t end = find_end_record();
    if (number(end + 4, 4, "the end record") != 0)
        fail(end + 4, "is one part of an archive of several disks");
    uint64_t count = number(end + 10, 2, "the end record"), at = number(end + 16, 4, "the end record");
    const bool large =
        count == kElsewhere16 || at == kElsewhere32 || number(end + 12, 4, "the end record") == kElsewhere32;
    if (large && end >= kZip64LocatorSize &&
        number(end - kZip64LocatorSize, 4, "the file") == kZip64Locator) {
        const uint64_t locator = end - kZip64LocatorSize;
        end = number(locator + 8, 8, "the zip64 locator");
        if (end > locator || locator - end < kZip64EndSize ||
            number(end, 4, "the zip64 end record") != kZip64End)
            fail(locator + 8, "the zip64 end record is not where its locator says");
        count = number(end + 32, 8, "the zip64 end record");
        at = number(end + 48, 8, "the zip64 end record");
    } else if (large && (at == kElsewhere32 || count == kElsewhere16)) {
        fail(end, "the zip64 locator of a large archive is missing");
    }
    if (count > bytes_.size() / kZipCentralSize) fail(end, "claims more members than the file can hold");
    for (uint64_t i = 0; i < count; ++i) at = read_entry(at);
    if (at != end) fail(at, "the directory does not end where the end record begins");
}

/// The extra field 1 holds, in this order, those of the values that the entry itself says are elsewhere.
void ZipArchive::read_zip64_field(ZipMember& member, uint64_t at, uint64_t size) const {
    const uint64_t end = at + size;
    while (at + 4 <= end) {
        const uint64_t id = number(at, 2, "an extra field"), length = number(at + 2, 2, "an extra field");
        uint64_t value_at = at + 4;
        at = value_at + length;
        if (id != 1) continue;
        for (uint64_t* value : {&member.size, &member.packed_size, &member.local_at}) {
            if (*value != kElsewhere32) continue;
            if (value_at + 8 > at) fail(value_at, "the zip64 field of \"" + member.name + "\" is too short");
            *value = number(value_at, 8, "a zip64 field");
            value_at += 8;
        }
        return;
    }
    fail(end, "the zip64 field of \"" + member.name + "\" is missing");
}

uint64_t ZipArchive::read_entry(uint64_t at) {
    if (number(at, 4, "the directory") != kZipCentral)
        fail(at, "an entry of the directory lacks its signature");
    ZipMember member;
    const uint64_t flags = number(at + 8, 2, "the directory"), method = number(at + 10, 2, "the directory");
    member.deflated = method == 8;
    member.crc = static_cast<uint32_t>(number(at + 16, 4, "the directory"));
    member.packed_size = number(at + 20, 4, "the directory");
    member.size = number(at + 24, 4, "the directory");
    const uint64_t name_size = number(at + 28, 2, "the directory");
    const uint64_t extra_size = number(at + 30, 2, "the directory"),
                   comment_size = number(at + 32, 2, "the directory");
    member.local_at = number(at + 42, 4, "the directory");
    member.name = text(at + kZipCentralSize, name_size);
    if (flags & 1) fail(at + 8, "the member \"" + member.name + "\" is encrypted");
    if (method != 0 && method != 8)
        fail(at + 10,
             "the member \"" + member.name + "\" has compression method " + std::to_string(method) +
                 ", expected 0 (stored) or 8 (deflate)",
             "save it with numpy.savez or numpy.savez_compressed");
    if (member.packed_size == kElsewhere32 || member.size == kElsewhere32 || member.local_at == kElsewhere32)
        read_zip64_field(member, at + kZipCentralSize + name_size, extra_size);
    if (!member.deflated && member.size != member.packed_size)
        fail(at + 20, "the stored member \"" + member.name + "\" has two different sizes");
    for (const ZipMember& other : members_)
        if (other.name == member.name) fail(at, "the member \"" + member.name + "\" comes twice");
    members_.push_back(member);
    return at + kZipCentralSize + name_size + extra_size + comment_size;
}

}  // namespace schedbench
