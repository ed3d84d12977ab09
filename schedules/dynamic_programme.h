// Exact shortest paths 0 = t_0 < t_1 < ... < t_K = T with additive costs, for all numbers of steps K in one
// run (Watson et al. 2021, algorithm 1): C[1][t] = first[t], C[k][t] = min_{s<t} C[k-1][s] + edge(s, t).
//
// Nothing here knows what the nodes are: entries of a table, levels of a sigma grid, points of a trajectory.
// Node 0 is the clean end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "schedules/crossing_form.h"

namespace schedbench {

/// Cost of the edge from node t to the cleaner node s, s < t.
using EdgeCost = std::function<double(int s, int t)>;

/// How the minimum of a row is found. All give the same costs.
enum class RowMethod {
    automatic,
    plain,   ///< every edge: T^2/2 additions a row
    divide,  ///< divide and conquer over T log T edges a row; needs the quadrangle inequality
    walk,    ///< envelope of the crossing form with a pointer that never goes back: O(T) a row; needs ordered
             ///< queries
    search,  ///< envelope of the crossing form with a binary search: O(T log T) a row, whatever the
             ///< statistics are
};
std::string method_name(
    RowMethod method);  ///< "plain rows", "divide and conquer", "envelope walk", "envelope search"

/// What is minimised. The first edges are `first` or, where the first two belong together, `first_two`; the
/// others are `form` or, where there is none, `edge`.
struct PathCosts {
    int table_size = 0;         ///< T, 1 to 65535
    std::vector<double> first;  ///< [T+1] cost of the edge from t to node 0; infinite: no such edge
    EdgeCost first_two;  ///< cost of 0 -> t_1 and t_1 -> t_2 together; there is then no path with K = 1
    EdgeCost edge;       ///< 1 <= s < t
    std::optional<CrossingForm> form;  ///< the same costs in closed form

    /// Any additive cost on any grid: cost(s, t), 0 <= s < t <= T.
    static PathCosts of_edges(int table_size, const EdgeCost& cost);
};

/// Whether a path has to use all of its steps: more steps can be worse.
enum class Budget { exactly, at_most };

struct BudgetPath {
    int steps = 0;  ///< nodes of the path; with Budget::at_most it may be less than what was asked for
    double cost = 0;
    std::vector<int> nodes;  ///< t_1 < ... < t_K = T (node 0 is left out)
};

/// Optimal paths for every budget.
struct BudgetPaths {
    int table_size = 0;                   ///< T
    RowMethod method = RowMethod::plain;  ///< the one that was used, for the record
    std::vector<double> cost;  ///< [Kmax+1] cost with exactly K steps; infinite where there is no path
    std::vector<std::vector<uint16_t>> parent;  ///< [Kmax+1][T+1-k] previous node of t = k .. T in row k >= 2

    int max_steps() const { return static_cast<int>(cost.size()) - 1; }
    /// Error("number") if there is no path, or steps is outside 1 .. max_steps().
    BudgetPath best(int steps, Budget budget = Budget::exactly) const;
    std::vector<int> path(int steps) const { return best(steps).nodes; }  ///< with exactly this many steps
    int best_at_most(int steps) const { return best(steps, Budget::at_most).steps; }
};

/// The largest Kmax that `automatic` takes for costs without a form whose edges do not satisfy the quadrangle
/// inequality: 256 (4000/T)^2, at most T, which is a few seconds whatever T is. Every T up to 1587 has all
/// its budgets.
int plain_budget_limit(int table_size);

/// All budgets 1 .. max_steps. Equal costs go to the smallest index. With a form: no edge is stored, and
/// parents need T^2 bytes. Without: 4 T^2 bytes more, and every edge is asked for once; rows are divided
/// where the stored edges satisfy edge(s,t) + edge(s+1,t+1) <= edge(s,t+1) + edge(s+1,t) for all s + 1 < t,
/// which is tested, else plain. Error("number") for NaN, infinite edges, T or max_steps out of range, more
/// budgets than plain_budget_limit() without structure, or a method asked for by name that the costs do not
/// allow.
BudgetPaths shortest_paths(const PathCosts& costs, int max_steps, RowMethod method = RowMethod::automatic);

}  // namespace schedbench
