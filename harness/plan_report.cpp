#include "harness/plan_report.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "core/progress.h"
#include "samplers/sampler.h"

namespace schedbench {

namespace {

/// Of one image: one batch, twice, because the first call sets things up.
double seconds_per_evaluation(const Denoiser& model, int64_t batch) {
    using Clock = std::chrono::steady_clock;
    std::vector<int64_t> shape = model.shape();
    shape.insert(shape.begin(), batch);
    const LocatedLevel level = model.process().locate(std::min(1.0, model.process().sigma_max()));
    double seconds = 0;
    for (int i = 0; i < 2; ++i) {
        const auto start = Clock::now();
        const auto options = at::device(model.device());
        const DenoiserOutput out =
            denoise_at(model, at::zeros(shape, options.dtype(at::kDouble)), level,
                       model.classes() ? at::zeros({batch}, options.dtype(at::kLong)) : at::Tensor());
        out.x0.to(at::kCPU);  // a device computes on after the call
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
    }
    return seconds / static_cast<double>(batch);
}

}  // namespace

void print_plan(const Suite& suite, const Plan& plan, const SweepOptions& options,
                LikelihoodRun& likelihood) {
    std::vector<double> speed;  // of each model
    for (const PlannedModel& model : plan.models)
        speed.push_back(seconds_per_evaluation(*model.denoiser, suite.batch));
    double seconds = 0;
    int64_t evaluations = 0, stored = 0;
    std::optional<RunFile> run;
    if (std::filesystem::exists(options.output)) run = RunFile::open(options.output);
    for (const PlannedCell& cell : plan.cells) {
        const int64_t work = suite.images * (cell.nfe > 0 ? cell.nfe : cell.steps);
        evaluations += work;
        seconds += static_cast<double>(work) * speed[cell.model];
        if (run && !cell.learned && run->cell_count(cell.id) >= suite.images) ++stored;
    }
    if (!plan.cells.empty())
        std::fprintf(stderr,
                     "plan: %zu cells of %" PRId64
                     " images (%zu models, %zu schedules, %zu samplers, %zu budgets), %" PRId64
                     " network evaluations, about %s at %.0f a second; run file about %.1f MB%s\n",
                     plan.cells.size(), suite.images, plan.models.size(), suite.schedules.size(),
                     suite.samplers.size(), suite.budgets.size() + suite.steps.size(), evaluations,
                     format_duration(seconds / static_cast<double>(options.rank.world_size)).c_str(),
                     static_cast<double>(evaluations) / seconds, static_cast<double>(plan.disk_bytes) * 1e-6,
                     stored ? (", " + std::to_string(stored) + " cells are there already").c_str() : "");
    if (!likelihood.wanted()) return;
    for (size_t m = 0; m < plan.models.size(); ++m) {
        const LikelihoodRun::Work work = likelihood.work(plan.models[m]);
        if (work.per_image == 0) continue;
        const double an_image = static_cast<double>(work.per_image) * speed[m];
        std::fprintf(stderr,
                     "plan: bits/dim of model %zu: %" PRId64
                     " images a split; %s; %.0f images a split fit %.0f min%s\n",
                     m + 1, suite.statistics_images,
                     work.evaluations ? (std::to_string(work.evaluations) + " evaluations, about " +
                                         format_duration(static_cast<double>(work.evaluations) * speed[m]))
                                            .c_str()
                                      : "measured already",
                     suite.minutes * 60 / an_image / static_cast<double>(plan.models.size()), suite.minutes,
                     plan.models.size() > 1 ? " for all models" : "");
    }
}

}  // namespace schedbench
