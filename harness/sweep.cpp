#include "harness/sweep.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/progress.h"
#include "core/stopwatch.h"
#include "harness/block_finisher.h"
#include "harness/learning.h"
#include "harness/likelihood_run.h"
#include "harness/model_record.h"
#include "harness/plan.h"
#include "harness/plan_report.h"
#include "harness/preview.h"
#include "harness/quality.h"
#include "harness/run_header.h"
#include "learn/learner.h"
#include "samplers/sampler.h"
#include "store/block_claims.h"
#include "store/fold.h"
#include "store/rank_lock.h"

namespace schedbench {

namespace {

at::Tensor pixel_tensor(const std::vector<uint8_t>& pixels, const std::vector<int64_t>& shape) {
    return at::tensor(at::ArrayRef<uint8_t>(pixels), at::kByte).reshape(shape);
}

class Sweep {
  public:
    Sweep(const Suite& suite, const SweepOptions& options, const RuntimeSettings& runtime)
        : suite_(suite),
          options_(options),
          runtime_(runtime),
          learning_(suite, options.output, runtime),
          likelihood_(suite, plan_, learning_, options.output) {}

    SweepResult run() {
        const c10::NoGradGuard no_grad;
        plan_ = make_plan(suite_, runtime_);
        check_learning_data(plan_, suite_);
        print_plan(suite_, plan_, options_, likelihood_);
        if (options_.dry_run) return result_;
        // Held until this rank leaves: the work folder is not cleared meanwhile, its claims are not taken
        // over.
        if (!options_.merge_only) at_work_.emplace(options_.output, options_.rank.rank);
        quality_ = Quality::make(suite_, options_.output, options_.cache, at::Device(runtime_.device));
        progress_ = std::make_unique<Progress>("sweep " + suite_.name, plan_.evaluations, "evaluations");
        result_.cells = static_cast<int64_t>(plan_.cells.size());
        store_suite();
        for (PlannedCell& cell : plan_.cells) {
            attempt(cell, [&] { run_cell(cell); });
            done_evaluations_ += evaluations(cell, suite_.images);
            progress_->update(done_evaluations_);
        }
        if (!options_.merge_only && options_.share == Share::claim) take_over();
        progress_->finish();
        // A cell that another rank brings after these jobs needs them once more.
        for (bool all = false, left = false; !left; left = leave(all)) {
            all = count_waiting() == 0;
            if (all || options_.rank.rank == 0) finishing_jobs();
        }
        return result_;
    }

  private:
    std::string name_of(const PlannedCell& cell) const {
        return cell.schedule_spec.print() + ", " + plan_.samplers[cell.sampler]->spec().print() + ", " +
               std::to_string(cell.steps) + " steps";
    }

    static int64_t evaluations(const PlannedCell& cell, int64_t samples) {
        return samples * std::max(1, cell.nfe);
    }

    /// Samples that were there before this sweep began.
    void count_found(const PlannedCell& cell, int64_t samples) {
        progress_->found(found_evaluations_ += evaluations(cell, samples));
    }

    /// One schedule that blows up must not take the others with it; it is reported and the exit code tells.
    void attempt(const PlannedCell& cell, const std::function<void()>& work) {
        try {
            work();
        } catch (const Error& e) {
            result_.failures.push_back(name_of(cell) + ": " + e.what());
        }
    }

    /// Ranks that died after this one had left their cells: as long as there is a block to take over.
    void take_over() {
        for (bool taken = true; taken && count_waiting() > 0;) {
            taken = false;
            const std::vector<PlannedCell*> cells = waiting_;
            for (PlannedCell* cell : cells)
                attempt(*cell, [&] {
                    const auto stored = stored_cell(cell->id);
                    if (stored && stored->count() >= suite_.images) return;
                    if (!sample_blocks(*cell, stored ? stored->count() : 0)) return;
                    taken = true;
                    fold(*cell);
                });
        }
    }

    /// Cells that other ranks still work on, or have brought since.
    int64_t count_waiting() {
        std::erase_if(waiting_, [&](const PlannedCell* cell) {
            const auto stored = stored_cell(cell->id);
            return stored && stored->count() >= suite_.images;
        });
        return result_.waiting = static_cast<int64_t>(waiting_.size());
    }

