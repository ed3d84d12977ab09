// Exact shortest paths 0 = t_0 < t_1 < ... < t_K = T with additive costs, for all numbers of steps K in one
// run (Watson et al. 2021, algorithm 1): C[1][t] = first[t], C[k][t] = min_{s<t} C[k-1][s] + edge(s, t).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace schedbench {

/// Cost of the edge from node t to the cleaner node s, 1 <= s < t.
using EdgeCost = std::function<double(int s, int t)>;

/// Edge costs that order the sources alike up to one crossing: for every t the source that minimises
/// previous[s] + edge(s, t) is the one that minimises
///     previous[s] + offset[s] + slope[s] x[t]                 (logarithm = false), or
///     previous[s] + offset[s] + ln(slope[s] + x[t]) / 2       (logarithm = true; slope[s] + x[t] > 0
///     wherever s < t).
/// Two such functions of x cross at most once, so that a row is found in O(T log T) whatever the values are.
struct CrossingForm {
    std::vector<double> x, slope, offset;  ///< [T+1]; entry 0 is not used
    bool logarithm = false;
};

/// Optimal paths for every budget.
struct BudgetPaths {
    int table_size = 0;            ///< T
    std::vector<double> cost;      ///< [Kmax+1] cost with exactly K steps; infinite where there is no path
    std::vector<uint16_t> parent;  ///< [Kmax+1][T+1] previous node

    int max_steps() const { return static_cast<int>(cost.size()) - 1; }
    std::vector<int> path(int steps) const;  ///< t_1 < ... < t_K = T (node 0 is left out)
    /// The budget K' <= K of least cost: more steps can be worse when all of them must be used.
    int best_at_most(int steps) const;
};

/// first: [T+1], first[t] = cost of the edge from t to the data. Reads every edge once and then needs T^2
/// Kmax / 2 additions and 4 T^2 bytes. Ties go to the smallest index. T <= 65535. Error("number") for NaN or
/// infinite costs.
BudgetPaths shortest_paths(const std::vector<double>& first, const EdgeCost& edge, int max_steps);

/// The same through the crossing form: O(Kmax T log T) and T Kmax calls of edge, which gives the costs
/// themselves.
BudgetPaths shortest_paths(const std::vector<double>& first, const EdgeCost& edge, const CrossingForm& form,
                           int max_steps);

/// Costs in which the first two edges belong together (a decoder whose variance depends on the second node):
/// C[2][t] = min_s first_two(s, t), ordinary rows from the third. There is no path with K = 1.
BudgetPaths shortest_paths_first_two(int table_size, const EdgeCost& first_two, const EdgeCost& edge,
                                     int max_steps);
BudgetPaths shortest_paths_first_two(int table_size, const EdgeCost& first_two, const EdgeCost& edge,
                                     const CrossingForm& form, int max_steps);

}  // namespace schedbench
