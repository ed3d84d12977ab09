#include "core/spec_schema.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace schedbench {

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string join(const std::vector<std::string>& items) {
    std::string out;
    for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
    return out;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& candidates) {
    const std::string match = nearest_match(text, candidates);
    return (match.empty() ? "" : "did you mean \"" + match + "\"? ") + "known: " + join(candidates);
}

std::string joined(const SpecValue& list) {
    std::string out;
    for (const SpecValue& item : list.list) out += (out.empty() ? "" : ",") + item.print();
    return out;
}

SpecValue check_value(const SpecValue& value, const SpecParam& param, const Spec& spec,
                      const std::string& where) {
    const std::string name = "key \"" + param.key + "\" of " + spec.name;
    if (value.kind == SpecValue::Kind::text && value.text == "auto" && param.fallback == "auto") return value;
    Spec one;
    one.name = spec.name;
    one.set(param.key, value);
    try {
        switch (param.type) {
            case SpecParam::Type::number:
                return SpecValue::of_number(one.number(param.key));
            case SpecParam::Type::integer:
                return SpecValue::of_number(static_cast<double>(one.integer(param.key)));
            case SpecParam::Type::flag:
                return SpecValue::of_text(one.flag(param.key) ? "true" : "false");
            case SpecParam::Type::text:
                if (param.list_as_text && value.kind == SpecValue::Kind::list) return SpecValue::of_text(joined(value));
                one.text(param.key);
                return value;
            case SpecParam::Type::choice: {
                const std::string& text = one.text(param.key);
                if (std::find(param.choices.begin(), param.choices.end(), text) == param.choices.end())
                    throw Error("spec", name + " cannot be \"" + text + "\"", where,
                                did_you_mean(text, param.choices));
                return value;
            }
            case SpecParam::Type::numbers: {
                std::vector<SpecValue> values;
                for (double number : one.numbers(param.key)) values.push_back(SpecValue::of_number(number));
                return SpecValue::of_list(std::move(values));
            }
            case SpecParam::Type::spec:
                one.nested(param.key);
                return value;
        }
    } catch (const Error& e) {
        if (e.where() == where) throw;
        throw Error("spec", e.message(), where, param.help);
    }
    return value;
}

}  // namespace

std::string nearest_match(std::string_view text, const std::vector<std::string>& candidates) {
    std::string best;
    size_t best_distance = std::max<size_t>(2, text.size() / 2) + 1;
    for (const auto& candidate : candidates) {
        const size_t distance = edit_distance(text, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

const SpecEntry& find_entry(const std::vector<SpecEntry>& entries, const Spec& spec, const std::string& what,
                            const std::string& where) {
    const std::string full = spec.sub.empty() ? spec.name : spec.name + ":" + spec.sub;
    std::vector<std::string> names;
    for (const SpecEntry& entry : entries) {
        if (entry.name == full || entry.name == spec.name) return entry;
        if (std::find(entry.aliases.begin(), entry.aliases.end(), full) != entry.aliases.end()) return entry;
        names.push_back(entry.name);
    }
    throw Error("spec", "\"" + full + "\" is not one of the known " + what, where, did_you_mean(full, names));
}

Spec complete(const Spec& spec, const SpecEntry& entry, const std::string& where) {
    Spec out;
    const size_t colon = entry.name.find(':');
    out.name = entry.name.substr(0, colon);
    out.sub = colon == std::string::npos ? "" : entry.name.substr(colon + 1);
    if (!spec.sub.empty() && out.sub.empty() &&
        std::find(entry.aliases.begin(), entry.aliases.end(), spec.name + ":" + spec.sub) ==
            entry.aliases.end())
        throw Error("spec", entry.name + " takes no sub-name, but \"" + spec.sub + "\" was given", where,
                    "write key=value");
    std::vector<std::string> keys;
    for (const SpecParam& param : entry.params) keys.push_back(param.key);
    for (const auto& [key, value] : spec.args)
        if (std::find(keys.begin(), keys.end(), key) == keys.end())
            throw Error("spec", entry.name + " has no key \"" + key + "\"", where,
                        keys.empty() ? "it takes none" : did_you_mean(key, keys));
    for (const SpecParam& param : entry.params) {
        const SpecValue* given = spec.find(param.key);
        // A completed spec writes an absent value as '': it must read back as that.
        if (given && !param.required && param.fallback.empty() && *given == SpecValue::of_text("")) given = nullptr;
        if (!given && param.required)
            throw Error("spec", entry.name + " needs " + param.key + "=...", where, param.help);
        SpecValue value = given ? *given : SpecValue::of_text(param.fallback);
        if (!given && !param.fallback.empty() && (param.fallback[0] == '[' || param.fallback[0] == '{'))
            value = *Spec::parse("x:y=" + param.fallback).find("y");
        out.set(param.key, given || !param.fallback.empty() ? check_value(value, param, out, where) : value);
    }
    return out;
}

}  // namespace schedbench