    /// What is done once for the run. One rank at a time; a later one finds it done.
    void finishing_jobs() {
        const bool heldout = quality_ && suite_.heldout.name != "none";
        if (!heldout && !likelihood_.wanted()) return;
        FileLock turn(work_folder(options_.output) + "/finishing.lock");
        const std::lock_guard lock(turn);
        if (heldout) run_heldout();
        if (likelihood_.wanted())
            likelihood_.run([&](const auto& change) { edit_run(change); }, result_.failures);
    }

    void edit_run(const std::function<void(RunEdit&)>& change) {
        const RunLock lock(options_.output);
        RunEdit edit(lock, new_run_header());
        change(edit);
        edit.commit();
    }

    void store_suite() {
        if (std::filesystem::exists(options_.output) &&
            RunFile::open(options_.output).has("suites", suite_.id()))
            return;
        edit_run([&](RunEdit& run) {
            run.put(SuiteRecord{suite_.id(), suite_.text, suite_.settings().dump()});
            put_common(run);
            run.set_status("running");
        });
    }

    void put_common(RunEdit& run) {
        ProvenanceRecord provenance_record{provenance(runtime_)};
        provenance_record.values["command"] = options_.command_line;
        provenance_record.values["suite"] = suite_.id();
        run.put(provenance_record);
        for (const PlannedModel& model : plan_.models)
            if (!run.has("models", model.id)) run.put(model_record(model, runtime_));
    }

    void run_cell(PlannedCell& cell) {
        if (cell.learned) learn(cell);
        std::optional<CellRecord> stored = stored_cell(cell.id);
        if (stored && stored->count() >= suite_.images) {
            ++result_.reused;
            count_found(cell, suite_.images);
            if (quality_) add_metrics(cell.id);
            return;
        }
        const int64_t have = stored ? stored->count() : 0;
        const bool reusable = have > 0 && (!quality_ || stored->extractor == quality_->extractor_id());
        if (have > 0 && !reusable)
            throw Error("run",
                        "has " + std::to_string(have) + " samples with the features of another extractor",
                        "cell " + cell.id, "more samples need the same extractor; use another --output");
        if (!options_.merge_only && sample_blocks(cell, have)) ++result_.computed;
        fold(cell);
    }

    void learn(PlannedCell& cell) {
        const PlannedModel& model = plan_.models[cell.model];
        int max_steps = 1;
        for (const PlannedCell& other : plan_.cells) max_steps = std::max(max_steps, other.steps);
        const LearnedSchedule& learned = learning_.learned(cell.schedule_spec, model, max_steps);
        resolve_cell(
            cell,
            place(learned, cell.schedule_spec, model.raw->process(),
                  {cell.steps, suite_.time_rule, suite_.allow_fewer}, suite_.path + ", key schedule"),
            plan_, suite_, runtime_);
    }

    std::optional<CellRecord> stored_cell(const std::string& id) const {
        if (!std::filesystem::exists(options_.output)) return std::nullopt;
        const RunFile run = RunFile::open(options_.output);
        if (!run.has("cells", id)) return std::nullopt;
        return run.cell(id);
    }

    /// What gives this rank its blocks, one after another.
    std::function<std::optional<IdRange>()> block_source(const PlannedCell& cell, std::vector<IdRange> blocks,
                                                         std::span<const int64_t> own) const {
        if (options_.share == Share::claim) {
            auto claims = std::make_shared<BlockClaims>(options_.output, cell.id, options_.rank.rank,
                                                        std::move(blocks), own);
            return [claims] { return claims->next(); };
        }
        std::erase_if(blocks, [&](const IdRange& block) {
            return block.first / suite_.batch % options_.rank.world_size != options_.rank.rank;
        });
        return [blocks = std::move(blocks), next = size_t{0}]() mutable -> std::optional<IdRange> {
            return next < blocks.size() ? std::optional(blocks[next++]) : std::nullopt;
        };
    }

