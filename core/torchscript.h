// A network in a TorchScript file (torch.jit.save), for feature networks and denoisers that this program does
// not know natively.
//
// Such a file is a program, not data: loading and calling it runs the code in it with the rights of the user.
// Give it only files that you would also run as a script. Files of numbers (safetensors) have no such risk.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace schedbench {

/// One input of a method, in the order of its declaration, "self" left out.
struct TorchScriptInput {
    std::string name, type;  ///< type as TorchScript writes it: "Tensor", "bool", "Optional[Tensor]"
    bool has_default = false;
};

class TorchScript {
  public:
    /// Loads the file and puts every module into evaluation mode. Error("file"), one line, for a file that is
    /// missing, damaged, or holds no program (a state dict of torch.save).
    static TorchScript load(const std::string& path, at::Device device = at::kCPU);

    /// Calls a method without any optimisation whose result depends on how often it was called; gradients
    /// flow to inputs that require them. `flags` sets boolean inputs by name. The method returns one tensor,
    /// or a tuple or list whose first element is one: that is what comes back. Error("model") with the last
    /// line of what the program says, for any failure, an unknown flag, or another result.
    at::Tensor call(const std::vector<at::Tensor>& inputs, const std::map<std::string, bool>& flags = {},
                    const std::string& method = "forward") const;

    /// The inputs of a method; empty where there is no such method.
    std::vector<TorchScriptInput> inputs(const std::string& method = "forward") const;

    /// Every parameter, buffer and tensor attribute under its dotted name ("layers.conv.weight").
    std::map<std::string, at::Tensor> tensors() const;

    at::Device device() const { return device_; }  ///< of its tensors, and so of its inputs
    const std::string& path() const { return path_; }
    const std::string& hash() const { return hash_; }  ///< SHA-256 of the file

  private:
    struct Program;
    std::shared_ptr<const Program> program_;
    at::Device device_ = at::kCPU;
    std::string path_, hash_;
};

}  // namespace schedbench
