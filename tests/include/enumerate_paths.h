// Every path through a small table.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

namespace schedbench {

/// [T+1] least cost over all paths t_1 < ... < t_K = T, for every K; entry 0 and budgets without a path are
/// infinite.
inline std::vector<double> enumerate_paths(int size,
                                           const std::function<double(const std::vector<int>&)>& cost) {
    std::vector<double> best(static_cast<size_t>(size) + 1, INFINITY);
    for (unsigned mask = 0; mask < 1u << (size - 1); ++mask) {
        std::vector<int> path;
        for (int t = 1; t < size; ++t)
            if (mask >> (t - 1) & 1u) path.push_back(t);
        path.push_back(size);
        best[path.size()] = std::min(best[path.size()], cost(path));
    }
    return best;
}

}  // namespace schedbench
