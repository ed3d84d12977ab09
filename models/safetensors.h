// safetensors: 8 bytes of little-endian header length, a JSON header (name -> dtype, shape, byte range, and
// an optional text-to-text map "__metadata__"), then raw little-endian row-major data. Reading never executes
// anything.
//
// The reader is strict: known dtypes, shapes that match their byte ranges, ranges that cover the data exactly
// once, no more and no fewer bytes than the header says. Each fault is an Error("file") with file and byte
// offset.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace schedbench {

struct SafetensorsFile {
    std::map<std::string, at::Tensor>
        tensors;  ///< as stored: F64, F32, F16, BF16, I64, I32, U8, BOOL; on the CPU
    std::map<std::string, std::string> metadata;

    const at::Tensor& at(const std::string& name) const;    ///< Error("file") naming the file and the tensor
    const std::string& meta(const std::string& key) const;  ///< Error("file") naming the file and the key
    std::string path;                                       ///< for messages
};

/// The tensors lie in the file's own pages (private: changing a tensor does not change the file), so a large file
/// costs what is looked at of it. It must not be made shorter while they live; replacing it is fine.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes tensors in name order with 8-byte aligned data, through a temporary file and a rename.
void write_safetensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace schedbench
