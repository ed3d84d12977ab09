#include "core/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace schedbench {

namespace {

bool is_bare_char(char c) {
    return std::string_view(",=[]{}'\"#").find(c) == std::string_view::npos &&
           !std::isspace(static_cast<unsigned char>(c)) && static_cast<unsigned char>(c) >= 0x20;
}

bool is_name_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '+';
}

class Parser {
  public:
    Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

    Spec parse_all() {
        Spec spec = parse_spec();
        if (pos_ != text_.size()) fail("unexpected '" + std::string(1, text_[pos_]) + "'");
        return spec;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error(
            "spec", what + " at column " + std::to_string(pos_ + 1) + " of \"" + std::string(text_) + "\"",
            where_,
            "the form is name:key=value,key=value; a value is bare, 'quoted', a [list] or a {nested spec}");
    }
    bool at(char c) const { return pos_ < text_.size() && text_[pos_] == c; }
    void expect(char c) {
        if (!at(c)) fail(std::string("expected '") + c + "'");
        ++pos_;
    }

    std::string parse_name(const char* what) {
        const size_t start = pos_;
        while (pos_ < text_.size() && is_name_char(text_[pos_])) ++pos_;
        if (pos_ == start) fail(std::string("expected ") + what);
        return std::string(text_.substr(start, pos_ - start));
    }

    Spec parse_spec() {
        Spec spec;
        spec.name = parse_name("a name");
        if (!at(':')) return spec;
        ++pos_;
        bool first = true;
        do {
            if (!first) ++pos_;  // the comma
            parse_item(spec, first);
            first = false;
        } while (at(','));
        return spec;
    }

    void parse_item(Spec& spec, bool first) {
        const size_t start = pos_;
        while (pos_ < text_.size() && is_name_char(text_[pos_])) ++pos_;
        if (pos_ > start && at('=')) {
            const std::string key(text_.substr(start, pos_ - start));
            ++pos_;
            if (spec.find(key)) fail("key \"" + key + "\" is given twice");
            spec.set(key, parse_value());
            return;
        }
        pos_ = start;
        if (!first) fail("expected key=value");
        const SpecValue value = parse_value();
        if (value.kind != SpecValue::Kind::text) fail("the sub-name must be plain text");
        spec.sub = value.text;
    }

    SpecValue parse_value() {
        if (at('\'')) return SpecValue::of_text(parse_quoted());
        if (at('[')) {
            ++pos_;
            std::vector<SpecValue> values;
            if (!at(']')) {
                values.push_back(parse_value());
                while (at(',')) {
                    ++pos_;
                    values.push_back(parse_value());
                }
            }
            expect(']');
            return SpecValue::of_list(std::move(values));
        }
        if (at('{')) {
            ++pos_;
            Spec nested = parse_spec();
            expect('}');
            return SpecValue::of_spec(std::move(nested));
        }
        const size_t start = pos_;
        while (pos_ < text_.size() && is_bare_char(text_[pos_])) ++pos_;
        if (pos_ == start) fail("expected a value");
        return SpecValue::of_text(std::string(text_.substr(start, pos_ - start)));
    }

    std::string parse_quoted() {
        expect('\'');
        std::string out;
        while (true) {
            if (pos_ >= text_.size()) fail("unterminated quote");
            const char c = text_[pos_++];
            if (c != '\'') {
                out += c;
            } else if (at('\'')) {
                out += '\'';
                ++pos_;
            } else {
                return out;
            }
        }
    }

    std::string_view text_;
    const std::string& where_;
    size_t pos_ = 0;
};

std::string print_text(const std::string& text) {
    if (!text.empty() && std::all_of(text.begin(), text.end(), is_bare_char)) return text;
    std::string out = "'";
    for (char c : text) {
        out += c;
        if (c == '\'') out += c;
    }
    return out + "'";
}

}  // namespace

SpecValue SpecValue::of_text(std::string value) {
    SpecValue v;
    v.text = std::move(value);
    return v;
}

SpecValue SpecValue::of_number(double value) {
    return of_text(format_number(value));
}

SpecValue SpecValue::of_list(std::vector<SpecValue> values) {
    SpecValue v;
    v.kind = Kind::list;
    v.list = std::move(values);
    return v;
}

SpecValue SpecValue::of_spec(Spec value) {
    SpecValue v;
    v.kind = Kind::spec;
    v.spec = std::make_shared<const Spec>(std::move(value));
    return v;
}

