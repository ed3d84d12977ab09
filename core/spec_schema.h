// What a spec may say: the parameters of one registered name, and the completion of a user's spec to the form
// with all defaults written out, over which identities are hashed (so a changed default never re-means a
// stored run).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/spec.h"

namespace schedbench {

struct SpecParam {
    enum class Type { number, integer, flag, text, choice, numbers, spec };
    std::string key;
    Type type = Type::number;
    std::string fallback;                ///< default in spec syntax; "auto" where the program works it out
    std::string help;                    ///< one line, with the unit
    std::vector<std::string> choices{};  ///< type choice only
    bool required = false;               ///< no default: must be given
    bool list_as_text = false;           ///< type text only: [a,b] is taken as 'a,b'
};

struct SpecEntry {
    std::string name;     ///< "edm"; "exact:gaussian" where the sub-name selects
    std::string summary;  ///< one line
    std::string source;   ///< paper and equation, or "" where there is none
    std::vector<SpecParam> params;
    std::vector<std::string> aliases{};  ///< other names answered with this entry (same meaning only)
};

/// Finds the entry for spec.name (or name:sub) in the list; else Error("spec") that lists the known names and
/// the nearest match. `what` is the plural noun shown to people ("schedules").
const SpecEntry& find_entry(const std::vector<SpecEntry>& entries, const Spec& spec, const std::string& what,
                            const std::string& where);

/// Checks keys and types, fills in defaults, and writes numbers in their shortest form.
Spec complete(const Spec& spec, const SpecEntry& entry, const std::string& where);

/// The candidate with the smallest edit distance to `text`; "" if none is near.
std::string nearest_match(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace schedbench
