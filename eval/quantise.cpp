#include "eval/quantise.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/spec_schema.h"

namespace schedbench {

const std::vector<std::string>& quantise_rule_names() {
    static const std::vector<std::string> names = {"round-half-up", "truncate"};
    return names;
}

std::string quantise_rule_name(QuantiseRule rule) {
    return quantise_rule_names()[static_cast<size_t>(rule)];
}

QuantiseRule parse_quantise_rule(std::string_view name, const std::string& where) {
    const auto& names = quantise_rule_names();
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) return static_cast<QuantiseRule>(i);
    }
    const std::string near = nearest_match(name, names);
    throw Error("spec",
                "unknown quantisation rule '" + std::string(name) + "'; known: " + names[0] + ", " + names[1],
                where, near.empty() ? "" : "did you mean " + near + "?");
}

at::Tensor quantise(const at::Tensor& x, QuantiseRule rule) {
    SCHEDBENCH_ASSERT(x.is_floating_point());
    if (at::isnan(x).any().item<bool>()) {
        const auto bad = at::isnan(x).reshape({x.dim() > 0 ? x.size(0) : 1, -1}).any(1).nonzero();
        throw Error("number",
                    "image " + std::to_string(bad[0][0].item<int64_t>()) + " of the batch holds NaN",
                    "quantise", "check the schedule's largest level and the model's precision");
    }
    const at::Tensor levels = rule == QuantiseRule::round_half_up ? x * 127.5 + 128.0 : (x + 1.0) * 127.5;
    return levels.clamp(0.0, 255.0).floor().to(at::kByte);
}

at::Tensor dequantise(const at::Tensor& pixels) {
    SCHEDBENCH_ASSERT(pixels.scalar_type() == at::kByte);
    return pixels.to(at::kFloat) / 127.5 - 1.0;
}

}  // namespace schedbench
