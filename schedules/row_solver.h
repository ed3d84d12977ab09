// One row of the dynamic programme. Internal to dynamic_programme.cpp and the ways of solving a row.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "schedules/dynamic_programme.h"

namespace schedbench {

class RowSolver {
  public:
    virtual ~RowSolver() = default;
    /// next[t] = min over s in [lowest, t) of previous[s] + edge(s, t), for t in (lowest, T]; parent[t -
    /// lowest - 1] = the smallest s that gives it, 0 if there is none. previous [T+1] may be infinite.
    virtual void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
                     uint16_t* parent) = 0;
};

/// Interior edges, 1 <= s < t <= T, read once: row t after row t - 1.
class EdgeTable {
  public:
    /// Error("number") for an edge that is not finite.
    EdgeTable(int table_size, const EdgeCost& edge);
    const double* row(int t) const {  ///< row(t)[s] = edge(s, t)
        return edges_.data() + static_cast<size_t>(t - 1) * static_cast<size_t>(t - 2) / 2;
    }
    int table_size() const { return table_size_; }
    bool quadrangle_inequality() const;

  private:
    int table_size_;
    std::vector<double> edges_;  ///< entry 0 is not used, so that s counts from 1
};

std::unique_ptr<RowSolver> plain_rows(const EdgeTable& edges);
std::unique_ptr<RowSolver> divided_rows(const EdgeTable& edges);
std::unique_ptr<RowSolver> envelope_rows(const CrossingForm& form, bool walk);

}  // namespace schedbench
