// Golden files in JSON.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "golden.h"

namespace schedbench::golden {

/// The files below root()/schedules that have this top-level key.
inline std::vector<nlohmann::json> json_files(const char* key) {
    std::vector<nlohmann::json> out;
    for (const auto& path : files("schedules", ".json")) {
        nlohmann::json file = nlohmann::json::parse(std::ifstream(path));
        if (file.contains(key)) out.push_back(std::move(file));
    }
    return out;
}

}  // namespace schedbench::golden
