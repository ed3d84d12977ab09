// Rows over edges that are stored: plain, and by divide and conquer.
#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "schedules/row_solver.h"

namespace schedbench {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t at(int i) {
    return static_cast<size_t>(i);
}

struct Best {
    double value = kInfinity;
    int from = 0;
};

/// The smallest s in [low, high) that minimises previous[s] + cost[s]. Blocks keep eight running minima,
/// which the compiler turns into vector instructions; the index is looked up only where a block improves on
/// the ones before.
Best scan(const double* previous, const double* cost, int low, int high) {
    constexpr int lanes = 8, block = 128;
    Best best;
    for (int begin = low; begin < high; begin += block) {
        const int end = std::min(begin + block, high);
        double least = kInfinity;
        int s = begin;
        if (end - begin >= lanes) {
            double running[lanes];
            for (int j = 0; j < lanes; ++j) running[j] = kInfinity;
            for (; s + lanes <= end; s += lanes)
                for (int j = 0; j < lanes; ++j) {
                    const double value = previous[s + j] + cost[s + j];
                    running[j] = value < running[j] ? value : running[j];
                }
            for (double value : running) least = value < least ? value : least;
        }
        for (; s < end; ++s) least = std::min(least, previous[s] + cost[s]);
        if (!(least < best.value)) continue;
        best.value = least;
        for (s = begin; previous[s] + cost[s] != least;) ++s;
        best.from = s;
    }
    return best;
}

class PlainRows : public RowSolver {
  public:
    explicit PlainRows(const EdgeTable& edges) : edges_(edges) {}
    void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
             uint16_t* parent) override {
        for (int t = lowest + 1; t <= edges_.table_size(); ++t) {
            const Best best = scan(previous.data(), edges_.row(t), lowest, t);
            next[at(t)] = best.value;
            parent[t - lowest - 1] = static_cast<uint16_t>(best.from);
        }
    }

  private:
    const EdgeTable& edges_;
};

/// The best source does not move back when t grows, so the source of a middle t bounds those on either side.
class DividedRows : public RowSolver {
  public:
    explicit DividedRows(const EdgeTable& edges) : edges_(edges) {}
    void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
             uint16_t* parent) override {
        divide(lowest + 1, edges_.table_size(), lowest, edges_.table_size() - 1, previous, next,
               parent - lowest - 1);
    }

  private:
    void divide(int first, int last, int low, int high, const std::vector<double>& previous,
                std::vector<double>& next, uint16_t* parent) {
        while (first <= last) {
            const int t = (first + last) / 2;
            const Best best = scan(previous.data(), edges_.row(t), low, std::min(high + 1, t));
            next[at(t)] = best.value;
            parent[t] = static_cast<uint16_t>(best.from);
            // No source reaches t: those that could reach a later t are at t or after it.
            const int from = best.from > 0 ? best.from : low;
            divide(first, t - 1, low, best.from > 0 ? from : high, previous, next, parent);
            first = t + 1;
            low = from;
        }
    }

    const EdgeTable& edges_;
};

}  // namespace

EdgeTable::EdgeTable(int table_size, const EdgeCost& edge) : table_size_(table_size) {
    edges_.reserve(at(table_size) * at(table_size - 1) / 2 + 1);
    edges_.push_back(0);
    for (int t = 2; t <= table_size; ++t)
        for (int s = 1; s < t; ++s) {
            edges_.push_back(edge(s, t));
            if (!std::isfinite(edges_.back()))
                throw Error("number",
                            "the cost of the edge " + std::to_string(t) + " -> " + std::to_string(s) +
                                " is not finite",
                            "dynamic programme", "check the statistics for missing or infinite entries");
        }
}

bool EdgeTable::quadrangle_inequality() const {
    for (int t = 3; t < table_size_; ++t) {
        const double *here = row(t), *after = row(t + 1);
        for (int s = 1; s + 1 < t; ++s)
            if (!(here[s] + after[s + 1] <= after[s] + here[s + 1])) return false;
    }
    return true;
}

std::unique_ptr<RowSolver> plain_rows(const EdgeTable& edges) {
    return std::make_unique<PlainRows>(edges);
}

std::unique_ptr<RowSolver> divided_rows(const EdgeTable& edges) {
    return std::make_unique<DividedRows>(edges);
}

}  // namespace schedbench
