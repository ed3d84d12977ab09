#include "schedules/schedule.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"

namespace schedbench {

namespace {

/// A level this near beyond the end of a table is taken as that end: published knots are often rounded to 3
/// digits.
constexpr double kRangeSlack = 0.01;

std::string time_rule_name(const NoiseProcess& process, TimeRule rule) {
    if (!process.discrete()) return "continuous";
    return rule == TimeRule::nearest ? "nearest" : "fractional";
}

std::string knot(size_t i, double level) {
    return "knot " + std::to_string(i) + " (" + format_number(level) + ")";
}

void check_levels(const std::vector<double>& levels, const NoiseProcess& process, const std::string& where) {
    if (levels.size() < 2)
        throw Error("spec", "a schedule needs at least two levels, not " + std::to_string(levels.size()),
                    where, "ask for at least one step");
    for (size_t i = 0; i < levels.size(); ++i) {
        const double level = levels[i];
        if (!std::isfinite(level) || level < 0 || (level == 0 && i + 1 < levels.size()))
            throw Error("number", knot(i, level) + " is not a positive finite level", where,
                        "only the last level may be 0");
        if (i > 0 && !(level < levels[i - 1]))
            throw Error(
                "number", knot(i, level) + " is not below " + knot(i - 1, levels[i - 1]), where,
                "levels must fall strictly from high to low; check sigma-min, sigma-max and the steps");
        if (process.discrete() && level > 0 &&
            (level > process.sigma_max() * (1 + kRangeSlack) ||
             level < process.sigma_min() * (1 - kRangeSlack)))
            throw Error("number",
                        knot(i, level) + " is outside the levels of " + process.spec().name + ": " +
                            format_number(process.sigma_min()) + " to " + format_number(process.sigma_max()),
                        where, "set sigma-min and sigma-max within this range, or leave them at auto");
    }
}

void check_count(size_t levels, const ScheduleRequest& request, const std::string& where,
                 const std::string& hint) {
    if (request.steps == 0 || request.allow_fewer || levels == static_cast<size_t>(request.steps) + 1) return;
    throw Error("spec",
                "this schedule has " + std::to_string(levels - 1) + " steps, not the " +
                    std::to_string(request.steps) + " asked for",
                where, hint);
}

void append(Schedule& schedule, const LocatedLevel& located, bool discrete) {
    schedule.effective.push_back(located.level);
    schedule.model_time.push_back(located.model_time);
    if (discrete) schedule.index.push_back(located.index);
}

Schedule start(const ScheduleOrigin& origin, const NoiseProcess& process, const ScheduleRequest& request) {
    Schedule out;
    out.spec = origin.spec.print();
    out.coordinate = origin.coordinate;
    out.map = origin.map;
    out.end_rule = origin.end_rule;
    out.rounding = origin.rounding;
    out.time_rule = time_rule_name(process, request.time_rule);
    out.requested_steps = request.steps;
    return out;
}

}  // namespace

std::string Schedule::hash() const {
    std::string text = spec + "\n" + coordinate + "\n" + end_rule + "\n" + time_rule + "\n";
    for (double level : effective) text += format_number(level) + ",";
    text += "\n";
    for (double time : model_time) text += format_number(time) + ",";
    return short_hash(text);
}

nlohmann::json Schedule::to_json() const {
    nlohmann::json out;
    out["spec"] = spec;
    out["steps"] = steps();
    out["requested_steps"] = requested_steps;
    out["coordinate"] = coordinate;
    out["map"] = map;
    out["end_rule"] = end_rule;
    out["rounding"] = rounding;
    out["time_rule"] = time_rule;
    out["requested"] = requested;
    out["effective"] = effective;
    out["index"] = index.empty() ? nlohmann::json(nullptr) : nlohmann::json(index);
    nlohmann::json times = nlohmann::json::array();
    for (double time : model_time)
        times.push_back(std::isnan(time) ? nlohmann::json(nullptr) : nlohmann::json(time));
    out["model_time"] = times;
    out["hash"] = hash();
    return out;
}

Schedule finish_schedule(const ScheduleOrigin& origin, std::vector<double> requested,
                         const NoiseProcess& process, const ScheduleRequest& request,
                         const std::string& where) {
    check_levels(requested, process, where);
    check_count(requested.size(), request, where, "give as many levels as steps, and one more");
    Schedule out = start(origin, process, request);
    for (size_t i = 0; i < requested.size(); ++i) {
        double level = requested[i];
        if (process.discrete() && level > 0)
            level = std::clamp(level, process.sigma_min(), process.sigma_max());
        const LocatedLevel located = process.locate(level, request.time_rule);
        if (i > 0 && located.level == out.effective.back()) {
            if (!request.allow_fewer)
                throw Error("spec",
                            knot(i - 1, requested[i - 1]) + " and " + knot(i, requested[i]) +
                                " both round to level " + format_number(located.level) + " (index " +
                                std::to_string(located.index) + ") of the " +
                                std::to_string(process.table_size()) + " in the table",
                            where, "ask for fewer steps, use time=fractional, or allow fewer steps");
            continue;
        }
        append(out, located, process.discrete());
    }
    out.requested = std::move(requested);
    if (out.effective.size() < 2)
        throw Error("spec", "all levels round to one table entry", where, "ask for a wider range of levels");
    return out;
}

Schedule finish_index_schedule(const ScheduleOrigin& origin, std::vector<int64_t> indices,
                               const NoiseProcess& process, const ScheduleRequest& request,
                               const std::string& where) {
    if (!process.discrete())
        throw Error(
            "spec",
            origin.spec.name + " chooses entries of a noise table, but the model's process is continuous",
            where, "use a schedule in sigma, such as edm or log-linear");
    if (indices.size() > 1 && indices.front() < indices.back()) std::reverse(indices.begin(), indices.end());
    if (origin.end_rule != "sigma-min" && (indices.empty() || indices.back() != 0)) indices.push_back(0);
    Schedule out = start(origin, process, request);
    for (size_t i = 0; i < indices.size(); ++i) {
        const int64_t t = indices[i];
        if (t < 0 || t > process.table_size() || (t == 0 && i + 1 < indices.size()))
            throw Error(
                "number",
                "index " + std::to_string(t) + " is not in 1.." + std::to_string(process.table_size()), where,
                "indices count from 1 (cleanest) to T (noisiest)");
        if (i > 0 && t > indices[i - 1])
            throw Error("number",
                        "indices must rise or fall throughout, but " + std::to_string(t) + " and " +
                            std::to_string(indices[i - 1]) + " do not",
                        where);
        const LocatedLevel located = process.at_index(static_cast<int>(t));
        out.requested.push_back(located.level);
        if (i > 0 && t == indices[i - 1]) {
            if (!request.allow_fewer)
                throw Error("spec", "index " + std::to_string(t) + " is chosen twice", where,
                            "ask for fewer steps, or allow fewer steps");
            continue;
        }
        append(out, located, true);
    }
    if (out.effective.size() < 2) throw Error("spec", "a schedule needs at least one step", where);
    check_count(out.effective.size(), request, where,
                "choose a number of steps for which this stride is exact, or allow another number of steps");
    return out;
}

}  // namespace schedbench
