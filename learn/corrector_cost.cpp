#include "learn/corrector_cost.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace schedbench {

CostWeight parse_cost_weight(const std::string& name, const std::string& where) {
    if (name == "entered") return CostWeight::entered;
    if (name == "left") return CostWeight::left;
    if (name == "geometric") return CostWeight::geometric;
    throw Error("spec", "the weight cannot be \"" + name + "\"", where, "known: entered, left, geometric");
}

std::vector<double> CostCurve::means() const {
    std::vector<double> out;
    for (const RunningMean& interval : cost) out.push_back(interval.mean);
    return out;
}

std::vector<double> CostCurve::length() const {
    std::vector<double> out{0};
    for (const RunningMean& interval : cost) out.push_back(out.back() + std::sqrt(interval.mean));
    return out;
}

std::vector<double> CostCurve::length_se() const {
    const size_t blocks = block_size.size(), grid = cost.size();
    std::vector<double> out(grid + 1, blocks < 2 ? std::numeric_limits<double>::quiet_NaN() : 0.0);
    if (blocks < 2) return out;
    // Influence of block b on the length up to j: (size_b / n) sum_{i<j} (mean_bi - L_i) / (2 sqrt(L_i)).
    std::vector<double> influence(blocks, 0.0);
    for (size_t j = 0; j < grid; ++j) {
        double sum = 0;
        for (size_t b = 0; b < blocks; ++b) {
            if (cost[j].mean > 0)
                influence[b] += (block_mean[b * grid + j] - cost[j].mean) / (2 * std::sqrt(cost[j].mean));
            const double weighted =
                influence[b] * static_cast<double>(block_size[b]) / static_cast<double>(probes);
            sum += weighted * weighted;
        }
        out[j + 1] = std::sqrt(sum * static_cast<double>(blocks) / static_cast<double>(blocks - 1));
    }
    return out;
}

std::vector<LocatedLevel> probe_grid(const NoiseProcess& process, double low, double high, double spacing,
                                     bool whole_table, const std::string& where) {
    if (!(low > 0 && high > low && std::isfinite(high)))
        throw Error("number",
                    "levels must rise from above 0, but the range is " + format_number(low) + " to " +
                        format_number(high),
                    where, "give sigma-min < sigma-max");
    if (!(spacing > 0) || !std::isfinite(spacing))
        throw Error("number", "spacing must be positive, not " + format_number(spacing), where,
                    "it is in ln sigma; 0.1 is usual");
    if (whole_table && !process.discrete())
        throw Error("spec", "grid=table needs a model with a noise table, but this one is continuous", where,
                    "use grid=log-sigma");
    std::vector<LocatedLevel> out;
    if (whole_table) {
        const int last = process.nearest_index(high);
        for (int t = process.nearest_index(low); t <= last; ++t) out.push_back(process.at_index(t));
    } else {
        const double width = std::log(high / low);
        const double pieces = std::max(1.0, std::ceil(width / spacing - 1e-9));
        if (pieces > 100'000)
            throw Error(
                "number",
                "spacing " + format_number(spacing) + " asks for " + format_number(pieces) + " intervals",
                where);
        for (int i = 0; i <= static_cast<int>(pieces); ++i) {
            const double sigma = i == 0                          ? low
                                 : i == static_cast<int>(pieces) ? high
                                                                 : low * std::exp(width * i / pieces);
            const LocatedLevel level = process.locate(sigma);
            if (out.empty() || level.level > out.back().level)
                out.push_back(level);  // entries that coincide count once
        }
    }
    if (out.size() < 2) throw Error("number", "the range holds fewer than two levels of the model", where);
    return out;
}

namespace {

at::Tensor score(const Denoiser& denoiser, const at::Tensor& x, const LocatedLevel& level,
                 const at::Tensor& labels) {
    return (denoise_at(denoiser, x, level, labels).x0.to(at::kDouble) - x) / (level.level * level.level);
}

double squared_weight(CostWeight weight, double entered, double left) {
    switch (weight) {
        case CostWeight::entered:
            return entered * entered;
        case CostWeight::left:
            return left * left;
        case CostWeight::geometric:
            return entered * left;
    }
    return entered * entered;
}

}  // namespace

void measure_corrector_cost(CostCurve& curve, const Denoiser& denoiser, const ProbeSource& source,
                            const std::vector<LocatedLevel>& levels, const CorrectorOptions& options,
                            const CostProgress& progress) {
    const c10::NoGradGuard no_grad;
    check_probes(source, denoiser);
    if (options.batch < 1 || options.probes < 1)
        throw Error("option", "probes and batch must be at least 1", "learning of the corrector cost");
    std::vector<double> sigma;
    for (const LocatedLevel& level : levels) sigma.push_back(level.level);
    SCHEDBENCH_ASSERT(sigma.size() >= 2);
    const size_t grid = sigma.size() - 1;
    if (curve.sigma.empty()) {
        curve.sigma = sigma;
        curve.cost.resize(grid);
    }
    if (curve.sigma != sigma)
        throw Error("run", "the costs so far are over another grid of levels", denoiser.spec(),
                    "start again");
    while (curve.probes < options.probes) {
        const int64_t last = std::min(options.probes, (curve.probes / options.batch + 1) * options.batch);
        std::vector<int64_t> probe_ids(static_cast<size_t>(last - curve.probes)), image_ids;
        std::iota(probe_ids.begin(), probe_ids.end(), curve.probes);
        for (int64_t id : probe_ids) image_ids.push_back(id % source.count());
        const at::Tensor x0 = source.images(image_ids), labels = probe_labels(source, denoiser, image_ids);
        for (size_t j = 0; j < grid; ++j) {
            const LocatedLevel &to = levels[j], &from = levels[j + 1];
            const at::Tensor x = noised(x0, from.level, options.seed, probe_ids, static_cast<uint32_t>(j));
            const at::Tensor gap = score(denoiser, x, to, labels) - score(denoiser, x, from, labels);
            const at::Tensor values =
                (squared_weight(options.weight, to.level, from.level) * gap.square().flatten(1).sum(1))
                    .contiguous();
            RunningMean block;
            for (int64_t i = 0; i < values.numel(); ++i) {
                const double value = values.const_data_ptr<double>()[i];
                if (!std::isfinite(value))
                    throw Error("number",
                                "the model returned a value that is not finite between levels " +
                                    format_number(to.level) + " and " + format_number(from.level),
                                denoiser.spec());
                block.add(value);
            }
            curve.cost[j].merge(block);
            curve.block_mean.push_back(block.mean);
        }
        curve.block_size.push_back(last - curve.probes);
        curve.probes = last;
        if (progress && !progress(curve)) return;
    }
}

}  // namespace schedbench
