#include "schedules/dynamic_programme.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "schedules/row_solver.h"

namespace schedbench {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kWhere = "dynamic programme";

size_t at(int i) {
    return static_cast<size_t>(i);
}

void check(const PathCosts& costs, int max_steps) {
    const int size = costs.table_size;
    if (size < 1 || size > 65535)
        throw Error("number", "the table must have 1 to 65535 entries, not " + std::to_string(size), kWhere);
    if (max_steps < 1 || max_steps > size)
        throw Error("number",
                    "the number of steps must lie between 1 and " + std::to_string(size) + ", not " +
                        std::to_string(max_steps),
                    kWhere, "a path visits each table entry at most once");
    SCHEDBENCH_ASSERT(costs.form || costs.edge);
    if (!costs.first_two) {
        SCHEDBENCH_ASSERT(costs.first.size() == at(size) + 1);
        for (int t = 1; t <= size; ++t)
            if (!(costs.first[at(t)] > -kInfinity))
                throw Error("number", "the cost of the edge " + std::to_string(t) + " -> 0 is not a number",
                            kWhere, "check the statistics for missing entries");
    }
    if (!costs.form) return;
    const CrossingForm& form = *costs.form;
    SCHEDBENCH_ASSERT(form.x.size() == at(size) + 1 && form.slope.size() == form.x.size());
    SCHEDBENCH_ASSERT(form.logarithm || form.offset.size() == form.x.size());
    for (int t = 1; t <= size; ++t)
        if (!std::isfinite(form.x[at(t)]) || !std::isfinite(form.slope[at(t)]) ||
            !(form.logarithm ? form.x[at(t)] >= 0 : std::isfinite(form.offset[at(t)])))
            throw Error("number", "the costs of the edges at entry " + std::to_string(t) + " are not finite",
                        kWhere, "check the statistics for missing or infinite entries");
}

RowMethod choose(const PathCosts& costs, int max_steps, RowMethod asked, const EdgeTable* edges) {
    if (asked == RowMethod::plain) return asked;
    if (costs.form) {
        const int disorder = costs.form->first_disorder();
        if (asked == RowMethod::search || (asked == RowMethod::automatic && disorder > 0))
            return RowMethod::search;
        if (asked == RowMethod::automatic) return RowMethod::walk;
        if (disorder == 0) return asked;
        throw Error("number",
                    "the statistics are out of order at entry " + std::to_string(disorder) + ", which " +
                        method_name(asked) + " cannot have",
                    kWhere, "leave the choice of the method to the program");
    }
    if (asked == RowMethod::walk || asked == RowMethod::search)
        throw Error("number", method_name(asked) + " needs costs in closed form", kWhere,
                    "leave the choice of the method to the program");
    if (edges->quadrangle_inequality()) return RowMethod::divide;
    if (asked == RowMethod::divide)
        throw Error("number",
                    "the edges do not satisfy the quadrangle inequality, which divide and conquer needs",
                    kWhere, "leave the choice of the method to the program");
    if (max_steps > plain_budget_limit(costs.table_size))
        throw Error("number",
                    "these costs need every edge in every row, so at most " +
                        std::to_string(plain_budget_limit(costs.table_size)) + " steps can be had of " +
                        std::to_string(costs.table_size) + " entries, not " + std::to_string(max_steps),
                    kWhere, "ask for fewer steps");
    return RowMethod::plain;
}

std::vector<double> second_row(const PathCosts& costs, BudgetPaths& out) {
    std::vector<double> row(at(costs.table_size) + 1, kInfinity);
    for (int t = 2; t <= costs.table_size; ++t)
        for (int s = 1; s < t; ++s) {
            const double cost = costs.first_two(s, t);
            if (!std::isfinite(cost))
                throw Error("number",
                            "the cost of the first two edges, " + std::to_string(t) + " -> " +
                                std::to_string(s) + " -> 0, is not finite",
                            kWhere, "check the statistics for missing or infinite entries");
            if (cost < row[at(t)]) {
                row[at(t)] = cost;
                out.parent[2][at(t - 2)] = static_cast<uint16_t>(s);
            }
        }
    return row;
}

}  // namespace

std::string method_name(RowMethod method) {
    switch (method) {
        case RowMethod::automatic:
            return "automatic";
        case RowMethod::plain:
            return "plain rows";
        case RowMethod::divide:
            return "divide and conquer";
        case RowMethod::walk:
            return "envelope walk";
        case RowMethod::search:
            return "envelope search";
    }
    SCHEDBENCH_ASSERT(false);
    return "";
}

PathCosts PathCosts::of_edges(int table_size, const EdgeCost& cost) {
    PathCosts out;
    out.table_size = table_size;
    out.first.push_back(0);
    for (int t = 1; t <= table_size; ++t) out.first.push_back(cost(0, t));
    out.edge = cost;
    return out;
}

BudgetPath BudgetPaths::best(int steps, Budget budget) const {
    if (steps < 1 || steps > max_steps())
        throw Error("number",
                    "paths were found for 1 to " + std::to_string(max_steps()) + " steps, not " +
                        std::to_string(steps),
                    kWhere);
    BudgetPath out;
    out.steps = steps;
    if (budget == Budget::at_most)
        out.steps =
            static_cast<int>(std::min_element(cost.begin() + 1, cost.begin() + 1 + steps) - cost.begin());
    out.cost = cost[at(out.steps)];
    if (!std::isfinite(out.cost))
        throw Error("number", "there is no path with " + std::to_string(steps) + " steps", kWhere,
                    "the costs of the first edges forbid it; ask for more steps");
    out.nodes.assign(at(out.steps), table_size);
    for (int k = out.steps; k > 1; --k) out.nodes[at(k - 2)] = parent[at(k)][at(out.nodes[at(k - 1)] - k)];
    return out;
}

int plain_budget_limit(int table_size) {
    const double scale = 4000.0 / table_size;
    return static_cast<int>(std::clamp(256 * scale * scale, 1.0, static_cast<double>(table_size)));
}

BudgetPaths shortest_paths(const PathCosts& costs, int max_steps, RowMethod method) {
    check(costs, max_steps);
    std::optional<EdgeTable> edges;
    if (!costs.form || method == RowMethod::plain || method == RowMethod::divide) {
        SCHEDBENCH_ASSERT(costs.edge);
        edges.emplace(costs.table_size, costs.edge);
    }
    BudgetPaths out;
    out.table_size = costs.table_size;
    out.method = choose(costs, max_steps, method, edges ? &*edges : nullptr);
    out.cost.assign(at(max_steps) + 1, kInfinity);
    out.parent.resize(at(max_steps) + 1);
    for (int k = 2; k <= max_steps; ++k) out.parent[at(k)].resize(at(costs.table_size + 1 - k));
    std::unique_ptr<RowSolver> rows;
    switch (out.method) {
        case RowMethod::plain:
            rows = plain_rows(*edges);
            break;
        case RowMethod::divide:
            rows = divided_rows(*edges);
            break;
        default:
            rows = envelope_rows(*costs.form, out.method == RowMethod::walk);
    }
    std::vector<double> previous = costs.first, next(at(costs.table_size) + 1, kInfinity);
    int done = 1;
    if (costs.first_two) {
        done = 2;
        if (max_steps < 2) return out;
        previous = second_row(costs, out);
    }
    out.cost[at(done)] = previous.back();
    for (int k = done + 1; k <= max_steps; ++k) {
        rows->row(k - 1, previous, next, out.parent[at(k)].data());
        out.cost[at(k)] = next.back();
        previous.swap(next);
    }
    return out;
}

}  // namespace schedbench
