#include "learn/learner.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "learn/predictor_cost.h"

namespace schedbench {

const std::vector<SpecEntry>& learner_entries() {
    using Type = SpecParam::Type;
    static const std::vector<SpecEntry> entries{
        score_optimal_entry(),
        {"dp-elbo",
         "the path with the best evidence bound for every budget, by exact dynamic programme; ends at 0",
         "Watson et al. 2021 (arXiv 2106.03802), alg. 1; Bao et al. 2022 (Analytic-DPM)",
         {{"variance",
           Type::choice,
           "posterior",
           "reverse variance of the bound",
           {"posterior", "beta", "corrected-analytic", "analytic", "learned"}},
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
        {"dp-mse",
         "the path with the least reweighted error for every budget, by exact dynamic programme; ends at 0",
         "Watson et al. 2021 (arXiv 2106.03802), appendix A.3: for samples better than the bound",
         {{"weight",
           Type::choice,
           "x0",
           "x0: (t - s) M_t, their MSE reweighting; noise: the squared error of the noise (L_simple), with "
           "which "
           "they report no success",
           {"x0", "noise"}},
          {"images", Type::integer, "0", "images behind the statistics; 0: all of the data"},
          {"clip", Type::flag, "true", "clip x0hat to [-1, 1]"},
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

bool learns_paths(const Spec& spec) {
    return spec.name == "dp-elbo" || spec.name == "dp-mse";
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
    if (learns_paths(out)) {
        at_least("images", 0);
        at_least("grid", 2);
        return out;
    }
    complete_score_optimal(out, process, where);
    return out;
}

void note_origin(LearnedSchedule& learned, const Denoiser& denoiser, const ProbeSource* source) {
    learned.provenance["model"] = denoiser.spec();
    learned.provenance["weights"] = denoiser.weights_hash();
    if (learned.spec.find("cost=predictor") != std::string::npos && has_rounded_products(denoiser) &&
        learned.provenance.value("warning", "").empty())
        learned.provenance["warning"] =
            "the predictor cost was taken through products rounded to bfloat16 or TF32, where it can be off "
            "by "
            "tens of percent: use --profile reproducible to learn, or cost=corrector";
    if (!source) return;
    learned.provenance["data"] = source->spec();
    learned.provenance["data_hash"] = source->hash();
    learned.provenance["data_count"] = source->count();
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
    const ScheduleOrigin origin{completed, "dynamic programme", "the path of least cost with N nodes",
                                "zero"};
    if (process.discrete()) return finish_index_schedule(origin, found->second, process, request, where);
    const NoiseProcess chain = statistics_chain(process, static_cast<int>(completed.integer("grid"))).process;
    std::vector<double> levels{0};
    for (int64_t t : found->second) levels.insert(levels.begin(), chain.sigma(static_cast<int>(t)));
    return finish_schedule(origin, levels, process, request, where);
}

}  // namespace schedbench
