// The samplers of the registry with their variants, so that a new family is tested without being named.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "samplers/sampler_family.h"

namespace schedbench::probe {

/// Values of a parameter that make another method of a sampler; empty for the others.
inline std::vector<std::string> variant_values(const SpecParam& param) {
    if (param.type == SpecParam::Type::choice) return param.choices;
    if (param.type == SpecParam::Type::flag) return {"false", "true"};
    if (param.key == "order") return {"0", "1", "2", "3", "4"};
    if (param.key == "r") return {param.fallback, "0.3", "0.8"};
    return {};
}

/// All combinations of variant values that a family accepts. Families whose key is required are left out.
inline std::vector<std::string> variants(const SamplerFamily& family) {
    std::vector<std::string> specs{family.entry.name};
    for (const SpecParam& param : family.entry.params) {
        const std::vector<std::string> values = variant_values(param);
        if (values.empty()) continue;
        std::vector<std::string> more;
        for (const std::string& spec : specs)
            for (const std::string& value : values)
                more.push_back(spec + (spec.find(':') == std::string::npos ? ":" : ",") + param.key + "=" + value);
        specs = more;
    }
    std::erase_if(specs, [](const std::string& spec) {
        try {
            make_sampler(Spec::parse(spec));
            return false;
        } catch (const Error&) {
            return true;
        }
    });
    return specs;
}

inline std::vector<std::string> all_variants() {
    std::vector<std::string> out;
    for (const SamplerFamily& family : sampler_families())
        for (const std::string& spec : variants(family)) out.push_back(spec);
    return out;
}

/// Those without step noise that any model can run.
inline std::vector<std::string> deterministic_variants() {
    std::vector<std::string> out;
    for (const std::string& spec : all_variants()) {
        const auto sampler = make_sampler(Spec::parse(spec));
        if (!sampler->stochastic() && !sampler->needs().variance && !sampler->needs().table) out.push_back(spec);
    }
    return out;
}

/// The declared order of a spec.
inline int declared_order(const std::string& spec) {
    const auto sampler = make_sampler(Spec::parse(spec));
    return sampler_family(sampler->spec()).order(sampler->spec());
}

}  // namespace schedbench::probe
