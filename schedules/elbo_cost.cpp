#include "schedules/elbo_cost.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

constexpr const char* kWhere = "statistics of the chain";

size_t at(int i) {
    return static_cast<size_t>(i);
}

}  // namespace

std::string variance_name(ElboVariance variance) {
    switch (variance) {
        case ElboVariance::posterior:
            return "posterior";
        case ElboVariance::beta:
            return "beta";
        case ElboVariance::corrected_analytic:
            return "corrected-analytic";
        case ElboVariance::analytic:
            return "analytic";
        case ElboVariance::learned:
            return "learned";
    }
    SCHEDBENCH_ASSERT(false);
    return "";
}

ElboVariance parse_variance(const std::string& name, const std::string& where) {
    for (int i = 0; i <= static_cast<int>(ElboVariance::learned); ++i)
        if (const auto variance = static_cast<ElboVariance>(i); variance_name(variance) == name)
            return variance;
    throw Error("spec", "the reverse variance cannot be \"" + name + "\"", where,
                "known: posterior, beta, corrected-analytic, analytic, learned");
}

ElboChain::ElboChain(const NoiseProcess& process, ElboStatistics statistics)
    : statistics_(std::move(statistics)) {
    const std::vector<double>&error = statistics_.error, &decoder = statistics_.decoder,
          &gamma = statistics_.gamma, &fitted = statistics_.fitted_error;
    if (!process.discrete())
        throw Error("spec", "the evidence bound of a path needs a discrete noise process", kWhere);
    const size_t width = at(process.table_size()) + 1;
    for (const auto& [name, values, needed] :
         {std::tuple{"M_t", &error, true}, std::tuple{"N_t", &decoder, true}, std::tuple{"Gamma_t", &gamma, false},
          std::tuple{"fitted M_t", &fitted, false}})
        if (values->size() != width && (needed || !values->empty()))
            throw Error("shape",
                        std::string(name) + ": expected " + std::to_string(width) + " entries (0..T), not " +
                            std::to_string(values->size()),
                        kWhere, "the statistics belong to another chain");
    for (size_t t = 1; t < fitted.size(); ++t)
        if (!(std::isfinite(fitted[t]) && fitted[t] >= 0))
            throw Error("number",
                        "entry " + std::to_string(t) + " has fitted squared error " + format_number(fitted[t]),
                        kWhere, "it must be finite and not negative");
    if (!std::isfinite(statistics_.second_moment))
        throw Error("number", "the second moment of the data is not finite", kWhere);
    for (int t = 0; t <= process.table_size(); ++t) {
        if (t > 0 && !(std::isfinite(error[at(t)]) && error[at(t)] >= 0 && std::isfinite(decoder[at(t)])))
            throw Error("number",
                        "entry " + std::to_string(t) + " has squared error " + format_number(error[at(t)]) +
                            " and decoder cost " + format_number(decoder[at(t)]),
                        kWhere, "both must be finite and the error not negative");
        log_abar_.push_back(process.log_abar(t));
        abar_.push_back(process.abar(t));
        noise_.push_back(process.one_minus_abar(t));
    }
    if (!gamma.empty()) {
        analytic_.push_back(0);
        for (int t = 1; t <= process.table_size(); ++t) {
            const double g = gamma[at(t)];
            if (!(std::isfinite(g) && g >= 0))
                throw Error("number", "entry " + std::to_string(t) + " has Gamma = " + format_number(g),
                            kWhere, "it must be finite and not negative");
            analytic_.push_back(std::clamp(noise_[at(t)] / abar_[at(t)] * (1 - g), 0.0, 1.0));
        }
    }
    if (statistics_.learned) learned_.emplace(process, *statistics_.learned, error);
}

void ElboChain::require(ElboVariance variance) const {
    if (variance == ElboVariance::analytic && analytic_.empty())
        throw Error(
            "run", "the analytic variance of Bao et al. 2022 needs Gamma_t, which the statistics do not have",
            kWhere, "corrected-analytic, which was called analytic before, needs the squared errors only");
    if (variance == ElboVariance::learned && !learned_)
        throw Error("run",
                    "the learned variance needs the Laplace transforms of its network output, which the "
                    "statistics do "
                    "not have",
                    kWhere, "measure a network with variance channels, or take another variance");
}

double ElboChain::difference(int s, int t) const {
    return -abar_[at(s)] * std::expm1(log_abar_[at(t)] - log_abar_[at(s)]);
}

double ElboChain::added_variance(ElboVariance variance, int t) const {
    return variance == ElboVariance::analytic ? analytic_[at(t)] : fitted_error()[at(t)];
}

double ElboChain::edge(ElboVariance variance, int s, int t) const {
    SCHEDBENCH_ASSERT(s >= 1 && s < t && t <= table_size());
    const double b_s = noise_[at(s)], b_t = noise_[at(t)], error = statistics_.error[at(t)];
    const double step = difference(s, t), z = step / (b_s * b_t);
    switch (variance) {
        case ElboVariance::posterior:
            return z * error / 2;
        case ElboVariance::corrected_analytic:
        case ElboVariance::analytic: {
            require(variance);
            const double c = added_variance(variance, t);  // 1/rho = 1 + z c
            return (z * (error - c) / (1 + z * c) + std::log1p(z * c)) / 2;
        }
        case ElboVariance::learned:
            require(variance);
            return learned_->edge(t, std::log1p(step / b_s), z);
        case ElboVariance::beta:
            break;
    }
    const double w = step / b_t, rho = b_s / b_t;  // rho = btil / beta_{t|s} = 1 - w
    // rho - 1 - ln rho, by the form that keeps its digits for this w: at w = 1e-4 the plain one has lost
    // eight of them.
    const double mismatch = w < 1e-4  ? w * w * (0.5 + w / 3 + w * w / 4)
                            : w < 0.5 ? -w - std::log1p(-w)
                                      : rho - 1 - std::log(rho);
    return (mismatch + rho * z * error) / 2;
}

