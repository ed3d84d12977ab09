// Spec: the text that names everything (schedules, samplers, models, data, extractors):
//
//     spec  := name [":" item ("," item)*]
//     item  := value                      only as the first item: the sub-name, as in exact:gaussian,c=0.5
//            | key "=" value
//     value := bare | 'quoted' | "[" value ("," value)* "]" | "{" spec "}"
//
// A bare value has none of , : = [ ] { } ' " # or white space, except that ':' may stand inside it where it
// is not ambiguous. Inside quotes, '' stands for one quote. print(parse(text)) is canonical;
// parse(print(spec)) == spec.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace schedbench {

struct Spec;

/// One value of a spec: text (bare or quoted: the same thing), a list, or a nested spec.
struct SpecValue {
    enum class Kind { text, list, spec };
    Kind kind = Kind::text;
    std::string text;                  ///< kind text
    std::vector<SpecValue> list;       ///< kind list
    std::shared_ptr<const Spec> spec;  ///< kind spec

    static SpecValue of_text(std::string value);
    static SpecValue of_number(double value);  ///< shortest text that reads back to the same double
    static SpecValue of_list(std::vector<SpecValue> values);
    static SpecValue of_spec(Spec value);
    std::string print() const;
    bool operator==(const SpecValue& other) const;
};

struct Spec {
    std::string name;
    std::string sub;                                      ///< sub-name; empty if there is none
    std::vector<std::pair<std::string, SpecValue>> args;  ///< sorted by key, each key once

    /// Throws Error("spec", ...) that shows the text and the column of the fault. `where` names the option or
    /// file.
    static Spec parse(std::string_view text, const std::string& where = "spec");
    std::string print() const;
    bool operator==(const Spec& other) const;

    const SpecValue* find(std::string_view key) const;  ///< null if absent
    void set(const std::string& key, SpecValue value);  ///< replaces or inserts, keeps the order

    /// Typed access to a completed spec (spec_schema.h); a missing key or a wrong type is an Error("spec").
    double number(std::string_view key) const;
    long long integer(std::string_view key) const;
    bool flag(std::string_view key) const;
    const std::string& text(std::string_view key) const;
    std::vector<double> numbers(std::string_view key) const;
    const Spec& nested(std::string_view key) const;
    bool is_auto(std::string_view key) const;  ///< the value is the word "auto"
};

/// Shortest decimal text that reads back to exactly this double ("inf", "-inf" and "nan" for the others).
std::string format_number(double value);
/// Reads a whole text as a double ("inf" allowed); nullopt if it is not one.
std::optional<double> parse_number(std::string_view text);

}  // namespace schedbench
