#include "core/aoti_package.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/headeronly/version.h>

#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <unordered_map>

#include "core/cpu_info.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/program_file.h"

namespace schedbench {

struct AotiPackage::Program {
    explicit Program(const std::string& path) : loader(path) {}
    mutable torch::inductor::AOTIModelPackageLoader loader;
    mutable std::mutex lock;  // one set of buffers
};

namespace {

constexpr const char* kHint =
    "write it with examples/export_aoti.py on this machine, with the torch of this program";

bool is_instruction_set(const std::string& feature) {
    // Of x86-64: the names of extensions that a compiler uses by itself.
    static const std::set<std::string> kExact = {"fma",  "f16c",   "bmi1",       "bmi2", "popcnt", "movbe",
                                                 "gfni", "vaes",   "vpclmulqdq", "aes",  "adx",    "abm",
                                                 "fma4", "sha_ni", "pclmulqdq",  "xop"};
    for (const char* family : {"avx", "amx", "sse", "ssse", "asimd", "sve", "sme", "i8mm", "bf16"})
        if (feature.starts_with(family)) return true;
    return kExact.contains(feature);
}

std::string minor_version(const std::string& version) {
    const size_t dot = version.find('.');
    return version.substr(0, dot == std::string::npos ? dot : version.find('.', dot + 1));
}

}  // namespace

std::vector<std::string> missing_cpu_features(const std::string& wanted, const std::string& present) {
    std::istringstream have(present), need(wanted);
    const std::set<std::string> known{std::istream_iterator<std::string>(have), {}};
    std::vector<std::string> missing;
    for (std::string word; need >> word;)
        if (is_instruction_set(word) && !known.contains(word)) missing.push_back(word);
    return missing;
}

AotiPackage AotiPackage::load(const std::string& path) {
    check_program_file(path, "AOTInductor package", kHint);
    const auto about = guarded("file", "cannot be read as an AOTInductor package", path, kHint, first_line, [&] {
        return torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(path, "model");
    });
    const auto said = [&](const char* key) {
        const auto it = about.find(std::string("schedbench.") + key);
        if (it == about.end())
            throw Error("file", std::string("does not say what it was made for (schedbench.") + key + ")",
                        path, kHint);
        return it->second;
    };
    const std::string torch = said("torch"), device = said("device");
    if (minor_version(torch) != minor_version(TORCH_VERSION))
        throw Error("file", "was compiled by torch " + torch + ", and this program runs with " TORCH_VERSION,
                    path, kHint);
    if (device != "cpu")
        throw Error("file", "was compiled for the device " + device + ", and it would run on the CPU", path,
                    kHint);
    const auto platform = about.find("AOTI_DEVICE_KEY");
    if (platform != about.end() && platform->second != "cpu")
        throw Error("file",
                    "was compiled for the device " + platform->second + ", and it would run on the CPU", path,
                    kHint);
    std::string lacking;
    for (const std::string& feature : missing_cpu_features(said("cpu"), cpu_flags()))
        lacking += (lacking.empty() ? "" : ", ") + feature;
    if (!lacking.empty())
        throw Error("file", "was compiled for a processor with " + lacking + ", which this one does not have",
                    path, kHint);
    const auto inputs = nlohmann::json::parse(said("inputs"), nullptr, false);
    AotiPackage out;
    try {
        out.channels_ = inputs.at("channels").get<int64_t>();
        out.size_ = inputs.at("size").get<int64_t>();
        out.classes_ = inputs.at("classes").get<int64_t>();
    } catch (const nlohmann::json::exception&) {
        throw Error("file", "has schedbench.inputs that is not JSON with channels, size and classes", path,
                    kHint);
    }
    if (out.channels_ <= 0 || out.size_ <= 0 || out.classes_ < 0)
        throw Error("file", "has impossible schedbench.inputs", path, kHint);
    out.program_ = guarded("file", "cannot be loaded", path,
                           "export with aot_inductor.link_libtorch False, as examples/export_aoti.py does", first_line,
                           [&] { return std::make_shared<const Program>(path); });
    out.path_ = path;
    out.hash_ = sha256_file(path);
    return out;
}

at::Tensor AotiPackage::call(const std::vector<at::Tensor>& inputs) const {
    std::vector<at::Tensor> outputs = guarded("model", "the compiled program failed", path_, "", first_line, [&] {
        const std::lock_guard<std::mutex> guard(program_->lock);
        const c10::NoGradGuard no_grad;
        return program_->loader.run(inputs);
    });
    if (outputs.empty()) throw Error("model", "the compiled program returns nothing", path_);
    return outputs[0];
}

}  // namespace schedbench
