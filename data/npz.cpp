#include "data/npz.h"

#include <zlib.h>

#include <limits>
#include <memory>

#include "core/error.h"
#include "data/byte_file.h"
#include "data/npz_member.h"

namespace schedbench {

namespace {

uint32_t crc_of(std::span<const uint8_t> data, uint32_t crc = 0) {
    // zlib takes a null pointer, which an empty span may have, as a request for the initial value.
    return data.empty() ? crc : static_cast<uint32_t>(crc32_z(crc, data.data(), data.size()));
}

NpyArray array_of(NpzMember member) {
    return decode_npy(
        member.size(), [&](uint64_t offset, std::span<uint8_t> out) { member.read(offset, out); },
        member.origin());
}

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
    const auto archive = std::make_shared<const ZipArchive>(path);
    std::map<std::string, NpyArray> out;
    for (const ZipMember& member : archive->members()) {
        const std::string name = npz_array_name(*archive, member);
        out.emplace(name, array_of(NpzMember(archive, name)));
    }
    return out;
}

NpyArray read_npz(const std::string& path, const std::string& name) {
    return array_of(NpzMember(path, name));
}

std::vector<std::string> npz_names(const std::string& path) {
    const ZipArchive archive(path);
    std::vector<std::string> out;
    for (const ZipMember& member : archive.members()) out.push_back(npz_array_name(archive, member));
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
        const uint32_t crc = crc_of(data, crc_of(npy));
        append(directory, kZipCentral, 4);
        append(directory, 20, 2);  // made by: version 2.0
        append_common(directory, crc, size, file_name.size());
        append(directory, 0, 6);  // comment length, disk, internal attributes
        append(directory, 0, 4);  // external attributes
        append(directory, position, 4);
        directory.insert(directory.end(), file_name.begin(), file_name.end());

        std::vector<uint8_t> local;
        append(local, kZipLocal, 4);
        append_common(local, crc, size, file_name.size());
        local.insert(local.end(), file_name.begin(), file_name.end());
        local.insert(local.end(), npy.begin(), npy.end());
        position += local.size() + data.size();
        headers.push_back(std::move(local));
        parts.push_back(headers.back());
        parts.push_back(data);
    }
    const uint64_t directory_size = directory.size();
    append(directory, kZipEnd, 4);
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
