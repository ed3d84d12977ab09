#include "learn/noise_path.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "likelihood/probe_source.h"
#include "models/exact.h"

namespace schedbench {

PathForm parse_path_form(const std::string& name, const std::string& where) {
    if (name == "ve") return PathForm::ve;
    if (name == "vp") return PathForm::vp;
    throw Error("spec", "the path cannot be \"" + name + "\"", where, "known: ve, vp");
}

PathPoint path_point(PathForm form, const LocatedLevel& located) {
    const double level = located.level;
    SCHEDBENCH_ASSERT(level > 0);
    if (form == PathForm::ve) return {located, form, 1, level, level};
    const double scale = 1 / std::hypot(1.0, level);
    return {located, form, scale, level * scale, std::atan(level)};
}

at::Tensor noised_at(const at::Tensor& x0, const PathPoint& point, uint64_t seed,
                     std::span<const int64_t> ids, uint32_t draw) {
    return noised(x0 * point.scale, point.sigma, seed, ids, draw);
}

at::Tensor path_score(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& point,
                      const at::Tensor& labels) {
    const at::Tensor inner = point.scale == 1 ? x : x / point.scale;
    if (const auto* exact = dynamic_cast<const ExactTarget*>(&denoiser)) {
        const at::Tensor levels = at::full({x.size(0)}, point.located.level, at::kDouble);
        return exact->score(inner, levels) / point.scale;
    }
    const at::Tensor x0 = denoise_at(denoiser, inner, point.located, labels).x0.to(at::kDouble);
    return (x0 * point.scale - x) / (point.sigma * point.sigma);
}

double Velocity::squared(const PathPoint& entered, const PathPoint& left) const {
    switch (kind) {
        case Kind::entered:
            return entered.sigma * entered.sigma;
        case Kind::left:
            return left.sigma * left.sigma;
        case Kind::geometric:
            return entered.sigma * left.sigma;
        case Kind::one:
            return 1;
        case Kind::data:
            return c * c + entered.sigma * entered.sigma;
    }
    return 1;
}

Velocity parse_velocity(const std::string& name, double c, const std::string& where) {
    using Kind = Velocity::Kind;
    if (name == "data" && (!(c > 0) || !std::isfinite(c)))
        throw Error("number", "the scale c of weight=data must be positive, not " + format_number(c), where,
                    "it is the standard deviation of the data, 0.5 for images");
    if (name == "entered") return {Kind::entered, c};
    if (name == "left") return {Kind::left, c};
    if (name == "geometric") return {Kind::geometric, c};
    if (name == "one") return {Kind::one, c};
    if (name == "data") return {Kind::data, c};
    throw Error("spec", "the weight cannot be \"" + name + "\"", where,
                "known: entered, left, geometric, one, data");
}

}  // namespace schedbench
