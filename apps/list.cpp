// schedbench list: everything a spec can name.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "harness/registry.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

const char* type_name(SpecParam::Type type) {
    switch (type) {
        case SpecParam::Type::number:
            return "number";
        case SpecParam::Type::integer:
            return "integer";
        case SpecParam::Type::flag:
            return "true|false";
        case SpecParam::Type::text:
            return "text";
        case SpecParam::Type::choice:
            return "choice";
        case SpecParam::Type::numbers:
            return "[numbers]";
        case SpecParam::Type::spec:
            return "{spec}";
    }
    return "";
}

std::string choices_of(const SpecParam& param) {
    std::string out;
    for (const std::string& choice : param.choices) out += (out.empty() ? "" : "|") + choice;
    return out.empty() ? type_name(param.type) : out;
}

nlohmann::json json_of(const SpecEntry& entry, const Facts& facts) {
    nlohmann::json params = nlohmann::json::array();
    for (const SpecParam& p : entry.params) {
        params.push_back({{"key", p.key},
                          {"type", type_name(p.type)},
                          {"default", p.required ? nlohmann::json(nullptr) : nlohmann::json(p.fallback)},
                          {"required", p.required},
                          {"help", p.help}});
        if (!p.choices.empty()) params.back()["choices"] = p.choices;
    }
    nlohmann::json known = nlohmann::json::object();
    for (const auto& [name, text] : facts) known[name] = text;
    return {{"name", entry.name}, {"summary", entry.summary}, {"source", entry.source},
            {"params", params},   {"aliases", entry.aliases}, {"facts", known}};
}

const Facts& facts_of(const RegistryKind& kind, size_t i) {
    static const Facts none;
    return i < kind.facts.size() ? kind.facts[i] : none;
}

/// Names that mean two things or more, and what they may mean.
void print_ambiguous() {
    std::cout << "Names with more than one meaning (they are answered with the choice):\n";
    for (const AmbiguousName& name : ambiguous_schedules()) {
        std::cout << "    " << name.name << "\n";
        for (const auto& choice : name.choices) {
            std::string spec = choice.spec;
            if (spec.size() < 24) spec.resize(24, ' ');
            std::cout << "        " << spec << " " << choice.meaning << "\n";
        }
    }
}

void print_entry(const SpecEntry& entry, const Facts& facts) {
    std::cout << entry.name << "\n    " << entry.summary << "\n";
    for (const auto& [name, text] : facts)
        if (text != "none") std::cout << "    " << name << ": " << text << "\n";
    for (const SpecParam& p : entry.params) {
        std::string head = p.key + (p.required ? " (needed)" : p.fallback.empty() ? "" : "=" + p.fallback);
        if (head.size() < 24) head.resize(24, ' ');
        std::cout << "    " << head << " " << p.help << " [" << choices_of(p) << "]\n";
    }
    for (const std::string& alias : entry.aliases) std::cout << "    also called " << alias << "\n";
    if (!entry.source.empty()) std::cout << "    source: " << entry.source << "\n";
    std::cout << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kListCommand);
    options
        .positional(
            "kind", 1,
            "schedules, samplers, models, extractors, metrics, data or processes; without it, all of them shortly")
        .json();
    if (!options.parse(arguments)) return 0;
    const std::vector<RegistryKind>& kinds = registry();
    if (!options.has("kind")) {
        nlohmann::json all;
        for (const RegistryKind& kind : kinds) {
            all[kind.name] = nlohmann::json::array();
            if (!options.on("json")) std::cout << kind.name << "\n";
            for (size_t i = 0; i < kind.entries.size(); ++i) {
                const SpecEntry& entry = kind.entries[i];
                all[kind.name].push_back(json_of(entry, facts_of(kind, i)));
                std::string name = entry.name;
                if (name.size() < 19) name.resize(19, ' ');
                if (!options.on("json")) std::cout << "  " << name << " " << entry.summary << "\n";
            }
            if (!options.on("json")) std::cout << "\n";
        }
        if (options.on("json"))
            std::cout << all.dump() << "\n";
        else
            std::cout << "schedbench list KIND shows parameters, defaults and sources.\n";
        return 0;
    }
    const std::string name = options.text("kind");
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const RegistryKind& k) { return k.name == name; });
    if (kind == kinds.end()) {
        std::vector<std::string> names;
        std::string known;
        for (const RegistryKind& k : kinds)
            names.push_back(k.name), known += (known.empty() ? "" : ", ") + k.name;
        const std::string match = nearest_match(name, names);
        throw Error("option", "\"" + name + "\" is not a kind of thing to list", "KIND",
                    (match.empty() ? "" : "did you mean \"" + match + "\"? ") + "known: " + known);
    }
    nlohmann::json array = nlohmann::json::array();
    for (size_t i = 0; i < kind->entries.size(); ++i) {
        array.push_back(json_of(kind->entries[i], facts_of(*kind, i)));
        if (!options.on("json")) print_entry(kind->entries[i], facts_of(*kind, i));
    }
    if (name == "schedules" && !options.on("json")) print_ambiguous();
    if (options.on("json")) std::cout << array.dump() << "\n";
    return 0;
}

}  // namespace

const Command kListCommand = {"list", "what exists: schedules, samplers, models, extractors, metrics, data, processes",
                              "schedbench list [KIND] [--json]",
                              "  schedbench list\n"
                              "  schedbench list schedules\n"
                              "  schedbench list samplers --json\n",
                              run};

}  // namespace schedbench
