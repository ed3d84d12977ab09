#include "data/npz.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "data/byte_file.h"
#include "data/inflater.h"

namespace schedbench {

namespace {

// Signatures and fixed sizes of the three records (APPNOTE 4.3.7, 4.3.12, 4.3.16).
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr uint64_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22;
constexpr uint32_t kZip64 = 0xffffffff;

struct Member {
    std::string name;  ///< without ".npy"
    uint16_t method = 0;
    uint32_t crc = 0;
    uint64_t packed_size = 0, size = 0, local_at = 0;
};

class Archive {
  public:
    explicit Archive(const std::string& path) : path_(path), bytes_(read_bytes(path)) { read_directory(); }

    const std::vector<Member>& members() const { return members_; }

    NpyArray array(const Member& member) const {
        const uint64_t at = member.local_at;
        if (number(at, 4, "a member") != kLocal) fail(at, "a member does not begin with its signature");
        const uint64_t name_size = number(at + 26, 2, "a member"),
                       extra_size = number(at + 28, 2, "a member");
        if (text(at + kLocalSize, name_size) != member.name + ".npy")
            fail(at + kLocalSize, "the member's name differs from the one in the directory");
        const uint64_t data_at = at + kLocalSize + name_size + extra_size;
        if (data_at > bytes_.size() || member.packed_size > bytes_.size() - data_at)
            fail(at, "the member \"" + member.name + "\" goes beyond the end of the file");
        const std::span<const uint8_t> packed(bytes_.data() + data_at, member.packed_size);

        std::vector<uint8_t> inflated;
        std::span<const uint8_t> data = packed;
        if (member.method == 8) {
            if (member.size / Inflater::kLargestExpansion > member.packed_size)
                fail(at, "the member \"" + member.name + "\" claims more bytes than it can hold");
            inflated.resize(member.size);
            Inflater inflater(Inflater::Format::raw, packed, path_, data_at);
            std::array<uint8_t, 1> extra{};
            if (inflater.read(inflated) != member.size || inflater.read(extra) != 0)
                fail(at, "the member \"" + member.name + "\" is not as long as the directory says");
            data = inflated;
        } else if (member.size != member.packed_size) {
            fail(at, "the stored member \"" + member.name + "\" has two different sizes");
        }
        if (crc_of(data) != member.crc)
            fail(data_at, "the checksum (CRC-32) of the member \"" + member.name + "\" does not agree");
        return decode_npy(
            data.size(),
            [&](uint64_t offset, std::span<uint8_t> out) {
                std::copy_n(data.data() + offset, out.size(), out.data());
            },
            path_ + ":" + member.name);
    }

    static uint32_t crc_of(std::span<const uint8_t> data, uint32_t crc = 0) {
        // zlib takes a null pointer, which an empty span may have, as a request for the initial value.
        return data.empty() ? crc : static_cast<uint32_t>(crc32_z(crc, data.data(), data.size()));
    }

  private:
    [[noreturn]] void fail(uint64_t offset, const std::string& message,
                           const std::string& hint = "the .npz file is cut short or damaged") const {
        throw Error("file", message, at_byte(path_, offset), hint);
    }

    // Little-endian number of 2 or 4 bytes.
    uint64_t number(uint64_t offset, uint64_t width, const char* what) const {
        if (offset > bytes_.size() || width > bytes_.size() - offset)
            fail(bytes_.size(), std::string("the file ends within ") + what);
        uint64_t value = 0;
        for (uint64_t i = 0; i < width; ++i) value |= uint64_t{bytes_[offset + i]} << 8 * i;
        return value;
    }

    std::string text(uint64_t offset, uint64_t size) const {
        if (offset > bytes_.size() || size > bytes_.size() - offset)
            fail(bytes_.size(), "the file ends within a name");
        const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
        return {first, first + static_cast<std::ptrdiff_t>(size)};
    }

    void read_directory() {
        if (bytes_.size() < 4 || (number(0, 4, "the file") != kLocal && number(0, 4, "the file") != kEnd))
            fail(0, "does not begin like a zip archive", "save it with numpy.savez");
        // The end record is the last thing but a comment of up to 65535 bytes, of which its last field is the
        // length.
        uint64_t end = bytes_.size();
        const uint64_t lowest = bytes_.size() > kEndSize + 0xffff ? bytes_.size() - kEndSize - 0xffff : 0;
        for (uint64_t at = bytes_.size() >= kEndSize ? bytes_.size() - kEndSize : 0;
             bytes_.size() >= kEndSize; --at) {
            if (number(at, 4, "the file") == kEnd &&
                at + kEndSize + number(at + 20, 2, "the file") == bytes_.size()) {
                end = at;
                break;
            }
            if (at == lowest) break;
        }
        if (end == bytes_.size()) fail(end, "the directory at the end of the archive is missing");
        const uint64_t count = number(end + 10, 2, "the end record");
        const uint64_t directory_at = number(end + 16, 4, "the end record");
        if (number(end + 4, 4, "the end record") != 0)
            fail(end + 4, "is one part of an archive of several disks");
        if (directory_at == kZip64 || count == 0xffff)
            fail(end, "is a zip64 archive, which is not read",
                 "save the arrays in files below 4 GiB, or as .npy");
        uint64_t at = directory_at;
        for (uint64_t i = 0; i < count; ++i) at = read_entry(at);
        if (at != end) fail(at, "the directory does not end where the end record begins");
    }