    WorkLayout work_layout(const PlannedCell& cell, size_t blocks) const {
        const PlannedModel& model = plan_.models[cell.model];
        const auto world = static_cast<size_t>(options_.rank.world_size);
        WorkLayout layout;
        layout.identity = cell.id;
        layout.rank = options_.rank.rank;
        layout.world_size = options_.rank.world_size;
        // An equal share; the file of a rank that makes more grows.
        layout.capacity = static_cast<int64_t>((blocks + world - 1) / world) * suite_.batch;
        layout.block_rows = suite_.batch;
        if (suite_.keep_images || !quality_) layout.image_shape = model.denoiser->shape();
        if (quality_)
            layout.feature_dim = quality_->extractor().dim(), layout.extractor = quality_->extractor_id();
        layout.labels = model.denoiser->classes() > 0;
        if (layout.image_shape.size() == 1)
            layout.image_shape = {1, 1, layout.image_shape[0]};  // vectors of exact targets
        return layout;
    }

    /// Samples the blocks that fall to this rank and are not in its work file. false: there were none.
    bool sample_blocks(PlannedCell& cell, int64_t have) {
        const PlannedModel& model = plan_.models[cell.model];
        const std::vector<IdRange> blocks = blocks_of(have, suite_.images, suite_.batch);
        const WorkLayout layout = work_layout(cell, blocks.size());
        const std::string path = WorkFile::path_of(options_.output, cell.id, options_.rank.rank);
        std::optional<WorkFile> work;
        // Whoever has had its part open for writing must fold after that: the others pass over a part that is
        // open. A rank that only looks whether there is more to do knows its part and does not open it.
        const auto [known, first_look] = own_ids_.try_emplace(cell.id);
        std::vector<int64_t>& own = known->second;
        if (first_look && std::filesystem::exists(path)) {
            work = WorkFile::open_or_create(path, layout);
            own = work->ids();
        }
        const std::set<int64_t> done(own.begin(), own.end());
        if (first_look) count_found(cell, have + static_cast<int64_t>(own.size()));
        const auto next_block = block_source(cell, blocks, own);
        std::optional<IdRange> block = next_block();
        if (!block) return false;
        if (!work) work = WorkFile::open_or_create(path, layout);
        BlockFinisher finisher(parse_quantise_rule(suite_.quantise),
                               quality_ ? &quality_->extractor() : nullptr, !layout.image_shape.empty(),
                               [&](const SampleBlock& made, const at::Tensor& pixels) {
                                   if (made.ids[0] == 0)
                                       save_preview(work_folder(options_.output), cell.id, pixels);
                                   work->append(made);
                               });
        // A work file left from a smaller n may lack the tail of a block: keep only the ids that are missing.
        for (; block; block = next_block()) {
            std::vector<int64_t> keep;
            for (int64_t id = block->first; id < block->end; ++id)
                if (!done.contains(id)) keep.push_back(id);
            if (!keep.empty()) finisher.add(sample_block(cell, model, std::move(keep)));
            progress_->update(done_evaluations_ + evaluations(cell, block->end), short_name(cell));
        }
        finisher.finish();
        own = work->ids();
        work->close();
        return true;
    }

    std::string short_name(const PlannedCell& cell) const {
        return cell.schedule_spec.name + "/" + plan_.samplers[cell.sampler]->spec().name + "/" +
               std::to_string(cell.steps);
    }

    /// Always a full block of consecutive ids, whatever is kept of it: so bits do not depend on n or on what
    /// was done.
    SampledBlock sample_block(PlannedCell& cell, const PlannedModel& model, std::vector<int64_t> keep) {
        const Stopwatch watch;
        SampledBlock block;
        block.first = keep[0] / suite_.batch * suite_.batch;
        block.keep = std::move(keep);
        std::vector<int64_t> ids(static_cast<size_t>(suite_.batch));
        std::iota(ids.begin(), ids.end(), block.first);
        const auto counted = std::make_shared<const CountingDenoiser>(model.denoiser);
        const auto noise = make_block_noise(suite_.noise, suite_.seed, ids, model.denoiser->shape(),
                                            model.denoiser->classes(), "key noise", model.denoiser->device());
        block.labels = suite_.labels.labels(*noise, ids, model.denoiser->classes());
        block.x = plan_.samplers[cell.sampler]->sample(*counted, cell.schedule, *noise, block.labels);
        if (cell.nfe == 0) cell.nfe = static_cast<int>(counted->calls());
        if (counted->calls() != cell.nfe)
            throw Error("run",
                        "used " + std::to_string(counted->calls()) + " network evaluations where " +
                            std::to_string(cell.nfe) + " were planned",
                        "cell " + cell.id);
        block.network_calls = counted->calls();
        block.network_seconds = [counted] { return counted->seconds(); };
        block.seconds = watch.seconds();
        return block;
    }

