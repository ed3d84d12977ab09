#include "samplers/label_policy.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace schedbench {

LabelPolicy LabelPolicy::parse(const std::string& text, const std::string& where) {
    LabelPolicy out;
    if (text == "random") return out;
    out.kind_ = Kind::balanced;
    if (text == "balanced") return out;
    out.kind_ = Kind::fixed;
    const std::string prefix = "fixed:";
    if (text.starts_with(prefix))
        if (const auto number = parse_number(text.substr(prefix.size()));
            number && *number >= 0 && *number < 1e9 && *number == std::floor(*number)) {
            out.class_ = static_cast<int64_t>(*number);
            return out;
        }
    throw Error("option", "\"" + text + "\" is no policy of labels", where,
                "known: random, balanced, fixed:CLASS (from 0)");
}

std::string LabelPolicy::name() const {
    switch (kind_) {
        case Kind::random:
            return "uniform";
        case Kind::balanced:
            return "balanced";
        case Kind::fixed:
            return "fixed:" + std::to_string(class_);
    }
    return "";
}

void LabelPolicy::check(int64_t classes, const std::string& where) const {
    if (kind_ == Kind::random) return;
    if (classes == 0) throw Error("option", "the model has no classes to choose from", where, "leave it out");
    if (class_ >= classes)
        throw Error(
            "option",
            "class " + std::to_string(class_) + " of a model with " + std::to_string(classes) + " classes",
            where, "classes are counted from 0");
}

at::Tensor LabelPolicy::labels(const BlockNoise& noise, std::span<const int64_t> ids, int64_t classes) const {
    if (classes == 0 || kind_ == Kind::random) return noise.labels(classes);
    at::Tensor out = at::full({static_cast<int64_t>(ids.size())}, class_, at::kLong);
    if (kind_ == Kind::balanced)
        for (size_t i = 0; i < ids.size(); ++i) out.mutable_data_ptr<int64_t>()[i] = ids[i] % classes;
    return out;
}

}  // namespace schedbench