    uint64_t read_entry(uint64_t at) {
        if (number(at, 4, "the directory") != kCentral)
            fail(at, "an entry of the directory lacks its signature");
        Member member;
        const uint64_t flags = number(at + 8, 2, "the directory");
        member.method = static_cast<uint16_t>(number(at + 10, 2, "the directory"));
        member.crc = static_cast<uint32_t>(number(at + 16, 4, "the directory"));
        member.packed_size = number(at + 20, 4, "the directory");
        member.size = number(at + 24, 4, "the directory");
        const uint64_t name_size = number(at + 28, 2, "the directory");
        const uint64_t extra_size = number(at + 30, 2, "the directory"),
                       comment_size = number(at + 32, 2, "the directory");
        member.local_at = number(at + 42, 4, "the directory");
        const std::string name = text(at + kCentralSize, name_size);
        if (flags & 1) fail(at + 8, "the member \"" + name + "\" is encrypted");
        if (member.method != 0 && member.method != 8)
            fail(at + 10,
                 "the member \"" + name + "\" has compression method " + std::to_string(member.method) +
                     ", expected 0 (stored) or 8 (deflate)",
                 "save it with numpy.savez or numpy.savez_compressed");
        if (member.packed_size == kZip64 || member.size == kZip64 || member.local_at == kZip64)
            fail(at + 20, "the member \"" + name + "\" is larger than 4 GiB, which is not read",
                 "save it as .npy");
        if (name.size() <= 4 || !name.ends_with(".npy"))
            fail(at + kCentralSize, "the member \"" + name + "\" is not a .npy array",
                 "save it with numpy.savez");
        member.name = name.substr(0, name.size() - 4);
        for (const Member& other : members_)
            if (other.name == member.name) fail(at, "the member \"" + name + "\" comes twice");
        members_.push_back(member);
        return at + kCentralSize + name_size + extra_size + comment_size;
    }

    std::string path_;
    std::vector<uint8_t> bytes_;
    std::vector<Member> members_;
};

void append(std::vector<uint8_t>& out, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i & 0xff));
}

// The fields that the local header and the directory have in common, from "version needed" to "length of the
// extra field" (APPNOTE 4.3.7). Version 2.0, stored, 1 January 1980 (the zero of the format).
void append_common(std::vector<uint8_t>& out, uint32_t crc, uint64_t size, uint64_t name_size) {
    append(out, 20, 2);
    append(out, 0, 2);
    append(out, 0, 2);
    append(out, 0, 2);
    append(out, 0x21, 2);
    append(out, crc, 4);
    append(out, size, 4);
    append(out, size, 4);
    append(out, name_size, 2);
    append(out, 0, 2);
}

}  // namespace

std::map<std::string, NpyArray> read_npz(const std::string& path) {
    const Archive archive(path);
    std::map<std::string, NpyArray> out;
    for (const Member& member : archive.members()) out.emplace(member.name, archive.array(member));
    return out;
}

NpyArray read_npz(const std::string& path, const std::string& name) {
    const Archive archive(path);
    std::string known;
    for (const Member& member : archive.members()) {
        if (member.name == name) return archive.array(member);
        known += (known.empty() ? "" : ", ") + member.name;
    }
    throw Error("file", "holds no array \"" + name + "\"", path,
                known.empty() ? "it is empty" : "it holds " + known);
}

std::vector<std::string> npz_names(const std::string& path) {
    const Archive archive(path);
    std::vector<std::string> out;
    for (const Member& member : archive.members()) out.push_back(member.name);
    return out;
}

void write_npz(const std::string& path, const std::map<std::string, NpyArray>& arrays) {
    SCHEDBENCH_ASSERT(arrays.size() < 0xffff);
    std::vector<std::vector<uint8_t>> headers;  // a list that keeps what the parts below point to
    headers.reserve(arrays.size());
    std::vector<std::span<const uint8_t>> parts;
    std::vector<uint8_t> directory;
    uint64_t position = 0;
    for (const auto& [name, array] : arrays) {
        const std::vector<uint8_t> npy = npy_header(array);
        const std::span<const uint8_t> data = npy_data(array);
        const std::string file_name = name + ".npy";
        const uint64_t size = npy.size() + data.size();
        if (position + size + directory.size() > std::numeric_limits<uint32_t>::max() - 0xffff)
            throw Error("file", "would be larger than 4 GiB, which this writer does not do", path,
                        "write .npy files instead");
        const uint32_t crc = Archive::crc_of(data, Archive::crc_of(npy));
        append(directory, kCentral, 4);
        append(directory, 20, 2);  // made by: version 2.0
        append_common(directory, crc, size, file_name.size());
        append(directory, 0, 6);  // comment length, disk, internal attributes
        append(directory, 0, 4);  // external attributes
        append(directory, position, 4);
        directory.insert(directory.end(), file_name.begin(), file_name.end());

        std::vector<uint8_t> local;
        append(local, kLocal, 4);
        append_common(local, crc, size, file_name.size());
        local.insert(local.end(), file_name.begin(), file_name.end());
        local.insert(local.end(), npy.begin(), npy.end());
        position += local.size() + data.size();
        headers.push_back(std::move(local));
        parts.push_back(headers.back());
        parts.push_back(data);
    }
    const uint64_t directory_size = directory.size();
    append(directory, kEnd, 4);
    append(directory, 0, 4);
    append(directory, arrays.size(), 2);
    append(directory, arrays.size(), 2);
    append(directory, directory_size, 4);
    append(directory, position, 4);
    append(directory, 0, 2);
    parts.push_back(directory);
    write_bytes(path, parts);
}

}  // namespace schedbench
