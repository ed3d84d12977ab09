#include "harness/registry.h"

#include "core/error.h"
#include "data/dataset.h"
#include "eval/extractor.h"
#include "learn/learner.h"
#include "models/exact.h"
#include "models/native.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"

namespace schedbench {

namespace {

std::vector<SpecEntry> model_entries() {
    std::vector<SpecEntry> all = exact_entries();
    for (const SpecEntry& entry : native_entries()) all.push_back(entry);
    all.push_back({"clip",
                   "a model whose x0hat is clipped to [-1, 1]",
                   "",
                   {{"inner", SpecParam::Type::spec, "", "the {model}", {}, true}}});
    return all;
}

}  // namespace

const std::vector<RegistryKind>& registry() {
    static const std::vector<RegistryKind> kinds = [] {
        std::vector<SpecEntry> schedules = schedule_entries();
        for (const SpecEntry& entry : learner_entries()) schedules.push_back(entry);
        return std::vector<RegistryKind>{{"schedules", schedules},    {"samplers", sampler_entries()},
                                         {"models", model_entries()}, {"extractors", extractor_entries()},
                                         {"data", dataset_entries()}, {"processes", NoiseProcess::entries()}};
    }();
    return kinds;
}

std::shared_ptr<const Denoiser> make_model(const Spec& spec, const std::string& where) {
    static const std::vector<SpecEntry> entries = model_entries();
    const SpecEntry& entry = find_entry(entries, spec, "models", where);
    if (entry.name == "clip")
        return clip_denoiser(make_model(complete(spec, entry, where).nested("inner"), where));
    if (entry.name == "native") return NativeDenoiser::load(complete(spec, entry, where), where);
    return make_exact(spec, where);
}

}  // namespace schedbench
