#include "schedules/elbo_cost.h"

#include <cmath>
#include <numbers>
#include <string>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {
size_t at(int i) {
    return static_cast<size_t>(i);
}
}  // namespace

ElboChain::ElboChain(const NoiseProcess& process, std::vector<double> error, std::vector<double> decoder,
                     double second_moment)
    : error_(std::move(error)), decoder_(std::move(decoder)), second_moment_(second_moment) {
    const std::string where = "statistics of the chain";
    if (!process.discrete())
        throw Error("spec", "the evidence bound of a path needs a discrete noise process", where);
    const size_t width = at(process.table_size()) + 1;
    if (error_.size() != width || decoder_.size() != width)
        throw Error("shape",
                    "expected " + std::to_string(width) + " entries (0..T), not " +
                        std::to_string(error_.size()) + " and " + std::to_string(decoder_.size()),
                    where);
    if (!std::isfinite(second_moment_))
        throw Error("number", "the second moment of the data is not finite", where);
    for (int t = 0; t <= process.table_size(); ++t) {
        if (t > 0 && !(std::isfinite(error_[at(t)]) && error_[at(t)] >= 0 && std::isfinite(decoder_[at(t)])))
            throw Error("number",
                        "entry " + std::to_string(t) + " has squared error " + format_number(error_[at(t)]) +
                            " and decoder cost " + format_number(decoder_[at(t)]),
                        where, "both must be finite and the error not negative");
        log_abar_.push_back(process.log_abar(t));
        abar_.push_back(process.abar(t));
        noise_.push_back(process.one_minus_abar(t));
        snr_.push_back(process.snr(t));
    }
}

double ElboChain::edge(ElboVariance variance, int s, int t) const {
    SCHEDBENCH_ASSERT(s >= 1 && s < t && t <= table_size());
    // b_t - b_s = abar_s - abar_t, without subtracting numbers that are nearly equal.
    const double difference = -abar_[at(s)] * std::expm1(log_abar_[at(t)] - log_abar_[at(s)]);
    const double gain =
        difference / (noise_[at(s)] * noise_[at(t)]) * error_[at(t)] / 2;  // (SNR_s - SNR_t) M_t / 2
    switch (variance) {
        case ElboVariance::posterior:
            return gain;
        case ElboVariance::analytic:
            return std::log1p(2 * gain) / 2;
        case ElboVariance::beta:
            break;
    }
    const double w = difference / noise_[at(t)];       // 1 - rho
    const double rho = noise_[at(s)] / noise_[at(t)];  // btil / beta_{t|s}
    // rho - 1 - ln rho, by the form that keeps its digits for this w: at w = 1e-4 the plain one has lost
    // eight of them.
    const double mismatch = w < 1e-4  ? w * w * (0.5 + w / 3 + w * w / 4)
                            : w < 0.5 ? -w - std::log1p(-w)
                                      : rho - 1 - std::log(rho);
    return mismatch / 2 + rho * gain;
}

double ElboChain::prior(int t) const {
    SCHEDBENCH_ASSERT(t >= 1 && t <= table_size());
    return (abar_[at(t)] * (second_moment_ - 1) - std::log1p(-abar_[at(t)])) / 2;
}

double ElboChain::path_cost(ElboVariance variance, const std::vector<int>& path,
                            const PathDecoder& path_decoder) const {
    if (path.empty() || (path_decoder && path.size() < 2))
        throw Error(
            "spec", "the path has " + std::to_string(path.size()) + " nodes", "path",
            path_decoder ? "this decoder's variance depends on the second node: give at least two" : "");
    for (size_t i = 0; i < path.size(); ++i)
        if (path[i] < 1 || path[i] > table_size() || (i > 0 && path[i] <= path[i - 1]))
            throw Error("number",
                        "node " + std::to_string(path[i]) + " is out of order or outside 1.." +
                            std::to_string(table_size()),
                        "path", "nodes rise from clean to noisy");
    double cost = path_decoder ? path_decoder(path[0], path[1]) : decoder_[at(path[0])];
    for (size_t i = 1; i < path.size(); ++i) cost += edge(variance, path[i - 1], path[i]);
    return cost + prior(path.back());
}

CrossingForm ElboChain::crossing_form(ElboVariance variance) const {
    CrossingForm form;
    const size_t width = error_.size();
    form.x.assign(width, 0);
    form.slope.assign(width, 0);
    form.offset.assign(width, 0);
    form.logarithm = variance == ElboVariance::analytic;
    for (size_t t = 1; t < width; ++t) {
        const double b = noise_[t], m = error_[t];
        switch (variance) {
            case ElboVariance::posterior:  // SNR_s M_t / 2 - SNR_t M_t / 2
                form.slope[t] = snr_[t] / 2;
                form.x[t] = m;
                break;
            case ElboVariance::beta:  // -ln(b_s)/2 + b_s g_t / 2 + h_t, g_t = (b_t - M_t) / b_t^2
                form.slope[t] = b / 2;
                form.offset[t] = -std::log(b) / 2;
                form.x[t] = (b - m) / (b * b);
                break;
            case ElboVariance::analytic:  // ln(SNR_s + kappa_t)/2 + ln(M_t)/2, kappa_t = 1/M_t - SNR_t
                form.slope[t] = snr_[t];
                form.x[t] = 1 / std::max(m, 1e-300) - snr_[t];
                break;
        }
    }
    return form;
}

BudgetPaths ElboChain::best_paths(ElboVariance variance, int max_steps) const {
    return shortest_paths(
        decoder_, [&](int s, int t) { return edge(variance, s, t); }, crossing_form(variance), max_steps);
}

BudgetPaths ElboChain::best_paths(ElboVariance variance, int max_steps,
                                  const PathDecoder& path_decoder) const {
    auto cost = [&](int s, int t) { return edge(variance, s, t); };
    auto first_two = [&](int s, int t) { return path_decoder(s, t) + edge(variance, s, t); };
    return shortest_paths_first_two(table_size(), first_two, cost, crossing_form(variance), max_steps);
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
