#include "harness/learning.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/progress.h"
#include "harness/statistics_record.h"
#include "learn/learner.h"
#include "models/exact.h"
#include "store/run_lock.h"

namespace schedbench {

void check_learning_data(const Plan& plan, const Suite& suite) {
    if (suite.data.name != "none") return;
    for (const PlannedCell& cell : plan.cells)
        if (cell.learned && !std::dynamic_pointer_cast<const ExactTarget>(plan.models[cell.model].raw))
            throw Error("spec",
                        cell.schedule_spec.name +
                            " is learned from images, but the suite names neither data nor a reference",
                        suite.path + ", key schedule", "add a line data = ... (schedbench list data)");
}

Learning::Learning(const Suite& suite, std::string run_path, const RuntimeSettings& runtime)
    : suite_(suite), run_path_(std::move(run_path)), stack_(stack_identity(runtime)) {}

const ProbeSource& Learning::probes(const PlannedModel& model, const Spec& data) {
    const bool draws = data.name == "none";
    auto& source = sources_[draws ? model.raw->spec() : data.print()];
    if (!source) {
        auto fresh = std::make_unique<Source>();
        if (draws) {
            auto target = std::dynamic_pointer_cast<const ExactTarget>(model.raw);
            SCHEDBENCH_ASSERT(target);  // check_learning_data() refuses other models
            fresh->probes = exact_source(std::move(target), kExactDraws);
        } else {
            fresh->data = load_dataset(data, suite_.path + ", key data");
            fresh->probes = dataset_source(fresh->data);
        }
        source = std::move(fresh);
    }
    return *source->probes;
}

std::string Learning::learned_id(const Spec& completed, const PlannedModel& model) {
    return short_hash(completed.print() + "|" + model.raw->spec() + "|" + probes(model, suite_.data).hash() + "|" +
                      std::to_string(suite_.statistics_images) + "|" + stack_);
}

void Learning::measured(const std::string& id, const std::function<bool()>& find,
                        const std::function<void()>& measure) {
    if (find()) return;
    // One rank measures; the others wait here and then find what it wrote.
    std::filesystem::create_directories(work_folder(run_path_));
    const RunLock lock(work_folder(run_path_) + "/measuring-" + id + ".h5");
    if (!find()) measure();
}

const LearnedSchedule& Learning::learned(const Spec& completed, const PlannedModel& model, int max_steps) {
    const std::string id = learned_id(completed, model);
    const bool dp = learns_paths(completed);
    const auto enough = [&](const LearnedSchedule& l) {
        return !dp || (!l.paths.empty() && l.paths.rbegin()->first >= max_steps);
    };
    const auto it = learned_.find(id);
    if (it != learned_.end() && enough(it->second)) return it->second;
    const NoiseProcess& process = model.raw->process();
    const ProbeSource& source = probes(model, suite_.data);

    if (dp) {  // placing costs nothing, so only its statistics are kept
        const DenoisingStatistics& stats =
            statistics(model, suite_.data, dp_options(completed, source),
                       dp_chain(completed, process), "statistics for dp-elbo");
        return learned_[id] =
                   dp_schedule(stats, completed, process, max_steps, suite_.path + ", key schedule");
    }
    const std::string cache = work_folder(run_path_) + "/learned-" + id + ".json";
    measured(
        "learned-" + id,
        [&] {
            if (std::filesystem::exists(cache)) {
                learned_[id] = LearnedSchedule::read(cache);
                return true;
            }
            if (!std::filesystem::exists(run_path_)) return false;
            const RunFile run = RunFile::open(run_path_);
            if (!run.has("statistics", id)) return false;
            learned_[id] = learned_of(run.statistics(id), run_path_);
            return true;
        },
        [&] {
            Progress progress("learning " + completed.name, score_optimal_probes(completed), "probes");
            ScoreOptimalCosts costs;
            measure_score_optimal(costs, completed, *model.raw, source, [&](const CostCurve&) {
                progress.update(probes_done(costs, completed));
                return true;
            });
            LearnedSchedule fresh = score_optimal_schedule(costs, completed, process);
            note_origin(fresh, *model.raw, &source);
            fresh.write(cache);
            learned_[id] = LearnedSchedule::read(cache);
        });
    return learned_.at(id);
}

std::string Learning::statistics_cache(const std::string& id) const {
    return work_folder(run_path_) + "/statistics-" + id + ".h5";
}

std::optional<DenoisingStatistics> Learning::stored_statistics(const std::string& id, int64_t images) const {
    std::vector<std::string> files = suite_.statistics;
    for (const std::string& path : {statistics_cache(id), run_path_})
        if (std::filesystem::exists(path)) files.push_back(path);
    auto found = find_statistics(files, id);
    if (found && found->images < images) found.reset();
    return found;
}

int64_t Learning::images_to_measure(const PlannedModel& model, const Spec& data, const StatisticsOptions& options,
                                    const StatisticsChain& chain) {
    const ProbeSource& source = probes(model, data);
    const int64_t wanted = std::min(suite_.statistics_images, source.count());
    const std::string id = statistics_id(empty_statistics(*model.raw, chain, source, options));
    return statistics_.contains(id) || stored_statistics(id, wanted) ? 0 : wanted;
}

const DenoisingStatistics& Learning::statistics(const PlannedModel& model, const Spec& data,
                                                const StatisticsOptions& options,
                                                const StatisticsChain& chain, const std::string& label) {
    const ProbeSource& source = probes(model, data);
    DenoisingStatistics fresh = empty_statistics(*model.raw, chain, source, options);
    const std::string id = statistics_id(fresh);
    if (const auto it = statistics_.find(id); it != statistics_.end()) return it->second;
    const int64_t wanted = std::min(suite_.statistics_images, source.count());
    const std::string cache = statistics_cache(id);
    measured(
        "statistics-" + id,
        [&] {
            auto found = stored_statistics(id, wanted);
            if (found) statistics_[id] = std::move(*found);
            return found.has_value();
        },
        [&] {
            if (auto smaller = stored_statistics(id, 1); smaller && !smaller->lanes.empty())
                fresh = std::move(*smaller);  // goes on from there
            Progress progress(label, wanted, "images");
            measure_statistics(fresh, *model.raw, source, options, wanted,
                               [&](const DenoisingStatistics& so_far) {
                                   progress.update(so_far.images);
                                   return true;
                               });
            const RunLock lock(cache);
            RunEdit edit(lock, {});
            edit.put(statistics_record(fresh));
            edit.commit();
            statistics_[id] = std::move(fresh);
        });
    return statistics_.at(id);
}

LearnedRecord Learning::record(const LearnedSchedule& learned) const {
    LearnedRecord out;
    out.cost = learned.spec;
    out.placement = learned.curve.sigma.empty() ? "dynamic-programme" : "equal-arc";
    out.training = learned.provenance.dump();
    if (!learned.curve.sigma.empty() && learned.provenance.contains("local_cost")) {
        // Per unit of ln sigma, to the power that the cost has in the step: free of the probe grid's spacing.
        const auto numbers = [&](const char* key) {
            std::vector<double> values;
            for (const auto& value : learned.provenance.at(key))
                values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
            return values;
        };
        const std::vector<double> cost = numbers("local_cost"), se = numbers("local_cost_se");
        const auto& sigma = learned.curve.sigma;
        if (cost.size() + 1 == sigma.size() && se.size() == cost.size())
            for (size_t i = 0; i < cost.size(); ++i) {
                out.grid.push_back(std::sqrt(sigma[i] * sigma[i + 1]));
                out.cost_curve.push_back(cost[i]);
                out.cost_se.push_back(se[i]);
            }
    }
    return out;
}

void Learning::put_records(RunEdit& run) const {
    for (const auto& [id, stats] : statistics_) run.put(statistics_record(stats));
    for (const auto& [id, schedule] : learned_)
        if (!schedule.curve.sigma.empty()) run.put(learned_record(id, schedule));
}

}  // namespace schedbench
