#include <nlohmann/json.hpp>

#include "core/error.h"
#include "learn/learner.h"
#include "schedules/path_objectives.h"

namespace schedbench {

StatisticsOptions dp_options(const Spec& completed, const ProbeSource& source) {
    StatisticsOptions out;
    out.clip = completed.flag("clip");
    out.decoder = !completed.find("decoder") || completed.is_auto("decoder")
                      ? (source.eight_bit() ? DecoderKind::tanh : DecoderKind::density)
                      : parse_decoder(completed.text("decoder"), completed.print());
    out.seed = static_cast<uint64_t>(completed.integer("seed"));
    out.batch = completed.integer("batch");
    return out;
}

StatisticsChain dp_chain(const Spec& completed, const NoiseProcess& process) {
    return statistics_chain(process, static_cast<int>(completed.integer("grid")));
}

namespace {

BudgetPaths best_paths(const DenoisingStatistics& statistics, const Spec& completed, int max_steps,
                       const std::string& where) {
    if (completed.name == "dp-mse") {
        std::vector<double> error;
        for (const RunningMean& mean : statistics.error) error.push_back(mean.mean);
        return shortest_paths(
            reweighted_error_costs(statistics.chain(), error,
                                   completed.text("weight") == "x0" ? ErrorWeight::unit : ErrorWeight::snr),
            max_steps);
    }
    const ElboVariance variance = parse_variance(completed.text("variance"), where);
    return statistics.elbo(variance == ElboVariance::learned).best_paths(variance, max_steps);
}

}  // namespace

LearnedSchedule dp_schedule(const DenoisingStatistics& statistics, const Spec& completed,
                                 const NoiseProcess& process, int max_steps, const std::string& where) {
    const StatisticsChain chain = dp_chain(completed, process);
    if (statistics.chain_name != chain.name)
        throw Error(
            "run",
            "the statistics are over " + statistics.chain_name + ", but the schedule is for " + chain.name,
            where, "measure the statistics of this model");
    if (statistics.clip != completed.flag("clip"))
        throw Error("run",
                    std::string("the statistics were made ") + (statistics.clip ? "with" : "without") +
                        " clipping, but the schedule asks for the opposite",
                    where, "write clip=" + std::string(statistics.clip ? "true" : "false"));
    if (max_steps < 1 || max_steps > statistics.levels())
        throw Error("number",
                    "the number of steps must be from 1 to " + std::to_string(statistics.levels()) +
                        ", not " + std::to_string(max_steps),
                    where);
    const BudgetPaths best = best_paths(statistics, completed, max_steps, where);
    LearnedSchedule out;
    out.spec = completed.print();
    out.process = process.spec().print();
    if (!process.discrete())
        for (int t = 0; t <= chain.process.table_size(); ++t) out.grid.push_back(chain.process.sigma(t));
    std::vector<double> cost;
    for (int steps = 1; steps <= max_steps; ++steps) {
        const std::vector<int> path = best.path(steps);
        out.paths[steps] = {path.begin(), path.end()};
        const double value = best.cost[static_cast<size_t>(steps)];
        cost.push_back(completed.name == "dp-elbo" ? nats_to_bits(value) : value);
    }
    out.provenance = {{"statistics", statistics.identity()},
                      {"images", statistics.images},
                      {"row_method", method_name(best.method)},
                      {completed.name == "dp-elbo" ? "cost_bits_per_dim" : "cost", cost}};
    return out;
}

}  // namespace schedbench
