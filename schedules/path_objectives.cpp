#include "schedules/path_objectives.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

size_t at(int i) {
    return static_cast<size_t>(i);
}

void check(const NoiseProcess& process, const std::vector<double>& values, const std::string& what,
           const std::string& where) {
    if (!process.discrete()) throw Error("spec", "a path needs a discrete noise process", where);
    if (values.size() != at(process.table_size()) + 1)
        throw Error("shape",
                    "expected " + std::to_string(process.table_size() + 1) + " entries (0..T) of " + what +
                        ", not " + std::to_string(values.size()),
                    where, "the statistics belong to another chain");
    for (size_t t = 1; t < values.size(); ++t)
        if (!(std::isfinite(values[t]) && values[t] >= 0))
            throw Error("number",
                        "entry " + std::to_string(t) + " has " + what + " " + format_number(values[t]), where,
                        "it must be finite and not negative");
}

/// Nodes left to the programme: the first `nodes` entries, with `steps` nodes; the others are even.
struct Split {
    int nodes, steps, even_steps;
};

Split split(int table_size, int steps, int first_excess) {
    const int left_out = first_excess == 0 ? 0 : 2 * (table_size - first_excess + 1);
    Split out{table_size - left_out, 0, 0};
    out.steps = static_cast<int>(std::ceil((1 - 0.8 * (static_cast<double>(left_out) / table_size)) * steps));
    out.steps = std::min(out.steps, out.nodes);
    out.even_steps = std::min(steps - out.steps, left_out);
    if (left_out > 0) out.even_steps = std::max(out.even_steps, 1);
    out.steps = steps - out.even_steps;
    return out;
}

}  // namespace

PathCosts reweighted_error_costs(const NoiseProcess& process, const std::vector<double>& error,
                                 ErrorWeight weight) {
    check(process, error, "squared error", "reweighted error");
    const int size = process.table_size();
    PathCosts out;
    out.table_size = size;
    CrossingForm form;
    form.x = error;
    form.offset.assign(error.size(), 0);
    // With W_t the sum of the weights up to t: (W_t - W_s) M_t.
    long double sum = 0;
    std::vector<double> total(error.size(), 0.0);
    form.slope.push_back(0);
    out.first.push_back(0);
    for (int t = 1; t <= size; ++t) {
        sum += weight == ErrorWeight::unit ? 1 : process.snr(t);
        form.slope.push_back(-sum / size);
        total[at(t)] = static_cast<double>(sum / size);
        out.first.push_back(total[at(t)] * error[at(t)]);
    }
    out.edge = [total, error](int s, int t) { return (total[at(t)] - total[at(s)]) * error[at(t)]; };
    out.form = std::move(form);
    return out;
}

AnalyticDpmPath analytic_dpm_path(const NoiseProcess& process, const std::vector<double>& gamma, int steps) {
    const std::string where = "path of analytic-dpm";
    check(process, gamma, "Gamma", where);
    const int size = process.table_size();
    if (steps < 2 || steps > size)
        throw Error("number",
                    "the number of steps must lie between 2 and " + std::to_string(size) + ", not " +
                        std::to_string(steps),
                    where, "both ends, 1 and T, are nodes");
    AnalyticDpmPath out;
    for (int t = size; t >= 1; --t)
        if (gamma[at(t)] > 1) out.first_excess = t;
    const Split parts = split(size, steps, out.first_excess);
    if (parts.nodes < 1 || parts.steps < 1 || parts.steps > parts.nodes ||
        (parts.steps == 1 && parts.nodes > 1))
        throw Error("number",
                    "entry " + std::to_string(out.first_excess) + " has Gamma " +
                        format_number(gamma[at(out.first_excess)]) + " > 1, which leaves " +
                        std::to_string(std::max(parts.steps, 0)) + " of " + std::to_string(steps) +
                        " nodes for the first " + std::to_string(std::max(parts.nodes, 0)) + " entries",
                    where, "measure Gamma_t on more data, or ask for more steps");
    PathCosts costs;
    costs.table_size = parts.nodes;
    CrossingForm form;
    form.logarithm = true;
    form.scale = 1;
    for (int t = 0; t <= parts.nodes; ++t) {
        const long double log_abar = process.log_abar(t), noise = -std::expm1(log_abar);
        form.slope.push_back(t == 0 ? 0 : std::exp(log_abar) / noise);
        form.x.push_back(t == 0 ? 0 : static_cast<double>(noise / std::exp(log_abar) * (1 - gamma[at(t)])));
        costs.first.push_back(t <= 1 ? 0 : std::numeric_limits<double>::infinity());
    }
    costs.form = std::move(form);
    const BudgetPaths best = shortest_paths(costs, parts.steps);
    out.nodes = best.path(parts.steps);
    out.cost = best.cost.back();
    out.method = best.method;
    out.even_steps = parts.even_steps;
    for (int k = parts.even_steps - 1; k >= 0; --k)
        out.nodes.push_back(static_cast<int>(
            std::nearbyint(size - static_cast<double>(size - parts.nodes) / parts.even_steps * k)));
    return out;
}

}  // namespace schedbench
