// NPZ: several named arrays in one file, a zip archive of .npy members, as numpy.savez and
// numpy.savez_compressed write. What is read of the format says zip_archive.h; an array that may be larger
// than memory is an NpzMember.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/npy.h"

namespace schedbench {

/// All arrays by name, without ".npy". Sizes and CRC-32 are checked; every fault is Error("file") with file
/// and byte.
std::map<std::string, NpyArray> read_npz(const std::string& path);

/// One array of the file; an unknown name is answered with those there are.
NpyArray read_npz(const std::string& path, const std::string& name);

/// The names of all arrays, in the order of the file, without reading them.
std::vector<std::string> npz_names(const std::string& path);

/// Stored members, no time stamps: equal arrays make equal files. Error("file") above 4 GiB.
void write_npz(const std::string& path, const std::map<std::string, NpyArray>& arrays);

}  // namespace schedbench
