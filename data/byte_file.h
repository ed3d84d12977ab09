// Whole files in and out, with errors that name the file and the byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace schedbench {

/// "PATH, byte OFFSET": the `where` of an error inside a file.
std::string at_byte(const std::string& path, uint64_t offset);

/// Size of a regular file in bytes; Error("file") if it is absent or not a file. The hint goes into that
/// error.
uint64_t regular_file_size(const std::string& path, const std::string& hint = {});

/// Error("file") if there is no folder at `path`.
void require_folder(const std::string& path, const std::string& hint = {});

/// Bytes [offset, offset + out.size()) of the file; Error("file") if it ends before.
void read_bytes(const std::string& path, uint64_t offset, std::span<uint8_t> out);
std::vector<uint8_t> read_bytes(const std::string& path);

/// Writes PATH.part and renames it, so that a file under its final name is always complete.
void write_bytes(const std::string& path, std::span<const std::span<const uint8_t>> parts);

}  // namespace schedbench
