#include "schedules/dynamic_programme.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kWhere = "dynamic programme";

size_t at(int i) {
    return static_cast<size_t>(i);
}

double checked(double cost, int s, int t) {
    if (!std::isfinite(cost))
        throw Error(
            "number",
            "the cost of the edge " + std::to_string(t) + " -> " + std::to_string(s) + " is not finite",
            kWhere, "check the statistics for missing or infinite entries");
    return cost;
}

/// One row: next[t] = min over s in [lowest, t) of previous[s] + edge(s, t), for t in (lowest, T].
class RowSolver {
  public:
    virtual ~RowSolver() = default;
    virtual void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
                     uint16_t* parent) = 0;
};

class PlainRows : public RowSolver {
  public:
    PlainRows(int table_size, const EdgeCost& edge) : table_size_(table_size) {
        edges_.reserve(at(table_size) * at(table_size) / 2);
        for (int t = 2; t <= table_size; ++t)
            for (int s = 1; s < t; ++s) edges_.push_back(checked(edge(s, t), s, t));
    }
    void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
             uint16_t* parent) override {
        for (int t = lowest + 1; t <= table_size_; ++t) {
            const double* cost = edges_.data() + at(t - 1) * at(t - 2) / 2 - 1;  // cost[s] = edge(s, t)
            double best = kInfinity;
            int from = 0;
            for (int s = lowest; s < t; ++s) {
                const double value = previous[at(s)] + cost[s];
                if (value < best) {
                    best = value;
                    from = s;
                }
            }
            next[at(t)] = best;
            parent[t] = static_cast<uint16_t>(from);
        }
    }

  private:
    int table_size_;
    std::vector<double> edges_;
};

/// Lower envelope of functions that cross at most once, over the sorted values x (the tree of Li Chao): each
/// node of a binary tree over the values keeps the source that is best at its middle, the other one goes to
/// the side on which it can still be better.
class CrossingRows : public RowSolver {
  public:
    CrossingRows(int table_size, const EdgeCost& edge, const CrossingForm& form)
        : table_size_(table_size),
          edge_(edge),
          form_(form),
          rank_(at(table_size) + 1),
          tree_(4 * at(table_size)) {
        std::vector<int> order(at(table_size));
        std::iota(order.begin(), order.end(), 1);
        std::sort(order.begin(), order.end(), [&](int a, int b) { return form.x[at(a)] < form.x[at(b)]; });
        for (int i = 0; i < table_size; ++i) {
            rank_[at(order[at(i)])] = i;
            sorted_.push_back(form.x[at(order[at(i)])]);
        }
    }
    void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
             uint16_t* parent) override {
        std::fill(tree_.begin(), tree_.end(), 0);
        height_.assign(previous.size(), 0);
        for (int s = lowest; s < table_size_; ++s) {
            height_[at(s)] = previous[at(s)] + form_.offset[at(s)];
            insert(s);
            const int t = s + 1, from = best(rank_[at(t)]);
            next[at(t)] = previous[at(from)] + checked(edge_(from, t), from, t);
            parent[t] = static_cast<uint16_t>(from);
        }
    }

  private:
    double value(int s, double x) const {
        const double slope = form_.slope[at(s)];
        if (!form_.logarithm) return height_[at(s)] + slope * x;
        return slope + x > 0 ? height_[at(s)] + std::log(slope + x) / 2 : -kInfinity;
    }
    /// Whether a can be better than b only below the x at which they are compared.
    bool wins_low(int a, int b) const {
        const double slope_a = form_.slope[at(a)], slope_b = form_.slope[at(b)];
        return form_.logarithm ? slope_a < slope_b : slope_a > slope_b;
    }
    bool better(int a, int b, double x) const {
        const double value_a = value(a, x), value_b = value(b, x);
        // Where both logarithms have ended, the one that ended at the higher x counts as the lower.
        if (value_a == -kInfinity && value_b == -kInfinity) return wins_low(a, b);
        return value_a < value_b || (value_a == value_b && a < b);
    }
    void insert(int s) {
        size_t node = 1;
        for (int low = 0, high = table_size_; low < high;) {
            const int middle = (low + high) / 2;
            int& kept = tree_[node];
            if (kept == 0) {
                kept = s;
                return;
            }
            if (better(s, kept, sorted_[at(middle)])) std::swap(s, kept);
            if (wins_low(s, kept)) {
                high = middle;
                node = 2 * node;
            } else {
                low = middle + 1;
                node = 2 * node + 1;
            }
        }
    }
    int best(int position) const {
        int out = 0;
        size_t node = 1;
        const double x = sorted_[at(position)];
        for (int low = 0, high = table_size_; low < high;) {
            const int middle = (low + high) / 2, kept = tree_[node];
            if (kept == 0) break;
            if (out == 0 || better(kept, out, x)) out = kept;
            if (position == middle) break;
            if (position < middle) {
                high = middle;
                node = 2 * node;
            } else {
                low = middle + 1;
                node = 2 * node + 1;
            }
        }
        return out;
    }

    int table_size_;
    const EdgeCost& edge_;
    const CrossingForm& form_;
    std::vector<int> rank_;       ///< [T+1] position of x[t] among the sorted values
    std::vector<double> sorted_;  ///< [T]
    std::vector<int> tree_;       ///< source kept at each node; 0 = none
    std::vector<double> height_;  ///< [T+1] previous[s] + offset[s]
};