    std::vector<std::string> part_folders() const {
        std::vector<std::string> folders = options_.parts;
        folders.insert(folders.begin(), work_folder(options_.output));
        return folders;
    }

    CellRecord cell_template(const PlannedCell& cell) const {
        CellRecord r;
        r.id = cell.id;
        r.schedule = cell.schedule.hash();
        r.sampler = plan_.samplers[cell.sampler]->spec().print();
        r.model = plan_.models[cell.model].id;
        r.settings = cell.settings;
        r.steps = cell.steps;
        r.nfe = cell.nfe;
        r.budget = cell.budget;
        r.seed = suite_.seed;
        return r;
    }

    void fold(PlannedCell& cell) {
        const RunLock lock(options_.output);
        const FoldResult folded = fold_cell(
            lock, new_run_header(), cell_template(cell), find_parts(part_folders(), cell.id), suite_.images,
            [&](CellRecord& record) {
                attach_preview(record, part_folders(), stored_cell(record.id));
                if (quality_)
                    record.metrics = quality_->metrics(record.id, features_of(record), {}, result_.failures);
                if (cell.nfe == 0 && !record.timing.network_calls.empty())
                    record.nfe = record.timing.network_calls[0];
            },
            [&](RunEdit& run) {
                put_common(run);
                ScheduleRecord schedule{cell.schedule, {}};
                if (cell.learned)
                    schedule.learned = learning_.record(
                        learning_.learned(cell.schedule_spec, plan_.models[cell.model], cell.steps));
                run.put(schedule);
                learning_.put_records(run);
                if (quality_) quality_->put_records(run);
            });
        if (folded.missing > 0 && std::find(waiting_.begin(), waiting_.end(), &cell) == waiting_.end())
            waiting_.push_back(&cell);
        if (folded.folded) std::filesystem::remove(preview_path(work_folder(options_.output), cell.id));
    }

    static at::Tensor features_of(const CellRecord& record) {
        return at::tensor(record.features, at::kFloat).reshape({record.count(), record.feature_dim});
    }

    /// Metrics of a finished cell that are not stored yet (another metric, reference or extractor): from its
    /// features, else from its images, kept or given.
    void add_metrics(const std::string& id, const at::Tensor& images = {}) {
        const auto lacks = [&](const CellRecord& c) { return quality_->missing(id, c.count(), c.metrics); };
        if (lacks(*stored_cell(id)).empty()) return;
        FileLock turn(work_folder(options_.output) + "/metrics-" + id + ".lock");
        if (!turn.try_lock()) return;  // another rank is at it, and the run stays open until it leaves
        const CellRecord cell = RunFile::open(options_.output).cell(id, CellParts::all);
        const std::vector<std::string> missing = lacks(cell);
        if (missing.empty()) return;
        at::Tensor features;
        if (!cell.features.empty() && cell.extractor == quality_->extractor_id()) {
            features = features_of(cell);
        } else if (images.defined()) {
            features =
                extract_features(quality_->extractor(), images.narrow(0, 0, cell.count()), suite_.batch);
        } else if (!cell.images.empty()) {
            std::vector<int64_t> shape = cell.image_shape;
            shape.insert(shape.begin(), cell.count());
            features =
                extract_features(quality_->extractor(), pixel_tensor(cell.images, shape), suite_.batch);
        } else {
            throw Error("run",
                        "cannot get " + missing[0] + " any more: it looks at features of " +
                            quality_->extractor().spec() +
                            ", and the cell keeps neither those nor its images",
                        "cell " + id,
                        "make the run anew under another --output (with keep-images = true any metric can be "
                        "added later)");
        }
        const auto metrics = quality_->metrics(id, features, cell.metrics, result_.failures);
        edit_run([&](RunEdit& run) {
            quality_->put_records(run);
            for (const auto& [name, metric] : metrics) run.put_metric(id, name, metric);
        });
    }