std::string SpecValue::print() const {
    if (kind == Kind::text) return print_text(text);
    if (kind == Kind::spec) return "{" + spec->print() + "}";
    std::string out = "[";
    for (size_t i = 0; i < list.size(); ++i) out += (i ? "," : "") + list[i].print();
    return out + "]";
}

bool SpecValue::operator==(const SpecValue& other) const {
    if (kind != other.kind) return false;
    if (kind == Kind::text) return text == other.text;
    if (kind == Kind::list) return list == other.list;
    return *spec == *other.spec;
}

Spec Spec::parse(std::string_view text, const std::string& where) {
    return Parser(text, where).parse_all();
}

std::string Spec::print() const {
    std::string out = name;
    char separator = ':';
    if (!sub.empty()) {
        out += separator + print_text(sub);
        separator = ',';
    }
    for (const auto& [key, value] : args) {
        out += separator + key + "=" + value.print();
        separator = ',';
    }
    return out;
}

bool Spec::operator==(const Spec& other) const {
    return name == other.name && sub == other.sub && args == other.args;
}

const SpecValue* Spec::find(std::string_view key) const {
    for (const auto& [k, value] : args)
        if (k == key) return &value;
    return nullptr;
}

void Spec::set(const std::string& key, SpecValue value) {
    auto it = std::lower_bound(args.begin(), args.end(), key,
                               [](const auto& a, const std::string& k) { return a.first < k; });
    if (it != args.end() && it->first == key)
        it->second = std::move(value);
    else
        args.insert(it, {key, std::move(value)});
}

namespace {
const SpecValue& required(const Spec& spec, std::string_view key) {
    const SpecValue* value = spec.find(key);
    if (!value) throw Error("spec", "key \"" + std::string(key) + "\" is missing", spec.print());
    return *value;
}
double to_number(const Spec& spec, std::string_view key, const SpecValue& value) {
    const auto number = value.kind == SpecValue::Kind::text ? parse_number(value.text) : std::nullopt;
    if (!number)
        throw Error("spec", "key \"" + std::string(key) + "\" wants a number, not " + value.print(),
                    spec.print());
    return *number;
}
}  // namespace

double Spec::number(std::string_view key) const {
    return to_number(*this, key, required(*this, key));
}

long long Spec::integer(std::string_view key) const {
    const double value = number(key);
    if (value != std::floor(value) || std::abs(value) > 9e15)
        throw Error("spec",
                    "key \"" + std::string(key) + "\" wants a whole number, not " + format_number(value),
                    print());
    return static_cast<long long>(value);
}

bool Spec::flag(std::string_view key) const {
    const std::string& value = text(key);
    if (value == "true" || value == "1" || value == "yes" || value == "on") return true;
    if (value == "false" || value == "0" || value == "no" || value == "off") return false;
    throw Error("spec", "key \"" + std::string(key) + "\" wants true or false, not " + value, print());
}

const std::string& Spec::text(std::string_view key) const {
    const SpecValue& value = required(*this, key);
    if (value.kind != SpecValue::Kind::text)
        throw Error("spec", "key \"" + std::string(key) + "\" wants text, not " + value.print(), print());
    return value.text;
}

std::vector<double> Spec::numbers(std::string_view key) const {
    const SpecValue& value = required(*this, key);
    if (value.kind == SpecValue::Kind::text) return {to_number(*this, key, value)};
    if (value.kind != SpecValue::Kind::list)
        throw Error("spec", "key \"" + std::string(key) + "\" wants a list of numbers, not " + value.print(),
                    print());
    std::vector<double> out;
    for (const SpecValue& item : value.list) out.push_back(to_number(*this, key, item));
    return out;
}

const Spec& Spec::nested(std::string_view key) const {
    const SpecValue& value = required(*this, key);
    if (value.kind != SpecValue::Kind::spec)
        throw Error("spec", "key \"" + std::string(key) + "\" wants a {nested spec}, not " + value.print(),
                    print());
    return *value.spec;
}

bool Spec::is_auto(std::string_view key) const {
    const SpecValue& value = required(*this, key);
    return value.kind == SpecValue::Kind::text && value.text == "auto";
}

std::string format_number(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    if (value == 0) return "0";
    char buffer[64];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
    return std::string(buffer, result.ptr);
}

std::optional<double> parse_number(std::string_view text) {
    if (text == "inf") return INFINITY;
    if (text == "-inf") return -INFINITY;
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

}  // namespace schedbench