BudgetPaths start(int table_size, int max_steps) {
    if (table_size < 1 || table_size > 65535)
        throw Error("number", "the table must have 1 to 65535 entries, not " + std::to_string(table_size),
                    kWhere);
    if (max_steps < 1 || max_steps > table_size)
        throw Error("number",
                    "the number of steps must lie between 1 and " + std::to_string(table_size) + ", not " +
                        std::to_string(max_steps),
                    kWhere, "a path visits each table entry at most once");
    BudgetPaths out;
    out.table_size = table_size;
    out.cost.assign(at(max_steps) + 1, kInfinity);
    out.parent.assign(at(max_steps + 1) * at(table_size + 1), 0);
    return out;
}

/// Fills rows k >= done + 1 from row `done`.
void run(BudgetPaths& out, std::vector<double> previous, int done, RowSolver& solver) {
    const size_t width = at(out.table_size) + 1;
    std::vector<double> next(width, kInfinity);
    for (int k = done + 1; k <= out.max_steps(); ++k) {
        std::fill(next.begin(), next.end(), kInfinity);
        solver.row(k - 1, previous, next, out.parent.data() + at(k) * width);
        out.cost[at(k)] = next.back();
        previous.swap(next);
    }
}

BudgetPaths from_first(const std::vector<double>& first, int max_steps, RowSolver& solver) {
    const int table_size = static_cast<int>(first.size()) - 1;
    BudgetPaths out = start(table_size, max_steps);
    for (int t = 1; t <= table_size; ++t) checked(first[at(t)], 0, t);
    out.cost[1] = first.back();
    run(out, first, 1, solver);
    return out;
}

BudgetPaths from_first_two(int table_size, const EdgeCost& first_two, int max_steps, RowSolver& solver) {
    BudgetPaths out = start(table_size, max_steps);
    if (max_steps < 2) return out;
    const size_t width = at(table_size) + 1;
    std::vector<double> second(width, kInfinity);
    for (int t = 2; t <= table_size; ++t)
        for (int s = 1; s < t; ++s) {
            const double cost = checked(first_two(s, t), s, t);
            if (cost < second[at(t)]) {
                second[at(t)] = cost;
                out.parent[2 * width + at(t)] = static_cast<uint16_t>(s);
            }
        }
    out.cost[2] = second.back();
    run(out, second, 2, solver);
    return out;
}

}  // namespace

std::vector<int> BudgetPaths::path(int steps) const {
    SCHEDBENCH_ASSERT(steps >= 1 && steps <= max_steps() && std::isfinite(cost[at(steps)]));
    std::vector<int> out(at(steps), table_size);
    for (int k = steps; k > 1; --k)
        out[at(k - 2)] = parent[at(k) * (at(table_size) + 1) + at(out[at(k - 1)])];
    return out;
}

int BudgetPaths::best_at_most(int steps) const {
    SCHEDBENCH_ASSERT(steps >= 1 && steps <= max_steps());
    return static_cast<int>(std::min_element(cost.begin() + 1, cost.begin() + 1 + steps) - cost.begin());
}

BudgetPaths shortest_paths(const std::vector<double>& first, const EdgeCost& edge, int max_steps) {
    PlainRows rows(static_cast<int>(first.size()) - 1, edge);
    return from_first(first, max_steps, rows);
}

BudgetPaths shortest_paths(const std::vector<double>& first, const EdgeCost& edge, const CrossingForm& form,
                           int max_steps) {
    SCHEDBENCH_ASSERT(form.x.size() == first.size());
    CrossingRows rows(static_cast<int>(first.size()) - 1, edge, form);
    return from_first(first, max_steps, rows);
}

BudgetPaths shortest_paths_first_two(int table_size, const EdgeCost& first_two, const EdgeCost& edge,
                                     int max_steps) {
    PlainRows rows(table_size, edge);
    return from_first_two(table_size, first_two, max_steps, rows);
}

BudgetPaths shortest_paths_first_two(int table_size, const EdgeCost& first_two, const EdgeCost& edge,
                                     const CrossingForm& form, int max_steps) {
    SCHEDBENCH_ASSERT(form.x.size() == at(table_size) + 1);
    CrossingRows rows(table_size, edge, form);
    return from_first_two(table_size, first_two, max_steps, rows);
}

}  // namespace schedbench
