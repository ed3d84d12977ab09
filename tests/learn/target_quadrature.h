// Expectations over the noisy marginal of an exact target without Monte Carlo: the integrand is the program's
// own.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "learn/corrector_cost.h"
#include "learn/predictor_cost.h"
#include "models/exact.h"

namespace schedbench::quadrature {

/// The exact target of a golden description, over all levels that the files ask for; null if it is none that
/// we know.
inline std::shared_ptr<const ExactTarget> target_of(const nlohmann::json& target) {
    const std::string process = ",process={continuous:sigma-min=1e-6,sigma-max=1e6}";
    if (target.contains("c")) {
        const int copies = target["multiplicity"];
        if (copies > 1)
            return make_exact(Spec::parse("exact:gaussian,c=" + format_number(target["c"][0]) +
                                          ",dim=" + std::to_string(copies) + process));
        return make_exact(Spec::parse("exact:gaussian,c=" + target["c"].dump() + process));
    }
    if (target.contains("depth"))
        return make_exact(Spec::parse("exact:cantor,depth=" + std::to_string(target["depth"].get<int>()) +
                                      ",width=" + format_number(target["std"]) + process));
    if (!target.contains("means")) return nullptr;
    nlohmann::json flat = nlohmann::json::array();
    for (const nlohmann::json& mean : target["means"]) {
        if (mean.is_array())
            for (const nlohmann::json& value : mean) flat.push_back(value);
        else
            flat.push_back(mean);
    }
    const std::string widths =
        target.contains("stds") ? target["stds"].dump() : "[" + format_number(target["std"]) + "]";
    return make_exact(Spec::parse("exact:mixture,means=" + flat.dump() +
                                  ",weights=" + target["weights"].dump() + ",widths=" + widths +
                                  ",dim=" + std::to_string(target["d"].get<int>()) + process));
}

/// A target with what its integrals need: the variances of a centred Gaussian, or the box that holds a
/// mixture.
struct Integrand {
    std::shared_ptr<const ExactTarget> target;
    std::vector<double> variances;  ///< of a centred Gaussian, an axis each (one for all); else empty
    double centre = 0, reach = 1;   ///< a mixture lies within centre +- reach, noise aside
    double width = 0.1;             ///< of its narrowest component
};

inline Integrand integrand_of(const nlohmann::json& target) {
    Integrand out;
    out.target = target_of(target);
    if (target.contains("c"))
        for (double c : target["c"]) out.variances.push_back(c * c);
    if (target.contains("depth")) out.centre = 0.5, out.reach = 0.5, out.width = target["std"];
    if (target.contains("means")) {
        out.reach = 0;
        for (const nlohmann::json& mean : target["means"])
            out.reach = std::max(
                out.reach, mean.is_array() ? std::abs(mean[0].get<double>()) : std::abs(mean.get<double>()));
        out.width = target.contains("std") ? target["std"].get<double>() : target["stds"][0].get<double>();
    }
    return out;
}

using Values = std::function<at::Tensor(const at::Tensor& x)>;  ///< [B, d] drawn from `left` -> [B]

/// E f(X), X from the marginal at `left`.
/// Centred Gaussian with f a diagonal quadratic form (as all costs of Gaussian data are): f at one standard
/// deviation of every axis. Mixtures in one or two dimensions: the trapezoidal rule, which converges faster
/// than any power.
inline double expectation(const Integrand& in, const PathPoint& left, const Values& f, int64_t nodes) {
    const double level = left.located.level;
    const int64_t dims = in.target->shape()[0];
    if (!in.variances.empty()) {
        at::Tensor x = at::empty({1, dims}, at::kDouble);
        for (int64_t k = 0; k < dims; ++k)
            x[0][k] = left.scale *
                      std::sqrt(in.variances[static_cast<size_t>(k) % in.variances.size()] + level * level);
        return f(x).item<double>();
    }
    const double spread = std::sqrt(in.width * in.width + level * level), half = in.reach + 9.5 * spread;
    const at::Tensor axis = in.centre + at::linspace(-half, half, nodes, at::kDouble);
    const double cell = std::pow(2 * half / static_cast<double>(nodes - 1), static_cast<double>(dims));
    const auto part = [&](const at::Tensor& x) {
        const at::Tensor density =
            at::exp(in.target->log_density(x, at::full({x.size(0)}, level, at::kDouble)));
        // Where there is no mass the step may fold space: those nodes count nothing and are not asked.
        const at::Tensor kept = at::nonzero(density > 1e-22).squeeze(1);
        if (kept.numel() == 0) return 0.0;
        return (density.index_select(0, kept) * f(x.index_select(0, kept) * left.scale))
                   .sum()
                   .item<double>() *
               cell;
    };
    if (dims == 1) return part(axis.unsqueeze(1));
    double sum = 0;
    const int64_t rows = std::max<int64_t>(1, 60'000 / nodes);
    for (int64_t i = 0; i < nodes; i += rows) {
        const at::Tensor first = axis.narrow(0, i, std::min(rows, nodes - i));
        sum += part(at::stack({first.repeat_interleave(nodes), axis.repeat({first.size(0)})}, 1));
    }
    return sum;
}

inline double corrector(const Integrand& in, PathForm form, double to, double from, int64_t nodes,
                        const Velocity& velocity = {}) {
    const NoiseProcess& p = in.target->process();
    const PathPoint entered = path_point(form, p.locate(to)), left = path_point(form, p.locate(from));
    return expectation(
        in, left,
        [&](const at::Tensor& x) { return corrector_values(*in.target, x, entered, left, velocity, {}); },
        nodes);
}

inline double predictor(const Integrand& in, PathForm form, double to, double from, int64_t nodes) {
    const NoiseProcess& p = in.target->process();
    const PathPoint entered = path_point(form, p.locate(to)), left = path_point(form, p.locate(from));
    return expectation(
        in, left,
        [&](const at::Tensor& x) {
            const std::vector<int64_t> ids(static_cast<size_t>(x.size(0)), 0);
            return predictor_values(*in.target, x, entered, left, {}, {}, {.tolerance = 1e-13}, ids, 0);
        },
        nodes);
}

/// The limit of cost(t - h) / h^power for h -> 0, by polynomial extrapolation over halved steps.
inline double limit_of(const std::function<double(double h)>& cost, double first, int power, int levels = 6) {
    std::vector<double> h, value;
    for (int i = 0; i < levels; ++i) {
        h.push_back(first / std::pow(2.0, i));
        value.push_back(cost(h.back()) / std::pow(h.back(), power));
    }
    for (size_t k = 1; k < value.size(); ++k)
        for (size_t i = value.size() - 1; i >= k; --i)
            value[i] += (value[i] - value[i - 1]) * h[i] / (h[i - k] - h[i]);
    return value.back();
}

}  // namespace schedbench::quadrature
