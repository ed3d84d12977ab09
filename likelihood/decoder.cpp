#include "likelihood/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr double kFloor = 1e-12;
constexpr double kHalfBin = 1.0 / 255;

/// Phi(z), accurate in the lower tail: (1 + tanh u)/2 = sigmoid(2u).
double phi(double z, DecoderKind kind) {
    if (kind == DecoderKind::erf) return 0.5 * std::erfc(-z / std::numbers::sqrt2);
    return 1 / (1 + std::exp(-2 * std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
}

at::Tensor phi(const at::Tensor& z, DecoderKind kind) {
    if (kind == DecoderKind::erf) return 0.5 * at::erfc(z * (-1 / std::numbers::sqrt2));
    return at::sigmoid((2 * std::sqrt(2 / std::numbers::pi)) * z * (1 + 0.044715 * z * z));
}

}  // namespace

std::string decoder_name(DecoderKind kind) {
    switch (kind) {
        case DecoderKind::tanh:
            return "tanh";
        case DecoderKind::erf:
            return "erf";
        case DecoderKind::density:
            return "density";
    }
    SCHEDBENCH_ASSERT(false);
    return "";
}

DecoderKind parse_decoder(const std::string& name, const std::string& where) {
    for (DecoderKind kind : {DecoderKind::tanh, DecoderKind::erf, DecoderKind::density})
        if (decoder_name(kind) == name) return kind;
    throw Error("spec", "the decoder cannot be \"" + name + "\"", where, "known: tanh, erf, density");
}

double element_cost(BytePlace place, double error, double inverse, DecoderKind kind) {
    const double plus = (error + kHalfBin) * inverse, minus = (error - kHalfBin) * inverse;
    double p = 0;
    if (place == BytePlace::lower)
        p = phi(plus, kind);
    else if (place == BytePlace::upper)
        p = phi(-minus, kind);
    else  // reflected where both ends lie above 0, so that the difference is one of small numbers
        p = minus > 0 ? phi(-minus, kind) - phi(-plus, kind) : phi(plus, kind) - phi(minus, kind);
    return -std::log(std::max(p, kFloor));
}

double discrete_log_likelihood(int byte, double mean, double ln_sd, DecoderKind kind) {
    SCHEDBENCH_ASSERT(kind != DecoderKind::density && byte >= 0 && byte <= 255);
    const BytePlace place = byte == 0 ? BytePlace::lower : byte == 255 ? BytePlace::upper : BytePlace::inside;
    return -element_cost(place, byte / 127.5 - 1 - mean, std::exp(-ln_sd), kind);
}

at::Tensor decoder_cost(const at::Tensor& x0, const at::Tensor& mean, double variance, DecoderKind kind) {
    SCHEDBENCH_ASSERT(variance > 0);
    return decoder_cost(x0, mean, at::full({}, variance, at::kDouble), kind);
}

at::Tensor decoder_cost(const at::Tensor& x0, const at::Tensor& mean, const at::Tensor& variance,
                        DecoderKind kind) {
    SCHEDBENCH_ASSERT(x0.scalar_type() == at::kDouble && mean.scalar_type() == at::kDouble);
    const at::Tensor centred = x0 - mean;
    if (kind == DecoderKind::density)
        return ((2 * std::numbers::pi * variance).log() / 2 + centred.square() / (2 * variance))
            .flatten(1)
            .mean(1);
    const at::Tensor inverse = variance.rsqrt();
    const at::Tensor plus = (centred + kHalfBin) * inverse, minus = (centred - kHalfBin) * inverse;
    const at::Tensor reflect = minus > 0;
    const at::Tensor inner =
        phi(at::where(reflect, -minus, plus), kind) - phi(at::where(reflect, -plus, minus), kind);
    const at::Tensor outer = at::where(x0 < 0, phi(plus, kind), phi(-minus, kind));
    const at::Tensor p = at::where(x0.abs() > 0.999, outer, inner);
    return -at::log(p.clamp_min(kFloor)).flatten(1).mean(1);
}

}  // namespace schedbench