    /// Real images that are not in the reference, as a cell of their own: the floor of every table.
    void run_heldout() {
        Dataset data = load_dataset(suite_.heldout, suite_.path + ", key heldout");
        const nlohmann::json settings = {{"kind", "held-out images"}, {"data", data.hash}};
        CellRecord cell;
        cell.settings = settings.dump();
        cell.id = short_hash(cell.settings);
        const DataRecord data_record{short_hash(data.hash),
                                     data.spec,
                                     data.hash,
                                     {data.count, data.channels, data.height, data.width},
                                     data.classes};
        const auto first_images = [&](int64_t count) {
            data.pixels.resize(static_cast<size_t>(count * data.image_size()));
            return pixel_tensor(data.pixels, {count, data.channels, data.height, data.width});
        };
        const int64_t n = std::min(suite_.images, data.count);
        if (const auto stored = stored_cell(cell.id); stored && stored->count() >= n) {
            if (!quality_->missing(cell.id, stored->count(), stored->metrics).empty())
                add_metrics(cell.id, first_images(stored->count()));
            return;
        }
        if (!data.labels.empty()) data.labels.resize(static_cast<size_t>(n));
        const at::Tensor pixels = first_images(n);
        const at::Tensor features = extract_features(quality_->extractor(), pixels, suite_.batch);
        cell.sampler = "held-out";
        cell.data = data_record.id;
        cell.extractor = quality_->extractor_id();
        cell.feature_dim = features.size(1);
        cell.features.assign(features.const_data_ptr<float>(),
                             features.const_data_ptr<float>() + features.numel());
        for (int64_t i = 0; i < n; ++i) cell.sample_ids.push_back(i);
        cell.labels = data.labels;
        cell.image_shape = {data.channels, data.height, data.width};
        cell.images = data.pixels;
        attach_preview(cell, {}, std::nullopt);
        cell.images.clear();
        cell.image_shape.clear();
        cell.metrics = quality_->metrics(cell.id, features, {}, result_.failures);
        edit_run([&](RunEdit& run) {
            run.put(data_record);
            quality_->put_records(run);
            run.put_cell(cell);
        });
    }

    /// The last rank at work closes the run. false: that is this one, but cells have come since `jobs_done`.
    bool leave(bool jobs_done) {
        const RunLock lock(options_.output);
        if (count_waiting() == 0 && result_.failures.empty() &&
            !others_at_work(options_.output, options_.merge_only ? -1 : options_.rank.rank)) {
            if (!jobs_done) return false;
            if (RunFile::open(options_.output).header().status != "complete") {
                RunEdit edit(lock, new_run_header());
                edit.set_status("complete");
                edit.commit();
            }
            std::error_code ignored;
            std::filesystem::remove_all(work_folder(options_.output), ignored);
        }
        at_work_.reset();  // under the run's lock: of two ranks that leave together the second sees it
        return true;
    }

    const Suite& suite_;
    const SweepOptions& options_;
    const RuntimeSettings& runtime_;
    Plan plan_;
    Learning learning_;
    LikelihoodRun likelihood_;
    std::unique_ptr<Quality> quality_;
    std::unique_ptr<Progress> progress_;
    std::optional<RankLock> at_work_;
    std::map<std::string, std::vector<int64_t>> own_ids_;  ///< in this rank's part, by cell
    std::vector<PlannedCell*> waiting_;  ///< cells of the plan that other ranks still work on
    int64_t done_evaluations_ = 0, found_evaluations_ = 0;
    SweepResult result_;
};

}  // namespace

SweepResult run_sweep(const Suite& suite, const SweepOptions& options, const RuntimeSettings& runtime) {
    return Sweep(suite, options, runtime).run();
}

}  // namespace schedbench
