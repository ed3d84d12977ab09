// A network in an AOTInductor package (.pt2): machine code for one kind of processor, compiled by PyTorch.
//
// Such a file is a program, not data: opening it loads a shared library and runs it with the rights of the
// user. Give it only files that you would also run as a program. Files of numbers (safetensors) have no such
// risk.
//
// The code checks nothing that it is given, so the package must say what it was made for, in metadata that
// examples/export_aoti.py writes: schedbench.torch (version), schedbench.device, schedbench.cpu (features of
// the processor, as the kernel names them) and schedbench.inputs (JSON: channels, size, classes).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace schedbench {

class AotiPackage {
  public:
    /// Compares what the package was made for with this program and machine before any of its code is loaded:
    /// another minor version of torch, another device, features that the processor lacks, and metadata that
    /// are missing are Error("file") with the reason, as is a file that is missing or damaged.
    static AotiPackage load(const std::string& path);

    /// Inputs [batch, ...], contiguous on the CPU: image float32, time float32 and, with classes, labels
    /// int64. The first output, without a graph. Error("model") for a failure.
    at::Tensor call(const std::vector<at::Tensor>& inputs) const;

    int64_t channels() const { return channels_; }
    int64_t size() const { return size_; }  ///< height and width of the images, pixels
    int64_t classes() const { return classes_; }
    const std::string& path() const { return path_; }
    const std::string& hash() const { return hash_; }  ///< SHA-256 of the file

  private:
    struct Program;
    std::shared_ptr<const Program> program_;
    int64_t channels_ = 0, size_ = 0, classes_ = 0;
    std::string path_, hash_;
};

/// What of `wanted` (words with spaces between) is not in `present`; both as /proc/cpuinfo writes its flags.
/// Only instruction sets count: what describes a clock or a virtual machine makes no difference to code.
std::vector<std::string> missing_cpu_features(const std::string& wanted, const std::string& present);

}  // namespace schedbench
