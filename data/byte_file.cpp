#include "data/byte_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace schedbench {

namespace fs = std::filesystem;

std::string at_byte(const std::string& path, uint64_t offset) {
    return path + ", byte " + std::to_string(offset);
}

uint64_t regular_file_size(const std::string& path, const std::string& hint) {
    std::error_code fault;
    const fs::file_status status = fs::status(path, fault);
    if (status.type() == fs::file_type::not_found) throw Error("file", "there is no such file", path, hint);
    if (fault) throw Error("file", "cannot be looked at: " + fault.message(), path, hint);
    if (status.type() == fs::file_type::directory)
        throw Error("file", "is a folder, expected a file", path, hint);
    if (status.type() != fs::file_type::regular) throw Error("file", "is not a regular file", path, hint);
    const uintmax_t size = fs::file_size(path, fault);
    if (fault) throw Error("file", "its size cannot be read: " + fault.message(), path, hint);
    return size;
}

void require_folder(const std::string& path, const std::string& hint) {
    std::error_code fault;
    const fs::file_status status = fs::status(path, fault);
    if (status.type() == fs::file_type::not_found) throw Error("file", "there is no such folder", path, hint);
    if (fault) throw Error("file", "cannot be looked at: " + fault.message(), path, hint);
    if (status.type() != fs::file_type::directory) throw Error("file", "is not a folder", path, hint);
}

void read_bytes(const std::string& path, uint64_t offset, std::span<uint8_t> out) {
    const uint64_t size = regular_file_size(path);
    if (offset > size || out.size() > size - offset)
        throw Error("file",
                    "the file ends here, but " + std::to_string(out.size()) +
                        " bytes were expected from byte " + std::to_string(offset) + " on",
                    at_byte(path, size), "the file is cut short: fetch it again");
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("file", std::string("cannot be opened for reading: ") + std::strerror(errno), path);
    in.seekg(static_cast<std::streamoff>(offset));
    // A char may look at any object's bytes; std::ifstream knows no other type.
    in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    if (!in || static_cast<size_t>(in.gcount()) != out.size())
        throw Error("file", "reading failed",
                    at_byte(path, offset + static_cast<uint64_t>(std::max<std::streamsize>(0, in.gcount()))));
}

std::vector<uint8_t> read_bytes(const std::string& path) {
    std::vector<uint8_t> bytes(regular_file_size(path));
    read_bytes(path, 0, bytes);
    return bytes;
}

void write_bytes(const std::string& path, std::span<const std::span<const uint8_t>> parts) {
    const std::string part_path = path + ".part";
    {
        std::ofstream out(part_path, std::ios::binary | std::ios::trunc);
        if (!out)
            throw Error("file", std::string("cannot be opened for writing: ") + std::strerror(errno),
                        part_path, "does the folder exist, and may you write there?");
        for (const auto& part : parts)
            out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
        out.close();
        if (!out) {
            std::error_code ignored;
            fs::remove(part_path, ignored);
            throw Error("file", "writing failed", path, "is the disk full?");
        }
    }
    std::error_code fault;
    fs::rename(part_path, path, fault);
    if (fault) throw Error("file", "cannot be renamed from " + part_path + ": " + fault.message(), path);
}

}  // namespace schedbench
