#include <nlohmann/json.hpp>

#include "core/error.h"
#include "learn/learner.h"

namespace schedbench {

namespace {

/// UpdateSchedule's floor: intervals far cheaper than the dearest still take some length, so that it rises
/// everywhere.
constexpr double kFloor = 1e-12;

}  // namespace

void measure_score_optimal(CostCurve& curve, const Spec& completed, const Denoiser& denoiser,
                           const ProbeSource& source, const CostProgress& progress) {
    const std::vector<LocatedLevel> levels =
        probe_grid(denoiser.process(), completed.number("sigma-min"), completed.number("sigma-max"),
                   completed.number("spacing"), completed.text("grid") == "table", completed.print());
    const CorrectorOptions options{.weight = parse_cost_weight(completed.text("weight"), completed.print()),
                                   .probes = completed.integer("probes"),
                                   .batch = completed.integer("batch"),
                                   .seed = static_cast<uint64_t>(completed.integer("seed"))};
    measure_corrector_cost(curve, denoiser, source, levels, options, progress);
}

LearnedSchedule score_optimal_schedule(const CostCurve& curve, const Spec& completed,
                                       const NoiseProcess& process, const std::string& where) {
    if (curve.probes < 1) throw Error("run", "no costs have been measured yet", where);
    LearnedSchedule out;
    out.spec = completed.print();
    out.process = process.spec().print();
    out.curve.sigma = curve.sigma;
    out.curve.length = cumulative_length(curve.means(), 0.5, kFloor);
    out.curve.interpolant = parse_interpolant(completed.text("interpolant"), where);
    if (!(out.curve.length.back() > 0))
        throw Error("number", "all costs are zero: to this model every schedule is as good as any other",
                    where, "use a handcrafted schedule");
    std::vector<double> error;
    for (const RunningMean& interval : curve.cost) error.push_back(interval.standard_error());
    out.provenance = {{"cost", curve.means()},
                      {"cost_se", error},
                      {"length_se", curve.length_se()},
                      {"probes", curve.probes}};
    return out;
}

}  // namespace schedbench
