#include "harness/registry.h"

#include <cstdlib>

#include "core/error.h"
#include "data/dataset.h"
#include "eval/extractor.h"
#include "eval/metric_set.h"
#include "harness/preset.h"
#include "learn/learner.h"
#include "models/aoti_denoiser.h"
#include "models/exact.h"
#include "models/float64_distance.h"
#include "models/graphed_denoiser.h"
#include "models/native.h"
#include "models/torchscript_denoiser.h"
#include "samplers/sampler_family.h"
#include "schedules/schedule_family.h"

namespace schedbench {

namespace {

std::vector<SpecEntry> model_entries() {
    std::vector<SpecEntry> all = exact_entries();
    for (const SpecEntry& entry : native_entries()) all.push_back(entry);
    for (const SpecEntry& entry : torchscript_entries()) all.push_back(entry);
    for (const SpecEntry& entry : aoti_entries()) all.push_back(entry);
    all.push_back({"clip",
                   "a model whose x0hat is clipped to [-1, 1]",
                   "",
                   {{"inner", SpecParam::Type::spec, "", "the {model}", {}, true}}});
    all.push_back(
        {"threshold",
         "a model whose x0hat is thresholded dynamically, each image by itself",
         "Saharia et al. 2022 (Imagen), section 2.3",
         {{"inner", SpecParam::Type::spec, "", "the {model}", {}, true},
          {"quantile", SpecParam::Type::number, "0.995", "s is this quantile of |x0hat|, but at least max"},
          {"max", SpecParam::Type::number, "1", "x0hat is clamped to [-s, s] and divided by s / max"}}});
    return all;
}

RegistryKind schedules() {
    RegistryKind kind{"schedules", schedule_entries(), {}};
    for (const ScheduleFamily& family : schedule_families()) {
        const bool table = family.indices || family.needs_table;
        Facts facts{{"uniform in", family.coordinate},
                    {family.indices ? "index" : "level", family.map},
                    {"rounding", family.rounding},
                    {"fits", table ? "models with a noise table" : "any model"}};
        if (family.least_steps > 1)
            facts.emplace_back("steps",
                               "at least " + std::to_string(family.least_steps) + ": " + family.least_reason);
        kind.facts.push_back(std::move(facts));
    }
    for (const SpecEntry& entry : learner_entries()) {
        kind.entries.push_back(entry);
        kind.facts.push_back({{"fits", "any model; learned from it and from data"}});
    }
    return kind;
}

std::string fits(const SamplerNeeds& needs) {
    std::string out = needs.variance ? "models with variance channels" : "any model";
    if (needs.table) out = "models with a noise table";
    return out + (needs.extra_draws ? ", noise=philox" : "");
}

/// What the sampler needs as it is, and where one choice of a key makes a difference.
std::string fits(const SamplerFamily& family) {
    const auto needs_of = [&](const Spec& spec) -> std::string {
        try {
            return fits(make_sampler(spec)->needs());
        } catch (const Error&) {
            return "";  // needs another key first: a file, a nested sampler
        }
    };
    Spec spec;
    spec.name = family.entry.name;
    const std::string plain = needs_of(spec);
    if (plain.empty()) return "what the nested sampler fits";
    std::string out = plain;
    for (const SpecParam& param : family.entry.params)
        for (const std::string& choice : param.choices) {
            Spec chosen = spec;
            chosen.set(param.key, SpecValue::of_text(choice));
            const std::string other = needs_of(chosen);
            if (!other.empty() && other != plain) out += "; " + param.key + "=" + choice + ": " + other;
        }
    return out;
}

RegistryKind samplers() {
    RegistryKind kind{"samplers", sampler_entries(), {}};
    for (const SamplerFamily& family : sampler_families()) {
        Facts facts{{"evaluations a step", family.evaluations}, {"fits", fits(family)}};
        try {
            Spec spec;
            spec.name = family.entry.name;
            const auto sampler = make_sampler(spec);
            const int order = family.order(sampler->spec());
            facts.emplace_back("order", order == 0 ? "none declared" : std::to_string(order));
            facts.emplace_back("noise", sampler->stochastic() ? "drawn in steps" : "none at the defaults");
        } catch (const Error&) {
            facts.emplace_back("order", "that of the nested sampler");
        }
        kind.facts.push_back(std::move(facts));
    }
    return kind;
}

RegistryKind preset_kind() {
    RegistryKind kind{"presets", preset_entries(), {}};
    for (const Preset& preset : presets()) kind.facts.push_back(preset_facts(preset));
    return kind;
}

/// `spec` with all defaults; that of an exact target is left to make_exact().
Spec complete_model(const Spec& spec, const std::string& where) {
    static const std::vector<SpecEntry> entries = model_entries();
    const SpecEntry& entry = find_entry(entries, spec, "models", where);
    return entry.name.starts_with("exact:") ? spec : complete(spec, entry, where);
}

bool wraps(const Spec& model) {
    return model.name == "clip" || model.name == "threshold";
}

std::shared_ptr<const Denoiser> wrapped(const Spec& completed, std::shared_ptr<const Denoiser> inner,
                                        const std::string& where) {
    if (completed.name == "clip") return clip_denoiser(std::move(inner));
    return threshold_denoiser(std::move(inner), completed.number("quantile"), completed.number("max"), where);
}

}  // namespace

const std::vector<RegistryKind>& registry() {
    static const std::vector<RegistryKind> kinds = [] {
        return std::vector<RegistryKind>{schedules(),
                                         samplers(),
                                         {"models", model_entries()},
                                         {"extractors", extractor_entries()},
                                         {"metrics", metric_entries()},
                                         {"data", dataset_entries()},
                                         {"processes", NoiseProcess::entries()},
                                         preset_kind()};
    }();
    return kinds;
}

std::shared_ptr<const Denoiser> make_model(const Spec& spec, const std::string& where) {
    const Spec completed = complete_model(spec, where);
    if (wraps(completed)) return wrapped(completed, make_model(completed.nested("inner"), where), where);
    if (completed.name == "native") return load_native(completed, where);
    if (completed.name == "torchscript") return load_torchscript(completed, where);
    if (completed.name == "aoti") return load_aoti(completed, where);
    return make_exact(spec, where);
}

std::shared_ptr<const Denoiser> make_float64_model(const Spec& spec, const std::string& where) {
    Spec completed = complete_model(spec, where);
    if (wraps(completed)) {
        auto inner = make_float64_model(completed.nested("inner"), where);
        return inner ? wrapped(completed, std::move(inner), where) : nullptr;
    }
    if (completed.name != "native") return nullptr;
    completed.set("precision", SpecValue::of_text("float32"));
    return in_float64(*load_native(completed, where));
}

std::string graphs_declined(const RuntimeSettings& runtime) {
    if (!at::Device(runtime.device).is_cuda()) return "device " + runtime.device;
    if (runtime.profile != "fast") return "profile " + runtime.profile;
    const char* const asked = std::getenv("SCHEDBENCH_GRAPHS");
    const std::string value = asked ? asked : "on";
    if (value != "on" && value != "off")
        throw Error("option", "is \"" + value + "\"", "SCHEDBENCH_GRAPHS", "known: on, off");
    return value == "on" ? "" : "SCHEDBENCH_GRAPHS is off";
}

std::shared_ptr<const Denoiser> placed(std::shared_ptr<const Denoiser> model,
                                       const RuntimeSettings& runtime) {
    const at::Device device(runtime.device);
    model = on_device(std::move(model), device);
    if (!device.is_cuda()) return model;
    std::string reason = graphs_declined(runtime);
    if (reason.empty()) model = graphed(std::move(model), cuda_graphs(), reason);
    note_provenance("cuda_graphs", reason.empty() ? "one evaluation" : "none: " + reason);
    return model;
}

std::shared_ptr<const Denoiser> placed_for_host(std::shared_ptr<const Denoiser> model,
                                                const RuntimeSettings& runtime) {
    if (std::dynamic_pointer_cast<const ExactTarget>(model)) return on_device(std::move(model), at::kCPU);
    return host_denoiser(on_device(std::move(model), at::Device(runtime.device)));
}

}  // namespace schedbench
