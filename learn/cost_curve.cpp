#include "learn/cost_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace schedbench {

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
}  // namespace

void CostCurve::add(const CostBlock& block) {
    if (block.first != probes || block.count < 1 || block.interval.size() != cost.size())
        throw Error("run",
                    "a block of costs begins at probe " + std::to_string(block.first) + " with " +
                        std::to_string(block.interval.size()) + " intervals, expected probe " +
                        std::to_string(probes) + " and " + std::to_string(cost.size()),
                    "cost curve", "blocks are merged in the order of their probes, each once");
    for (size_t j = 0; j < cost.size(); ++j) {
        cost[j].merge(block.interval[j]);
        block_mean.push_back(block.interval[j].mean);
    }
    block_size.push_back(block.count);
    probes += block.count;
}

void CostCurve::merge(std::vector<CostBlock> blocks) {
    std::sort(blocks.begin(), blocks.end(),
              [](const CostBlock& a, const CostBlock& b) { return a.first < b.first; });
    for (const CostBlock& block : blocks) add(block);
}

std::vector<double> CostCurve::means() const {
    std::vector<double> out;
    for (const RunningMean& interval : cost) out.push_back(interval.mean);
    return out;
}

std::vector<double> CostCurve::standard_errors() const {
    std::vector<double> out;
    for (const RunningMean& interval : cost) out.push_back(interval.standard_error());
    return out;
}

std::vector<double> CostCurve::length(double exponent) const {
    std::vector<double> out{0};
    for (const RunningMean& interval : cost)
        out.push_back(out.back() + std::pow(std::max(interval.mean, 0.0), exponent));
    return out;
}

std::vector<double> CostCurve::length_se(double exponent) const {
    const size_t blocks = block_size.size(), grid = cost.size();
    std::vector<double> out(grid + 1, blocks < 2 ? kNaN : 0.0);
    if (blocks < 2) return out;
    // Influence of block b on the length up to j: (size_b / n) sum_{i<j} (mean_bi - L_i)
    // d(L_i^exponent)/dL_i.
    std::vector<double> influence(blocks, 0.0);
    for (size_t j = 0; j < grid; ++j) {
        double sum = 0;
        const double mean = cost[j].mean;
        for (size_t b = 0; b < blocks; ++b) {
            if (mean > 0)
                influence[b] += (block_mean[b * grid + j] - mean) * exponent * std::pow(mean, exponent - 1);
            const double weighted =
                influence[b] * static_cast<double>(block_size[b]) / static_cast<double>(probes);
            sum += weighted * weighted;
        }
        out[j + 1] = std::sqrt(sum * static_cast<double>(blocks) / static_cast<double>(blocks - 1));
    }
    return out;
}

Estimate CostCurve::energy() const {
    const size_t blocks = block_size.size(), grid = cost.size();
    Estimate out;
    out.name = "energy";
    out.n = probes;
    out.estimand = "sum of the costs of all intervals";
    out.method = "between blocks of probes";
    out.value = 0;
    for (const RunningMean& interval : cost) out.value += interval.mean;
    if (blocks < 2) return out;
    double sum = 0;
    for (size_t b = 0; b < blocks; ++b) {
        double of_block = 0;
        for (size_t j = 0; j < grid; ++j) of_block += block_mean[b * grid + j];
        const double weighted =
            (of_block - out.value) * static_cast<double>(block_size[b]) / static_cast<double>(probes);
        sum += weighted * weighted;
    }
    out.se = std::sqrt(sum * static_cast<double>(blocks) / static_cast<double>(blocks - 1));
    return out;
}

std::vector<Estimate> CostCurve::local_cost(int power) const {
    std::vector<Estimate> out;
    for (size_t j = 0; j < cost.size(); ++j) {
        const double step = std::pow(std::log(sigma[j + 1] / sigma[j]), power);
        Estimate e;
        e.name = "local_cost";
        e.value = cost[j].mean / step;
        e.se = cost[j].standard_error() / step;
        e.n = cost[j].n;
        e.estimand = "cost over (step in ln sigma)^" + std::to_string(power);
        e.method = "mean of probes";
        out.push_back(std::move(e));
    }
    return out;
}

}  // namespace schedbench
