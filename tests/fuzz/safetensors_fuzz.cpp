// Any bytes as a safetensors file.
#include <ATen/ATen.h>

#include "fuzz_target.h"
#include "models/safetensors.h"

namespace schedbench::fuzz {

std::vector<Bytes> seeds(const std::string& folder) {
    const std::map<std::string, at::Tensor> several = {{"a.weight", at::ones({2, 3})},
                                                       {"b", at::zeros({4}, at::kHalf)},
                                                       {"scalar", at::ones({}, at::kDouble)},
                                                       {"empty", at::zeros({0, 5})},
                                                       {"flags", at::ones({3}, at::kBool)}};
    using File = std::pair<std::map<std::string, at::Tensor>, std::map<std::string, std::string>>;
    const std::vector<File> files = {{several, {{"family", "edm.precond"}, {"config", "{\"a\": 1}"}}},
                                     {{{"one", at::ones({1})}}, {}},
                                     {{}, {}}};
    return written(folder, files, [](const std::string& path, const File& file) {
        write_safetensors(path, file.first, file.second);
    });
}

}  // namespace schedbench::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const schedbench::fuzz::MemoryFile file(data, size);
    return schedbench::fuzz::expect_value_or_error([&] {
        // What is accepted can be used: every element is there.
        for (const auto& [name, tensor] : schedbench::read_safetensors(file.path()).tensors)
            if (tensor.numel() > 0) tensor.to(at::kDouble).sum();
    });
}
