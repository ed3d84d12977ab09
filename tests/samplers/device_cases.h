// What the tests on a fake device share: networks, schedules that suit them, and results of the CPU to
// compare with.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "fake_device.h"
#include "models/native.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"

namespace schedbench::device_cases {

inline std::shared_ptr<const Denoiser> network(const std::string& path, const std::string& more = "") {
    Spec spec = Spec::parse("native:file='" + path + "'" + more);
    return load_native(complete(spec, native_entries()[0], "test"), "test");
}

/// The weight files below the repository and among the golden networks that load as they are.
inline std::vector<std::string> weight_files(const std::string& folder) {
    std::vector<std::string> out;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::string(SCHEDBENCH_SOURCE_DIR) + "/" + folder)) {
        const std::string name = entry.path().filename().string();
        if (name.ends_with(".safetensors") && name.find("golden") == std::string::npos)
            out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    return out;
}

struct Named {
    std::string name;
    std::shared_ptr<const Denoiser> model;
};

/// One of each kind of network that samples; files of other kinds (classifiers, single blocks) do not load.
inline std::vector<Named> networks(const std::vector<std::string>& folders = {"weights",
                                                                              "tests/golden/nets"}) {
    std::vector<Named> out;
    for (const std::string& folder : folders)
        for (const std::string& path : weight_files(folder)) {
            std::shared_ptr<const Denoiser> model;
            for (const char* more : {"", ",process='linear:T=1000'"}) {
                if (model) break;
                try {
                    model = network(path, more);
                } catch (const Error&) {
                }
            }
            if (model) out.push_back({std::filesystem::path(path).filename().string(), model});
        }
    return out;
}

inline Schedule schedule_for(const Denoiser& model, int steps, const std::string& end = "zero") {
    const double low = std::max(0.02, model.process().sigma_min()),
                 high = std::min(20.0, model.process().sigma_max());
    const std::string spec =
        "edm:sigma-min=" + format_number(low) + ",sigma-max=" + format_number(high) + ",end=" + end;
    return build_schedule(Spec::parse(spec), model.process(), {steps, TimeRule::nearest, true}, "test");
}

inline bool fits(const Sampler& sampler, const Denoiser& model, const Schedule& schedule) {
    try {
        check_fit(sampler, model, "philox", "test");
        sampler.check_schedule(schedule, "test");
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace schedbench::device_cases
