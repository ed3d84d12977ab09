#include "harness/plan.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "eval/metric_set.h"
#include "harness/registry.h"
#include "learn/learner.h"
#include "schedules/learned_schedule.h"

namespace schedbench {

std::string budget_end_rule(const Spec& schedule) {
    const SpecValue* end = schedule.find("end");
    return end && end->text == "sigma-min" ? "sigma-min" : "zero";
}

void resolve_cell(PlannedCell& cell, Schedule schedule, const Plan& plan, const Suite& suite,
                  const RuntimeSettings& runtime) {
    cell.schedule = std::move(schedule);
    const PlannedModel& model = plan.models[cell.model];
    // The samples identity: all that determines image i, and nothing else (not n, not the extractor).
    const nlohmann::json settings = {
        {"schedule", cell.schedule.hash()},
        {"sampler", plan.samplers[cell.sampler]->spec().print()},
        {"model", model.denoiser->spec()},
        {"shape", model.denoiser->shape()},
        {"noise", suite.noise == "philox"   ? "philox4x32-10, Box-Muller float32, version 2"
                  : runtime.device == "cpu" ? "edm: ATen CPU generator a sample"
                                            : "edm: ATen CUDA generator a sample"},
        {"labels", model.denoiser->classes() > 0 ? suite.labels.name() : "none"},
        {"seed", suite.seed},
        {"batch", suite.batch},
        {"quantise", suite.quantise},
        {"stack", stack_identity(runtime)}};
    cell.settings = settings.dump();
    cell.id = short_hash(cell.settings);
}

Plan make_plan(const Suite& suite, const RuntimeSettings& runtime) {
    Plan plan;
    for (const Spec& spec : suite.models) {
        PlannedModel model;
        model.spec = spec;
        // One copy of the parameters, for sampling and for learning.
        const auto there =
            on_device(make_model(spec, suite.path + ", key model"), at::Device(runtime.device));
        model.raw = placed_for_host(there, runtime);
        model.denoiser = placed(there, runtime);
        if (suite.clip) model.denoiser = clip_denoiser(model.denoiser);
        suite.labels.check(model.raw->classes(), suite.path + ", key labels");
        model.id = short_hash(model.denoiser->spec());
        plan.models.push_back(std::move(model));
    }
    for (const Spec& spec : suite.samplers)
        plan.samplers.push_back(make_sampler(spec, suite.path + ", key sampler"));

    // Everything that cannot run is said before anything runs.
    for (const PlannedModel& model : plan.models)
        for (const auto& sampler : plan.samplers)
            check_fit(*sampler, *model.denoiser, suite.noise, suite.path + ", key sampler");

    const std::string where = suite.path + ", key schedule";
    for (size_t m = 0; m < plan.models.size(); ++m)
        for (size_t s = 0; s < plan.samplers.size(); ++s) {
            const auto add = [&](const Spec& spec, int budget, int steps) {
                PlannedCell cell;
                cell.model = m, cell.sampler = s;
                cell.budget = budget, cell.steps = steps;
                if (budget > 0)
                    cell.steps = steps_within_budget(*plan.samplers[s], budget, &cell.nfe,
                                                     suite.path + ", key budget", budget_end_rule(spec));
                cell.learned = is_learner(spec);
                const NoiseProcess& process = plan.models[m].denoiser->process();
                if (cell.learned) {
                    cell.schedule_spec = complete_learner(spec, process, where);
                } else {
                    check_learned_model(spec, plan.models[m].raw->spec(), where);
                    Schedule schedule =
                        build_schedule(spec, process, {cell.steps, suite.time_rule, suite.allow_fewer},
                                       where + " = " + spec.print());
                    plan.samplers[s]->check_schedule(schedule, where + " = " + spec.print());
                    cell.schedule_spec = Spec::parse(schedule.spec);
                    if (cell.steps == 0) cell.steps = schedule.steps();
                    resolve_cell(cell, std::move(schedule), plan, suite, runtime);
                }
                plan.cells.push_back(std::move(cell));
            };
            for (int budget : suite.budgets)
                for (const Spec& spec : suite.schedules)
                    if (!has_own_count(spec)) add(spec, budget, 0);
            for (int steps : suite.steps)
                for (const Spec& spec : suite.schedules)
                    if (!has_own_count(spec)) add(spec, 0, steps);
            // Listed levels have their own number of steps: once, whatever the budgets are.
            for (const Spec& spec : suite.schedules)
                if (has_own_count(spec)) add(spec, 0, 0);
        }
    const int64_t image_bytes = [&] {
        int64_t size = 1;
        for (int64_t extent : plan.models[0].denoiser->shape()) size *= extent;
        return size;
    }();
    // The extractor is not read for a plan: Inception's layers are known, others have about 64 features.
    constexpr int64_t kCellOverhead = 60'000, kInfluenceBytes = 8;
    const bool inception = suite.extractor.name == "inception", measured = suite.reference.name != "none";
    std::vector<Metric> metrics;
    if (measured)
        for (const Spec& spec : suite.effective_metrics()) metrics.emplace_back(spec, suite.path);
    const Spec extractor = extractor_for(suite.extractor, metrics);
    const bool all_layers = extractor.find("layer") != nullptr && extractor.text("layer") == "all";
    const int64_t features = !inception ? 64 : all_layers ? 5079 : 2048;
    const int64_t influences = [&] {
        int64_t count = 0;
        for (const Metric& metric : metrics) count += metric.spec().name == "prdc" ? 4 : 1;
        return count;
    }();
    for (const PlannedCell& cell : plan.cells) {
        plan.evaluations += suite.images * (cell.nfe > 0 ? cell.nfe : cell.steps);
        plan.disk_bytes += suite.images * (4 * features + kInfluenceBytes * influences +
                                           (suite.keep_images ? image_bytes : 0)) +
                           kCellOverhead + kInfluenceBytes * influences * suite.reference_images;
    }
    // The reference: features and sums.
    const int64_t products = all_layers ? 2048 * 2048 + 2023 * 2023 : features * features;
    if (measured) plan.disk_bytes += suite.reference_images * 4 * features + 8 * products;
    return plan;
}

}  // namespace schedbench
