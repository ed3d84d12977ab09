// The golden folder of schedules holds files of several kinds; each test takes those that have its keys.
#pragma once

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "golden.h"

namespace schedbench::golden {

/// All files that have every one of these keys at the top.
inline std::vector<nlohmann::json> files_with(const std::vector<std::string>& keys) {
    std::vector<nlohmann::json> out;
    for (const auto& path : files("schedules", ".json")) {
        std::ifstream in(path);
        nlohmann::json file = nlohmann::json::parse(in);
        bool all = true;
        for (const std::string& key : keys) all = all && file.contains(key);
        if (all) out.push_back(std::move(file));
    }
    return out;
}

inline double relative(double value, double expected) {
    if (value == expected) return 0;
    return std::abs(value - expected) / std::max(std::abs(expected), 1e-300);
}

/// Largest relative difference of two lists; infinite if their sizes differ.
inline double worst_relative(const std::vector<double>& values, const std::vector<double>& expected) {
    if (values.size() != expected.size()) return INFINITY;
    double worst = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        const double difference = relative(values[i], expected[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/// "name=0.25" somewhere in a text of the form "..., a=0.03, b=0.55".
inline double number_in(const std::string& text, const std::string& name) {
    const size_t found = text.find(name + "=");
    return found == std::string::npos ? std::nan("") : std::stod(text.substr(found + name.size() + 1));
}

}  // namespace schedbench::golden
