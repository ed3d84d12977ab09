// schedbench doctor: what this machine has, and what to do about what it lacks.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/cuda_library.h"
#include "core/error.h"
#include "core/hash.h"
#include "data/dataset.h"
#include "data/image_file.h"
#include "eval/inception.h"
#include "harness/registry.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;

struct Check {
    std::string name, status, detail,
        hint;  ///< status: "ok", "missing", or "optional" (absent, and not needed)
};

Check check_data(const std::string& spec) {
    try {
        const Dataset data = load_dataset(Spec::parse(spec), spec, 1);
        return {"data " + spec, "ok",
                std::to_string(data.channels) + "x" + std::to_string(data.height) + "x" +
                    std::to_string(data.width) + " images",
                ""};
    } catch (const Error& e) {
        return {"data " + spec, "missing", e.message() + (e.where().empty() ? "" : " (" + e.where() + ")"),
                e.hint()};
    }
}

std::string value_or(const std::map<std::string, std::string>& map, const std::string& key,
                     const std::string& fallback) {
    const auto it = map.find(key);
    return it == map.end() ? fallback : it->second;
}

/// What a weight file is, from its metadata.
std::string describe(const std::map<std::string, std::string>& metadata) {
    if (value_or(metadata, "family", "") == "edm.precond") return "network edm.precond (Karras et al. 2022)";
    if (metadata.contains("family"))
        return "network " + metadata.at("family") + ", predicts " + value_or(metadata, "prediction", "eps") +
               ", " + value_or(metadata, "process", "no noise process");
    if (metadata.contains("accuracy"))
        return "classifier " + value_or(metadata, "id", "without id") + ", accuracy " +
               metadata.at("accuracy");
    return "not made for this program";
}

std::vector<Check> check_weights(const std::string& folder) {
    std::vector<fs::path> files;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(folder, code))
        if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty())
        return {{"weights " + folder + "/", "missing", "no .safetensors files",
                 "run from the project's folder, name another with --weights, or use schedbench train"}};
    std::vector<Check> out;
    for (const fs::path& path : files) {
        try {
            out.push_back({"weights " + path.string(), "ok",
                           describe(read_safetensors(path.string()).metadata) + ", sha256 " +
                               sha256_file(path.string()),
                           ""});
        } catch (const Error& e) {
            out.push_back({"weights " + path.string(), "missing", e.message() + " (" + e.where() + ")",
                           "fetch or train the file again"});
        }
    }
    return out;
}

Check check_inception(const std::string& folder) {
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(folder, code)) {
        const fs::path& path = entry.path();
        if (path.filename().string().find("inception") == std::string::npos) continue;
        try {
            const Inception network = Inception::load(path.string());
            return {"Inception weights", "ok",
                    path.string() + ": " + network.origin() + ", sha256 " + network.weights_hash(), ""};
        } catch (const Error& e) {
            return {"Inception weights", "missing", e.message() + " (" + e.where() + ")", e.hint()};
        }
    }
    return {
        "Inception weights", "optional",
        "not in " + folder + "/: no distance may be called fid without them; others are named fd-...",
        "convert pytorch-fid's pt_inception-2015-12-05-6726825d.pth: scripts/convert_checkpoint.py inception "
        "IN.pth " +
            folder + "/inception.safetensors"};
}

Check check_writable(const std::string& folder) {
    fs::path existing = folder;
    while (!existing.empty() && !fs::exists(existing)) existing = existing.parent_path();
    if (existing.empty()) existing = ".";
    const bool ok = fs::is_directory(existing) && access(existing.c_str(), W_OK) == 0;
    if (!ok)
        return {"write access " + folder, "missing", existing.string() + " cannot be written",
                "change its permissions, or give --output elsewhere"};
    return {"write access " + folder, "ok",
            existing == fs::path(folder) ? "the folder is there" : "it will be made when needed", ""};
}

