// A schedule that was learned: kept as a JSON file, and read back by the spec learned:file=FILE.
//
//     {"format": "schedbench learned schedule", "version": 1, "spec": "score-optimal:...",
//      "process": "linear:T=1000",
//      "curve": {"sigma": [..], "length": [..], "interpolant": "pchip-ln-sigma"},     either a curve,
//      "paths": {"4": [18, 58, 221, 1000], ...},      or table entries for each budget, and, where the
//      "grid": [0, 0.002, ..],                        process has no table, the levels of those entries
//      "provenance": {"model": .., "weights": .., "data": .., "data_hash": .., "probes": .., errors, ...}}
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "schedules/arc_length.h"
#include "schedules/schedule.h"

namespace schedbench {

/// Levels against the cumulative length of the path of distributions; both rise.
struct LearnedCurve {
    std::vector<double> sigma;   ///< [n] levels, from clean to noisy
    std::vector<double> length;  ///< [n] cumulative length, 0 at the clean end
    Interpolant interpolant = Interpolant::pchip_ln_sigma;
};

/// Levels for `steps` steps at equal arc length, falling. end_rule "zero": `steps` levels, then 0;
/// "sigma-min": steps + 1.
std::vector<double> levels_from_curve(const LearnedCurve& curve, int steps, const std::string& end_rule,
                                      const std::string& where = "learned curve");

/// The whole schedule at `request.steps` steps. `completed` is the spec of the learner, which names the
/// schedule.
Schedule schedule_from_curve(const LearnedCurve& curve, const Spec& completed, const std::string& end_rule,
                             const NoiseProcess& process, const ScheduleRequest& request,
                             const std::string& where = "learned curve");

struct LearnedSchedule {
    std::string spec;                           ///< completed spec of the learner
    std::string process;                        ///< completed spec of the noise process it was learned on
    LearnedCurve curve;                         ///< empty lists if there are paths
    std::map<int, std::vector<int64_t>> paths;  ///< steps -> table entries, rising, t_K = T
    std::vector<double> grid;  ///< [T+1] levels of the entries, from 0, where the process has no table
    nlohmann::json provenance = nlohmann::json::object();

    nlohmann::json to_json() const;
    /// Error("file") at `where`, naming the key that is missing or wrong.
    static LearnedSchedule from_json(const nlohmann::json& json, const std::string& where);
    /// The text of to_json(), and back.
    std::string text() const;
    static LearnedSchedule parse(const std::string& text, const std::string& where);
    /// Written through a temporary file and a rename. Error("file").
    void write(const std::string& path) const;
    /// Error("file") names the file and the key that is missing or wrong.
    static LearnedSchedule read(const std::string& path);
    /// Levels for `steps` steps on this process, falling; a last 0 with end_rule "zero", which paths always
    /// have.
    std::vector<double> levels(int steps, const std::string& end_rule, const NoiseProcess& process,
                               const std::string& where) const;
};

/// A spec learned:file=... is for the model that its file names (provenance, key "model"). Error("option") if
/// that is not `model` (Denoiser::spec(), which holds the hash of the weights), unless the spec says
/// transfer=true. Every other spec passes, as does a file that names no model.
void check_learned_model(const Spec& schedule, const std::string& model, const std::string& where);

}  // namespace schedbench
