#include "learn/measure_cost.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "learn/corrector_cost.h"

namespace schedbench {

namespace {

/// A level outside the range of the model is not silently moved to its end.
void check_range(const NoiseProcess& process, double low, double high, const std::string& where) {
    if (!(low > 0 && high > low && std::isfinite(high)))
        throw Error("number",
                    "levels must rise from above 0, but the range is " + format_number(low) + " to " +
                        format_number(high),
                    where, "give sigma-min < sigma-max");
    constexpr double kSlack = 1e-9;
    if (low < process.sigma_min() * (1 - kSlack) || high > process.sigma_max() * (1 + kSlack))
        throw Error("number",
                    "the range " + format_number(low) + " to " + format_number(high) +
                        " goes beyond the levels of the model, " + format_number(process.sigma_min()) +
                        " to " + format_number(process.sigma_max()),
                    where, "give sigma-min and sigma-max inside it");
}

}  // namespace

std::vector<LocatedLevel> located_grid(const NoiseProcess& process, const std::vector<double>& levels,
                                       const std::string& where) {
    if (levels.size() < 2) throw Error("number", "a grid needs at least two levels", where);
    check_range(process, levels.front(), levels.back(), where);
    std::vector<LocatedLevel> out;
    for (double sigma : levels) {
        const LocatedLevel level = process.locate(sigma);
        if (out.empty() || level.level > out.back().level) out.push_back(level);
    }
    if (out.size() < 2) throw Error("number", "the range holds fewer than two levels of the model", where);
    return out;
}

std::vector<LocatedLevel> probe_grid(const NoiseProcess& process, double low, double high, double spacing,
                                     bool whole_table, const std::string& where) {
    check_range(process, low, high, where);
    if (!(spacing > 0) || !std::isfinite(spacing))
        throw Error("number", "spacing must be positive, not " + format_number(spacing), where,
                    "it is in ln sigma; 0.1 is usual");
    if (whole_table && !process.discrete())
        throw Error("spec", "grid=table needs a model with a noise table, but this one is continuous", where,
                    "use grid=log-sigma");
    std::vector<double> levels;
    if (whole_table) {
        const int last = process.nearest_index(high);
        for (int t = process.nearest_index(low); t <= last; ++t) levels.push_back(process.sigma(t));
        return located_grid(process, levels, where);
    }
    const double width = std::log(high / low);
    const double pieces = std::max(1.0, std::ceil(width / spacing - 1e-9));
    if (pieces > 100'000)
        throw Error("number",
                    "spacing " + format_number(spacing) + " asks for " + format_number(pieces) + " intervals",
                    where);
    levels.push_back(low);
    for (int i = 1; i < static_cast<int>(pieces); ++i) levels.push_back(low * std::exp(width * i / pieces));
    levels.push_back(high);
    return located_grid(process, levels, where);
}

namespace {

/// Values of single probes, checked: neither NaN nor of a size that no score of images or vectors has.
RunningMean checked_mean(const at::Tensor& values, int64_t dims, const LocatedLevel& to,
                         const LocatedLevel& from, const std::string& model) {
    constexpr double kMost =
        1e10;  // a dimension; even a point mass costs only 4 sinh^2 of half the log ratio
    const at::Tensor flat = values.contiguous();
    RunningMean out;
    for (int64_t i = 0; i < flat.numel(); ++i) {
        const double value = flat.const_data_ptr<double>()[i];
        const bool finite = std::isfinite(value);
        if (!finite || std::abs(value) > kMost * static_cast<double>(dims))
            throw Error(
                "number",
                (finite
                     ? "the scores of the model grow without bound (a cost of " + format_number(value) + ")"
                     : std::string("the model returned a value that is not finite")) +
                    " between levels " + format_number(to.level) + " and " + format_number(from.level),
                model, finite ? "check that the model is trained for these levels" : "");
        out.add(value);
    }
    return out;
}

void check_options(const CostOptions& options) {
    if (options.batch < 1 || options.probes < 1)
        throw Error("option", "probes and batch must be at least 1", "learning of costs");
    if (!(options.tolerance >= 0))
        throw Error("option", "tolerance must not be negative", "learning of costs");
}

}  // namespace

CostBlock measure_cost_block(const Denoiser& denoiser, const ProbeSource& source,
                             const std::vector<LocatedLevel>& levels, const CostOptions& options,
                             int64_t first, int64_t count) {
    const c10::NoGradGuard no_grad;
    check_options(options);
    SCHEDBENCH_ASSERT(levels.size() >= 2 && first >= 0 && count >= 1);
    std::vector<int64_t> probe_ids(static_cast<size_t>(count)), image_ids;
    std::iota(probe_ids.begin(), probe_ids.end(), first);
    for (int64_t id : probe_ids) image_ids.push_back(id % source.count());
    const at::Tensor x0 = source.images(image_ids), labels = probe_labels(source, denoiser, image_ids);
    PredictorOptions predictor = options.predictor;
    predictor.seed = options.seed;
    CostBlock out{first, count, {}};
    for (size_t j = 0; j + 1 < levels.size(); ++j) {
        const PathPoint to = path_point(options.form, levels[j]),
                        from = path_point(options.form, levels[j + 1]);
        const auto draw = static_cast<uint32_t>(j);
        const at::Tensor x = noised_at(x0, from, options.seed, probe_ids, draw);
        const at::Tensor values = options.cost == CostOptions::Cost::corrector
                                      ? corrector_values(denoiser, x, to, from, options.velocity, labels)
                                      : predictor_values(denoiser, x, to, from, options.velocity, labels,
                                                         predictor, probe_ids, draw);
        out.interval.push_back(
            checked_mean(values, x0.numel() / count, levels[j], levels[j + 1], denoiser.spec()));
    }
    return out;
}

void measure_cost(CostCurve& curve, const Denoiser& denoiser, const ProbeSource& source,
                  const std::vector<LocatedLevel>& levels, const CostOptions& options,
                  const CostProgress& progress) {
    constexpr size_t kLeastBlocks = 4;
    check_options(options);
    check_probes(source, denoiser);
    std::vector<double> sigma;
    for (const LocatedLevel& level : levels) sigma.push_back(level.level);
    if (sigma.size() < 2)
        throw Error("number", "one level alone has no interval to measure", denoiser.spec());
    if (curve.sigma.empty()) {
        curve.sigma = sigma;
        curve.cost.resize(sigma.size() - 1);
    }
    if (curve.sigma != sigma)
        throw Error("run", "the costs so far are over another grid of levels", denoiser.spec(),
                    "start again");
    const auto enough = [&] {
        if (curve.probes >= options.probes) return true;
        return options.tolerance > 0 && curve.block_size.size() >= kLeastBlocks &&
               curve.length_se(options.exponent).back() <=
                   options.tolerance * curve.length(options.exponent).back();
    };
    while (!enough()) {
        const int64_t last = std::min(options.probes, (curve.probes / options.batch + 1) * options.batch);
        curve.add(measure_cost_block(denoiser, source, levels, options, curve.probes, last - curve.probes));
        if (progress && !progress(curve)) return;
    }
}

}  // namespace schedbench
