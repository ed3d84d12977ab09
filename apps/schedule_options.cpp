#include "apps/schedule_options.h"

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/text_table.h"
#include "core/error.h"

namespace schedbench {

void add_schedule_options(Options& options) {
    options.value("time", "nearest", "levels between two entries of a noise table: nearest, or fractional")
        .flag("allow-fewer", "accept knots that coincide after rounding to the table, and fewer steps");
}

void add_range_options(Options& options) {
    options.value("sigma-min", "", "lowest level (the key sigma-min of SPEC)")
        .value("sigma-max", "", "highest level (the key sigma-max of SPEC)");
}

int step_count(const Options& options, const std::string& name) {
    constexpr int64_t kMost = 100'000;
    const int64_t value = options.integer(name);
    if (value > kMost)
        throw Error("option", "wants at most " + std::to_string(kMost) + ", not " + options.text(name),
                    "--" + name);
    return static_cast<int>(value);
}

ScheduleRequest schedule_request(const Options& options, int steps) {
    const std::string time = options.text("time");
    if (time != "nearest" && time != "fractional")
        throw Error("option", "\"" + time + "\" is not a time rule", "--time", "known: nearest, fractional");
    return {steps, time == "nearest" ? TimeRule::nearest : TimeRule::fractional, options.on("allow-fewer")};
}

Spec with_range(Spec spec, const Options& options) {
    for (const char* key : {"sigma-min", "sigma-max"}) {
        if (!options.has(key)) continue;
        const double value = options.number(key);
        if (spec.find(key))
            throw Error("option", "is given, but the spec " + spec.print() + " has the key too",
                        std::string("--") + key, "say it once");
        spec.set(key, SpecValue::of_number(value));
    }
    return spec;
}

void print_schedule(const Schedule& schedule, bool json) {
    if (json) {
        std::cout << schedule.to_json().dump() << "\n";
        return;
    }
    // Knots that coincided after rounding have no row of their own, so the requested levels stand apart then.
    const bool aligned = schedule.requested.size() == schedule.effective.size();
    TextTable table({"knot", "requested", "effective", "index", "model time"});
    for (size_t i = 0; i < schedule.effective.size(); ++i) {
        const double time = schedule.model_time[i];
        table.add({std::to_string(i), aligned ? short_number(schedule.requested[i], 10) : "-",
                   short_number(schedule.effective[i], 10),
                   schedule.index.empty() ? "-" : std::to_string(schedule.index[i]),
                   std::isnan(time) ? "-" : short_number(time, 10)});
    }
    std::cout << "spec   " << schedule.spec << "\nsteps  " << schedule.steps();
    if (schedule.requested_steps > 0 && schedule.requested_steps != schedule.steps())
        std::cout << " of the " << schedule.requested_steps << " asked for";
    std::cout << "\nknots  uniform in " << schedule.coordinate << ": " << schedule.map << "\nend    "
              << schedule.end_rule << ", rounding: " << schedule.rounding << ", time: " << schedule.time_rule
              << "\nhash   " << schedule.hash() << "\n\n";
    table.print(std::cout);
    if (aligned) return;
    std::cout << "\nrequested " << schedule.requested.size() << " levels, of which "
              << schedule.effective.size() << " are left after rounding:";
    for (double level : schedule.requested) std::cout << " " << short_number(level);
    std::cout << "\n";
}

}  // namespace schedbench
