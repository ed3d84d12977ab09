#include "samplers/level_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/spec.h"

namespace schedbench {

namespace {

constexpr const char* kFormat = "schedbench level statistics";

std::vector<double> numbers(const nlohmann::json& file, const char* key, const std::string& path) {
    const auto it = file.find(key);
    if (it == file.end() || !it->is_array())
        throw Error("file", std::string("has no list \"") + key + "\"", path,
                    "write it with schedbench statistics --levels");
    std::vector<double> out;
    for (const auto& value : *it) {
        if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0)
            throw Error(
                "file",
                "entry " + std::to_string(out.size()) + " of \"" + key + "\" is no finite number from 0",
                path);
        out.push_back(value);
    }
    return out;
}

}  // namespace

LevelStatistics LevelStatistics::read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("file", "cannot be read", path, "write it with schedbench statistics --levels");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto file = nlohmann::json::parse(text, nullptr, false);
    if (!file.is_object() || !file.contains("format") || file["format"] != kFormat)
        throw Error("file", std::string("is not a JSON file of the format \"") + kFormat + "\"", path,
                    "write it with schedbench statistics --levels");
    if (!file.contains("version") || file["version"] != 1)
        throw Error("file", "has a version other than 1", path);
    const auto text_of = [&](const char* key, bool needed) -> std::string {
        const auto it = file.find(key);
        if (it == file.end() && !needed) return "";
        if (it == file.end() || !it->is_string())
            throw Error("file", std::string("has no text \"") + key + "\"", path);
        return *it;
    };
    LevelStatistics out;
    out.process = text_of("process", true);
    out.model = text_of("model", false);
    out.weights = text_of("weights", false);
    if (!file.contains("clip") || !file["clip"].is_boolean())
        throw Error("file", "has no flag \"clip\"", path);
    if (!file.contains("n") || !file["n"].is_number_integer() || file["n"] < 1)
        throw Error("file", "has no number of images \"n\" from 1", path);
    out.clip = file["clip"];
    out.n = file["n"];
    out.sigma = numbers(file, "sigma", path);
    out.gamma = numbers(file, "gamma", path);
    out.error = numbers(file, "error", path);
    if (out.sigma.empty() || out.gamma.size() != out.sigma.size() || out.error.size() != out.sigma.size())
        throw Error("file",
                    "sigma, gamma and error must be equally long, not " + std::to_string(out.sigma.size()) +
                        ", " + std::to_string(out.gamma.size()) + " and " + std::to_string(out.error.size()),
                    path);
    for (size_t i = 0; i < out.sigma.size(); ++i)
        if (!(out.sigma[i] > (i ? out.sigma[i - 1] : 0)))
            throw Error("file", "entry " + std::to_string(i) + " of \"sigma\" does not rise", path);
    out.hash = sha256(text);
    return out;
}

void LevelStatistics::write(const std::string& path) const {
    nlohmann::json file{
        {"format", kFormat}, {"version", 1},   {"process", process}, {"clip", clip},   {"n", n},
        {"sigma", sigma},    {"gamma", gamma}, {"error", error},     {"model", model}, {"weights", weights}};
    const std::string part = path + ".part";
    std::ofstream out(part, std::ios::binary);
    out << file.dump(1) << "\n";
    out.close();
    std::error_code code;
    if (out) std::filesystem::rename(part, path, code);
    if (!out || code) {
        std::remove(part.c_str());
        throw Error("file", "cannot be written", path, "does the folder exist, and is there space?");
    }
}

LevelStatistics::Values LevelStatistics::at(double level, bool interpolate, const std::string& where) const {
    constexpr double kSame = 1e-9;
    const size_t above =
        static_cast<size_t>(std::lower_bound(sigma.begin(), sigma.end(), level) - sigma.begin());
    for (const size_t i : {above, above - 1})  // above - 1 may wrap round: too large, so not looked at
        if (i < sigma.size() && std::abs(sigma[i] - level) <= kSame * level) return {gamma[i], error[i]};
    const std::string range = format_number(sigma.front()) + " to " + format_number(sigma.back());
    if (above == 0 || above == sigma.size())
        throw Error(
            "option",
            "level " + format_number(level) + " lies outside the level statistics, which are over " + range,
            where, "measure statistics of this model, or choose a schedule inside them");
    if (!interpolate)
        throw Error(
            "option",
            "level " + format_number(level) + " is none of those of the level statistics (" + process + ")",
            where, "measure statistics of this model");
    const double share = std::log(level / sigma[above - 1]) / std::log(sigma[above] / sigma[above - 1]);
    const auto between = [&](const std::vector<double>& values) {
        return (1 - share) * values[above - 1] + share * values[above];
    };
    return {between(gamma), between(error)};
}

}  // namespace schedbench