double ElboChain::error_slope(ElboVariance variance, int s, int t) const {
    SCHEDBENCH_ASSERT(s >= 1 && s < t && t <= table_size() && variance != ElboVariance::learned);
    require(variance);
    const double b_s = noise_[at(s)], b_t = noise_[at(t)], z = difference(s, t) / (b_s * b_t);
    switch (variance) {
        case ElboVariance::beta:
            return b_s / b_t * z / 2;
        case ElboVariance::corrected_analytic:
        case ElboVariance::analytic:
            return z / (1 + z * added_variance(variance, t)) / 2;
        default:
            return z / 2;
    }
}

double ElboChain::first_cost(const FirstStep& first, int t1, int t2) const {
    switch (first.rule) {
        case FirstStepRule::table:
            break;
        case FirstStepRule::path:
            SCHEDBENCH_ASSERT(first.cost && t2 > t1);
            return first.cost(t1, difference(t1, t2) / abar_[at(t1)] * noise_[at(t1)] / noise_[at(t2)]);
        case FirstStepRule::optimal: {
            const double variance = fitted_error()[at(t1)];
            if (!(variance > 0))
                throw Error("number",
                            "entry " + std::to_string(t1) + " has no error, so its best variance is 0",
                            kWhere, "take another first-step rule");
            if (first.cost) return first.cost(t1, variance);
            return gaussian_decoder_cost(statistics_.error[at(t1)], variance);
        }
    }
    return statistics_.decoder[at(t1)];
}

double ElboChain::prior(int t) const {
    SCHEDBENCH_ASSERT(t >= 1 && t <= table_size());
    return (abar_[at(t)] * (statistics_.second_moment - 1) - std::log1p(-abar_[at(t)])) / 2;
}

double ElboChain::path_cost(ElboVariance variance, const std::vector<int>& path,
                            const FirstStep& first) const {
    const bool needs_two = first.rule == FirstStepRule::path;
    if (path.empty() || (needs_two && path.size() < 2))
        throw Error("spec", "the path has " + std::to_string(path.size()) + " nodes", "path",
                    needs_two ? "this decoder's variance depends on the second node: give at least two" : "");
    for (size_t i = 0; i < path.size(); ++i)
        if (path[i] < 1 || path[i] > table_size() || (i > 0 && path[i] <= path[i - 1]))
            throw Error("number",
                        "node " + std::to_string(path[i]) + " is out of order or outside 1.." +
                            std::to_string(table_size()),
                        "path", "nodes rise from clean to noisy");
    double cost = first_cost(first, path[0], path.size() > 1 ? path[1] : 0);
    for (size_t i = 1; i < path.size(); ++i) cost += edge(variance, path[i - 1], path[i]);
    return cost + prior(path.back());
}

std::optional<CrossingForm> ElboChain::crossing_form(ElboVariance variance) const {
    if (variance == ElboVariance::analytic || variance == ElboVariance::learned) return {};
    if (variance == ElboVariance::corrected_analytic && !statistics_.fitted_error.empty()) return {};
    CrossingForm form;
    const size_t width = log_abar_.size();
    form.x.assign(width, 0);
    form.slope.assign(width, 0);
    form.logarithm = variance == ElboVariance::corrected_analytic;
    if (!form.logarithm) form.offset.assign(width, 0);
    for (size_t t = 1; t < width; ++t) {
        const long double log_abar = log_abar_[t], b = -std::expm1(log_abar), snr = std::exp(log_abar) / b;
        const double error = statistics_.error[t];
        if (variance ==
            ElboVariance::beta) {  // -ln(b_s)/2 + b_s g_t/2 less the same at t, g_t = (b_t - M_t)/b_t^2
            form.slope[t] = b / 2;
            form.offset[t] = -std::log(b) / 2;
            form.x[t] = static_cast<double>((b - error) / (b * b));
        } else {  // (SNR_s - SNR_t) M_t/2, or ln(1 + (SNR_s - SNR_t) M_t)/2
            form.slope[t] = form.logarithm ? snr : snr / 2;
            form.x[t] = error;
        }
    }
    return form;
}

PathCosts ElboChain::costs(ElboVariance variance, const FirstStep& first) const {
    require(variance);
    PathCosts out;
    out.table_size = table_size();
    out.form = crossing_form(variance);
    out.edge = [this, variance](int s, int t) { return edge(variance, s, t); };
    if (first.rule == FirstStepRule::path) {
        out.first_two = [this, variance, first](int s, int t) {
            return first_cost(first, s, t) + edge(variance, s, t);
        };
    } else {
        out.first.push_back(0);
        for (int t = 1; t <= table_size(); ++t) out.first.push_back(first_cost(first, t, 0));
    }
    return out;
}

BudgetPaths ElboChain::best_paths(ElboVariance variance, int max_steps, const FirstStep& first) const {
    return shortest_paths(costs(variance, first), max_steps);
}

double gaussian_decoder_cost(double error, double variance) {
    return std::log(2 * std::numbers::pi * variance) / 2 + error / (2 * variance);
}

double table_decoder_variance(const NoiseProcess& process, int t) {
    return t == 1 && process.table_size() > 1 ? process.posterior_variance(1, 2) : process.one_minus_abar(t);
}

double nats_to_bits(double nats) {
    return nats / std::numbers::ln2;
}

}  // namespace schedbench
