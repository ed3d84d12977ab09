#include "harness/mode_recovery.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "harness/registry.h"
#include "learn/learner.h"
#include "likelihood/probe_source.h"
#include "models/native.h"

namespace schedbench {

namespace {

constexpr int kErrorLevels = 41;

/// x [n, shape...]
at::Tensor shares(const at::Tensor& x, const at::Tensor& means) {
    const at::Tensor rows = x.flatten(1).unsqueeze(1);
    const at::Tensor nearest = at::argmin((rows - means.unsqueeze(0)).square().sum(2), 1);
    return at::bincount(nearest, {}, means.size(0)).to(at::kDouble) / static_cast<double>(x.size(0));
}

MeanLogLikelihood likelihood_of(const ExactTarget& target, const at::Tensor& x) {
    const at::Tensor log = target.log_density(x, at::zeros({x.size(0)}, at::kDouble));
    return {log.mean().item<double>(), log.std().item<double>() / std::sqrt(static_cast<double>(x.size(0)))};
}

std::shared_ptr<const ExactTarget> target_of(const PlannedModel& model) {
    if (auto target = std::dynamic_pointer_cast<const ExactTarget>(model.raw)) return target;
    const auto loaded = make_model(model.spec);
    if (const auto network = std::dynamic_pointer_cast<const NativeDenoiser>(loaded)) {
        const auto data = network->metadata().find("data");
        if (data != network->metadata().end() && data->second.starts_with("exact:"))
            return make_exact(Spec::parse(data->second), model.spec.print() + ", metadata entry data");
    }
    throw Error("option", "the model " + model.spec.print() + " stands for no density in closed form",
                "SUITE", "modes is for models exact:... and for networks trained with --data exact:...");
}

ModeRow measured(const PlannedCell& cell, const ModeReference& reference, const Sampler& sampler,
                 const Suite& suite) {
    const c10::NoGradGuard no_grad;
    const CountingDenoiser counted(reference.model);
    std::vector<at::Tensor> parts;
    ModeRow row;
    for (int64_t first = 0; first < suite.images; first += suite.batch) {
        std::vector<int64_t> ids(static_cast<size_t>(std::min(suite.batch, suite.images - first)));
        std::iota(ids.begin(), ids.end(), first);
        parts.push_back(sampler.sample(counted, cell.schedule,
                                       PhiloxNoise(suite.seed, ids, reference.model->shape()), {}));
        if (first == 0) row.nfe = static_cast<int>(counted.calls());
    }
    const at::Tensor x = at::cat(parts).to(at::kDouble);
    row.model = cell.model;
    row.schedule = cell.schedule_spec.print();
    row.sampler = sampler.spec().print();
    row.steps = cell.steps;
    row.modes = reference.target->means().size(0);
    row.found = (shares(x, reference.target->means()) >= 0.5 * reference.share).sum().item<int64_t>();
    row.samples = likelihood_of(*reference.target, x);
    return row;
}

}  // namespace

ModeReference mode_reference(const PlannedModel& model, int64_t draws, uint64_t seed) {
    ModeReference out;
    out.model = model.raw;
    out.target = target_of(model);
    std::vector<int64_t> ids(static_cast<size_t>(draws));
    std::iota(ids.begin(), ids.end(), 0);
    const at::Tensor data = exact_source(out.target, draws, seed + 1)->images(ids);
    out.share = shares(data, out.target->means());
    out.likelihood = likelihood_of(*out.target, data);
    if (model.raw != out.target)
        out.error = score_error(*model.raw, *out.target, kErrorLevels, draws, seed + 3);
    return out;
}

std::vector<ModeRow> recover_modes(Plan& plan, const std::vector<ModeReference>& references,
                                   const Suite& suite, const std::function<void(size_t done)>& on_cell) {
    std::vector<ModeRow> rows;
    std::map<std::string, LearnedSchedule> learned;
    for (PlannedCell& cell : plan.cells) {
        const ModeReference& reference = references[cell.model];
        if (cell.learned) {
            const std::string key = std::to_string(cell.model) + cell.schedule_spec.print();
            if (learns_paths(cell.schedule_spec))
                throw Error("spec", cell.schedule_spec.name + " is not learned here",
                            suite.path + ", key schedule",
                            "use score-optimal, or schedbench learn and learned:file=FILE");
            if (!learned.contains(key)) {
                ScoreOptimalCosts costs;
                const auto source = exact_source(reference.target, cell.schedule_spec.integer("probes"),
                                                 suite.seed + 2, reference.model->shape());
                measure_score_optimal(costs, cell.schedule_spec, *reference.model, *source);
                learned[key] = score_optimal_schedule(costs, cell.schedule_spec, reference.model->process());
            }
            cell.schedule =
                place(learned.at(key), cell.schedule_spec, reference.model->process(),
                      {cell.steps, suite.time_rule, suite.allow_fewer}, suite.path + ", key schedule");
        }
        rows.push_back(measured(cell, reference, *plan.samplers[cell.sampler], suite));
        if (on_cell) on_cell(rows.size());
    }
    return rows;
}

}  // namespace schedbench
