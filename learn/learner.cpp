#include "learn/learner.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace schedbench {

const std::vector<SpecEntry>& learner_entries() {
    using Type = SpecParam::Type;
    static const std::vector<SpecEntry> entries{
        {"score-optimal",
         "knots at equal length, sum of sqrt(cost), of the path of distributions; learned from a model and "
         "data",
         "Williams et al. 2024 (Score-Optimal Diffusion Schedules), eqs. 13-15 and alg. 1",
         {{"cost", Type::choice, "corrector", "what going from one level to the next costs", {"corrector"}},
          {"weight",
           Type::choice,
           "entered",
           "velocity v: sigma of the level entered (paper), of the level left, or geometric mean",
           {"entered", "left", "geometric"}},
          {"grid",
           Type::choice,
           "log-sigma",
           "probed levels: uniform in ln sigma (rounded to the table there is), or the whole table",
           {"log-sigma", "table"}},
          {"spacing", Type::number, "0.1", "largest step of the log-sigma grid, in ln sigma"},
          {"probes", Type::integer, "256", "data draws an interval; two evaluations each"},
          {"batch", Type::integer, "64", "probes a block"},
          {"seed", Type::integer, "0", "seed of the probes' noise"},
          {"interpolant",
           Type::choice,
           "pchip-ln-sigma",
           "interpolant of level against length",
           {"pchip-ln-sigma", "pchip-sigma", "linear"}},
          {"sigma-min", Type::number, "auto", "lowest level; auto: the model's, at least 0.002"},
          {"sigma-max", Type::number, "auto", "highest level; auto: the model's, at most 80"},
          {"end",
           Type::choice,
           "zero",
           "zero: N levels, then 0; sigma-min: N+1 levels",
           {"zero", "sigma-min"}}}},
        {"dp-elbo",
         "the path with the best evidence bound for every budget, by exact dynamic programme; ends at 0",
         "Watson et al. 2021 (arXiv 2106.03802), alg. 1; Bao et al. 2022 (Analytic-DPM)",
         {{"variance",
           Type::choice,
           "posterior",
           "reverse variance of the bound",
           {"posterior", "beta", "corrected-analytic", "analytic"}},
          {"images", Type::integer, "0", "images behind the statistics; 0: all of the data"},
          {"clip", Type::flag, "true", "clip x0hat to [-1, 1]"},
          {"decoder",
           Type::choice,
           "auto",
           "last term: 8-bit tanh or erf, or density; auto: tanh for images, density for vectors",
           {"tanh", "erf", "density"}},
          {"grid", Type::integer, "1000", "levels uniform in ln sigma, for a continuous model only"},
          {"batch", Type::integer, "16", "images a block"},
          {"seed", Type::integer, "0", "seed of the probes' noise"}}},
    };
    return entries;
}

bool is_learner(const Spec& spec) {
    return std::any_of(learner_entries().begin(), learner_entries().end(),
                       [&](const SpecEntry& entry) { return entry.name == spec.name; });
}

Spec complete_learner(const Spec& spec, const NoiseProcess& process, const std::string& where) {
    const SpecEntry& entry = find_entry(learner_entries(), spec, "learners", where);
    Spec out = complete(spec, entry, where);
    const auto at_least = [&](const char* key, long long least) {
        if (out.integer(key) < least)
            throw Error("spec",
                        "key \"" + std::string(key) + "\" of " + out.name + " must be at least " +
                            std::to_string(least),
                        where);
    };
    at_least("batch", 1);
    at_least("seed", 0);
    if (entry.name == "dp-elbo") {
        at_least("images", 0);
        at_least("grid", 2);
        return out;
    }
    at_least("probes", 1);
    if (out.is_auto("sigma-min"))
        out.set("sigma-min", SpecValue::of_number(std::max(0.002, process.sigma_min())));
    if (out.is_auto("sigma-max"))
        out.set("sigma-max", SpecValue::of_number(std::min(80.0, process.sigma_max())));
    probe_grid(process, out.number("sigma-min"), out.number("sigma-max"), out.number("spacing"),
               out.text("grid") == "table", where);  // says early what is wrong with the range
    return out;
}

Schedule place(const LearnedSchedule& learned, const Spec& completed, const NoiseProcess& process,
               const ScheduleRequest& request, const std::string& where) {
    if (learned.paths.empty())
        return schedule_from_curve(learned.curve, completed, completed.text("end"), process, request, where);
    const auto found = learned.paths.find(request.steps);
    if (found == learned.paths.end())
        throw Error("number", "there is no path with " + std::to_string(request.steps) + " steps", where,
                    "paths were kept for " + std::to_string(learned.paths.begin()->first) + " to " +
                        std::to_string(learned.paths.rbegin()->first));
    const ScheduleOrigin origin{completed, "dynamic programme", "the path of least cost with N nodes", "zero"};
    if (process.discrete()) return finish_index_schedule(origin, found->second, process, request, where);
    const NoiseProcess chain = statistics_chain(process, static_cast<int>(completed.integer("grid"))).process;
    std::vector<double> levels{0};
    for (int64_t t : found->second) levels.insert(levels.begin(), chain.sigma(static_cast<int>(t)));
    return finish_schedule(origin, levels, process, request, where);
}

}  // namespace schedbench