Check check_cache(const CacheSettings& cache) {
    if (cache.folder.empty())
        return {"feature cache", "optional", "none: features are made anew each time",
                "give --cache FOLDER, or unset SCHEDBENCH_CACHE, to keep them"};
    const CacheSize size = feature_cache_size(cache.folder);
    char text[96];
    std::snprintf(text, sizeof text, ": %lld entries, %.3g GB of at most %.3g GB (--cache-limit)",
                  static_cast<long long>(size.entries), static_cast<double>(size.bytes) * 1e-9,
                  static_cast<double>(cache.limit) * 1e-9);
    return {"feature cache", "ok", cache.folder + text, ""};
}

/// What the driver offers; whether LibTorch can use it is for --device cuda to find out.
Check check_cuda() {
    const CudaDriver driver = cuda_driver();
    if (!driver.missing.empty())
        return {"CUDA devices", "optional", driver.missing, "everything runs on the CPU too"};
    std::string names;
    for (size_t i = 0; i < driver.devices.size(); ++i)
        names += (i ? ", " : "") + ("cuda:" + std::to_string(i) + " ") + driver.devices[i];
    return {"CUDA devices", "ok",
            names + "; driver for CUDA " + cuda_version_text(driver.version) + "; use --device cuda", ""};
}

int run(const std::vector<std::string>& arguments) {
    Options options(kDoctorCommand);
    options.value("weights", "weights", "folder of the weight files")
        .value("runs", "results/runs", "folder of the runs");
    options.cache().runtime().json();
    if (!options.parse(arguments)) return 0;
    std::vector<Check> checks;
    RuntimeSettings runtime;
    runtime.threads = 1;
    try {
        runtime = options.runtime_settings();
        checks.push_back({"device", "ok",
                          runtime.device + (runtime.device_name.empty() ? "" : " " + runtime.device_name) +
                              ", " + std::to_string(runtime.threads) + " threads, profile " + runtime.profile,
                          ""});
    } catch (const Error& e) {
        checks.push_back({"device", "missing", e.message(), e.hint()});
    }
    checks.push_back(check_cuda());
    const std::map<std::string, std::string> machine = provenance(runtime);
    checks.push_back({"processor", "ok",
                      value_or(machine, "cpu", "unknown") + ", " + value_or(machine, "cores", "?") +
                          " cores, " + value_or(machine, "cpu_capability", "?"),
                      ""});
    for (const char* name : {"torch", "hdf5", "boost", "compiler"})
        checks.push_back({std::string("library ") + name, "ok", value_or(machine, name, "unknown"), ""});
    checks.push_back({"library nlohmann-json", "ok",
                      std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
                          std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
                          std::to_string(NLOHMANN_JSON_VERSION_PATCH),
                      ""});
    checks.push_back(has_opencv() ? Check{"images through OpenCV", "ok", "PNG and JPEG in, grids out", ""}
                                  : Check{"images through OpenCV", "optional",
                                          "built without it: no image folders, no PNG grids",
                                          "build with -DSCHEDBENCH_OPENCV=ON"});
    checks.push_back(check_data("fashion-mnist"));
    checks.push_back(check_data("fashion-mnist:split=test"));
    for (Check& check : check_weights(options.text("weights"))) checks.push_back(std::move(check));
    checks.push_back(check_inception(options.text("weights")));
    checks.push_back(check_writable(options.text("runs")));
    checks.push_back(check_cache(options.feature_cache()));

    nlohmann::json array = nlohmann::json::array();
    for (const Check& check : checks) {
        array.push_back(
            {{"name", check.name}, {"status", check.status}, {"detail", check.detail}, {"hint", check.hint}});
        if (options.on("json")) continue;
        std::cout << check.status << std::string(10 - check.status.size(), ' ') << check.name << ": "
                  << check.detail << "\n";
        if (check.status != "ok" && !check.hint.empty()) std::cout << "          -> " << check.hint << "\n";
    }
    if (options.on("json"))
        std::cout << nlohmann::json{{"version", SCHEDBENCH_VERSION},
                                    {"checks", array},
                                    {"provenance", machine}}
                         .dump()
                  << "\n";
    return 0;
}

}  // namespace

const Command kDoctorCommand = {"doctor", "what this machine has: device, libraries, data, weights",
                                "schedbench doctor [--json]",
                                "  schedbench doctor\n"
                                "  schedbench doctor --weights weights --json\n"
                                "The exit code is 0 whatever is missing.\n",
                                run};

}  // namespace schedbench
