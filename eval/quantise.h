// Images in [-1, 1] to uint8. The rule moves every Frechet distance a little, so it has a name that is
// stored.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace schedbench {

enum class QuantiseRule {
    round_half_up,  ///< floor(127.5 x + 128): round half up of 127.5 (x + 1), as EDM and StyleGAN do; the
                    ///< default
    truncate,       ///< floor(127.5 (x + 1)): guided-diffusion and DDPM; half a level darker on average
};

/// "round-half-up" and "truncate", in the order of the enumeration.
const std::vector<std::string>& quantise_rule_names();
std::string quantise_rule_name(QuantiseRule rule);
/// Error("spec") that lists the known names.
QuantiseRule parse_quantise_rule(std::string_view name, const std::string& where = "quantise");

/// x: floating point, any shape, clamped to [-1, 1]'s levels 0..255. Returns uint8 of the same shape.
/// NaN is an Error("number") that names the first such image (index along dimension 0).
at::Tensor quantise(const at::Tensor& x, QuantiseRule rule = QuantiseRule::round_half_up);

/// The middle of each level: uint8 -> float32 x / 127.5 - 1, so 0 -> -1 and 255 -> 1. quantise() of it gives
/// it back.
at::Tensor dequantise(const at::Tensor& pixels);

}  // namespace schedbench
