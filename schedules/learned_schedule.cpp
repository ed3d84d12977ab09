#include "schedules/learned_schedule.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/error.h"

namespace schedbench {

namespace {
constexpr const char* kFormat = "schedbench learned schedule";
constexpr int kVersion = 1;
}  // namespace

std::vector<double> levels_from_curve(const LearnedCurve& curve, int steps, const std::string& end_rule,
                                      const std::string& where) {
    const LengthCurve lengths(curve.length, curve.sigma, curve.interpolant, where);
    if (steps < 1)
        throw Error("number", "the number of steps must be at least 1, not " + std::to_string(steps), where);
    const bool to_zero = end_rule == "zero";
    if (to_zero && steps == 1) return {curve.sigma.back(), 0};
    std::vector<double> levels = lengths.equal_pieces(to_zero ? steps - 1 : steps);
    std::reverse(levels.begin(), levels.end());
    if (to_zero && levels.back() > 0) levels.push_back(0);
    return levels;
}

Schedule schedule_from_curve(const LearnedCurve& curve, const Spec& completed, const std::string& end_rule,
                             const NoiseProcess& process, const ScheduleRequest& request,
                             const std::string& where) {
    return finish_schedule({completed, "arc length", "sigma = the learned curve at length x", end_rule},
                           levels_from_curve(curve, request.steps, end_rule, where), process, request, where);
}

nlohmann::json LearnedSchedule::to_json() const {
    nlohmann::json out;
    out["format"] = kFormat;
    out["version"] = kVersion;
    out["spec"] = spec;
    out["process"] = process;
    out["provenance"] = provenance;
    if (!curve.sigma.empty()) {
        out["curve"] = {{"sigma", curve.sigma},
                        {"length", curve.length},
                        {"interpolant", interpolant_name(curve.interpolant)}};
        if (curve.interpolant.coordinate == Interpolant::Coordinate::root)
            out["curve"]["rho"] = curve.interpolant.rho;
    }
    for (const auto& [steps, nodes] : paths) out["paths"][std::to_string(steps)] = nodes;
    if (!grid.empty()) out["grid"] = grid;
    return out;
}

LearnedSchedule LearnedSchedule::from_json(const nlohmann::json& in, const std::string& where) {
    try {
        if (in.at("format") != kFormat) throw Error("file", "is not a learned schedule", where);
        if (in.at("version").get<int>() > kVersion)
            throw Error("file",
                        "is of version " + in.at("version").dump() + ", but only " +
                            std::to_string(kVersion) + " is known",
                        where, "use a newer schedbench");
        LearnedSchedule out;
        out.spec = in.at("spec").get<std::string>();
        out.process = in.at("process").get<std::string>();
        out.provenance = in.value("provenance", nlohmann::json::object());
        if (in.contains("curve") == in.contains("paths"))
            throw Error("file", "must have either \"curve\" or \"paths\"", where);
        if (in.contains("curve")) {
            const nlohmann::json& curve = in.at("curve");
            out.curve.sigma = curve.at("sigma").get<std::vector<double>>();
            out.curve.length = curve.at("length").get<std::vector<double>>();
            out.curve.interpolant =
                parse_interpolant(curve.at("interpolant").get<std::string>(), where, curve.value("rho", 7.0));
            LengthCurve(out.curve.length, out.curve.sigma, out.curve.interpolant,
                        where);  // checks the numbers
            return out;
        }
        for (const auto& [steps, nodes] : in.at("paths").items()) {
            const auto path_nodes = nodes.get<std::vector<int64_t>>();
            if (steps != std::to_string(path_nodes.size()))
                throw Error("file",
                            "the path for \"" + steps + "\" steps has " + std::to_string(path_nodes.size()) +
                                " nodes",
                            where);
            out.paths[static_cast<int>(path_nodes.size())] = path_nodes;
        }
        if (in.contains("grid")) out.grid = in.at("grid").get<std::vector<double>>();
        return out;
    } catch (const nlohmann::json::exception& e) {
        throw Error("file", std::string("is not a learned schedule: ") + e.what(), where,
                    "give a file that `schedbench learn` wrote");
    }
}

std::string LearnedSchedule::text() const {
    return to_json().dump(1) + "\n";
}

LearnedSchedule LearnedSchedule::parse(const std::string& text, const std::string& where) {
    const nlohmann::json in = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (in.is_discarded())
        throw Error("file", "is not a learned schedule: not JSON", where,
                    "give a file that `schedbench learn` wrote");
    return from_json(in, where);
}

void LearnedSchedule::write(const std::string& path) const {
    const std::string temporary = path + ".tmp";
    std::ofstream file(temporary);
    file << text();
    file.close();
    if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
        std::remove(temporary.c_str());
        throw Error("file", "cannot be written", path, "check that the folder exists and has room");
    }
}

LearnedSchedule LearnedSchedule::read(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw Error("file", "cannot be opened", path, "give a file that `schedbench learn` wrote");
    std::ostringstream content;
    content << file.rdbuf();
    return parse(content.str(), path);
}

void check_learned_model(const Spec& schedule, const std::string& model, const std::string& where) {
    if (schedule.name != "learned") return;
    const SpecValue* file = schedule.find("file");
    const SpecValue* transfer = schedule.find("transfer");
    if (!file || (transfer && transfer->print() == "true")) return;
    const LearnedSchedule learned = LearnedSchedule::read(file->text);
    const std::string owner = learned.provenance.value("model", "");
    if (owner.empty() || owner == model) return;
    throw Error("option", "the schedule " + file->text + " was learned from " + owner + ", not from " + model,
                where, "learn one for this model, or say learned:file=...,transfer=true");
}

std::vector<double> LearnedSchedule::levels(int steps, const std::string& end_rule,
                                            const NoiseProcess& of_model, const std::string& where) const {
    if (paths.empty()) return levels_from_curve(curve, steps, end_rule, where);
    if (of_model.spec().print() != process)
        throw Error("spec",
                    "the schedule chooses entries of the table " + process + ", but the model has " +
                        of_model.spec().print(),
                    where, "learn the schedule again for this model");
    if (end_rule != "zero")
        throw Error("spec", "a path through a noise table ends at the data", where,
                    "leave out end=sigma-min");
    const auto found = paths.find(steps);
    if (found == paths.end())
        throw Error("spec", "the file has no path with " + std::to_string(steps) + " steps", where,
                    paths.empty() ? ""
                                  : "it has " + std::to_string(paths.begin()->first) + " to " +
                                        std::to_string(paths.rbegin()->first));
    std::vector<double> levels{0};
    for (int64_t t : found->second) {
        const auto entries = grid.empty() ? static_cast<int64_t>(of_model.table_size())
                                          : static_cast<int64_t>(grid.size()) - 1;
        if (t < 1 || t > entries)
            throw Error("number", "entry " + std::to_string(t) + " is not in the table", where);
        levels.push_back(grid.empty() ? of_model.sigma(static_cast<int>(t)) : grid[static_cast<size_t>(t)]);
    }
    std::reverse(levels.begin(), levels.end());
    return levels;
}

}  // namespace schedbench
