// schedbench statistics: one pass of denoising statistics into a run file. The pass so far is kept in the
// run's work folder after every block (or every few seconds, where blocks are fast), and a pass that was
// stopped goes on there.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/probe_data.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/hdf5.h"
#include "core/progress.h"
#include "core/stopwatch.h"
#include "harness/registry.h"
#include "harness/run_header.h"
#include "harness/statistics_record.h"
#include "store/record_io.h"
#include "store/run_lock.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;
using Rules = std::vector<DenoisingStatistics>;  // one a clip rule, from the same evaluations

/// One process's pass so far, as a small run file that is always whole.
class Checkpoint {
  public:
    Checkpoint(const std::string& output, const Rules& rules, const Rank& rank)
        : path_(work_folder(output) + "/statistics-" + name(rules) + suffix(rank) + ".h5") {
        fs::create_directories(work_folder(output));
    }
    /// Of the rules together: each by itself has an id of its own.
    static std::string name(const Rules& rules) {
        std::string ids;
        for (const DenoisingStatistics& rule : rules) ids += statistics_id(rule);
        return rules.size() == 1 ? ids : short_hash(ids);
    }
    const std::string& path() const { return path_; }

    void load(Rules& rules) const {
        if (!fs::exists(path_)) return;
        for (DenoisingStatistics& rule : rules)
            if (auto found = find_statistics({path_}, statistics_id(rule));
                found && found->images > rule.images)
                rule = std::move(*found);
    }
    /// Skipped while writing would take more than a twentieth of the time.
    void save(const Rules& rules, bool at_once = false) {
        if (!at_once && last_.seconds() < 20 * cost_) return;
        const Stopwatch watch;
        const std::string next = path_ + ".next.h5";
        fs::remove(next);
        {
            const RunLock lock(next);
            RunEdit edit(lock, new_run_header("complete"));
            for (const DenoisingStatistics& rule : rules) edit.put(statistics_record(rule));
            edit.commit();
        }
        replace_file(next, path_);
        last_ = Stopwatch();
        cost_ = watch.seconds();
    }
    void remove() const {
        for (const std::string& path :
             {path_, lock_path(path_), path_ + ".next.h5", lock_path(path_ + ".next.h5")}) {
            std::error_code ignored;
            fs::remove(path, ignored);
        }
    }

  private:
    static std::string suffix(const Rank& rank) {
        return rank.world_size == 1
                   ? ""
                   : "-rank" + std::to_string(rank.rank) + "of" + std::to_string(rank.world_size);
    }
    std::string path_;
    Stopwatch last_;
    double cost_ = 0;
};

struct Job {
    std::shared_ptr<const Denoiser> model;
    ProbeData data;
    RuntimeSettings runtime;
    StatisticsOptions settings;
    Rank rank;
    int64_t wanted = 0;
    std::string output;
    bool compact = false;
};

/// Statistics that grew take the place of the smaller ones with their id; all else in the file stays.
void store(const DenoisingStatistics& statistics, const Job& job) {
    const std::string& output = job.output;
    const RunLock lock(output);
    const StatisticsRecord record = statistics_record(statistics);
    const std::string group = "/statistics/" + record.id;
    if (fs::exists(output) && RunFile::open(output).has("statistics", record.id)) {
        const std::string temporary = output + ".grown.part";
        fs::copy_file(output, temporary, fs::copy_options::overwrite_existing);
        Hdf5File file = Hdf5File::open_for_writing(temporary);
        file.remove(group);
        write_record(file, group, record);
        file.close();
        replace_file(temporary, output);
        return;
    }
    RunEdit edit(lock, new_run_header("complete"));
    ProvenanceRecord origin{provenance(job.runtime)};
    origin.values["command"] = command_line();
    edit.put(origin);
    edit.put(ModelRecord{short_hash(job.model->spec()), job.model->spec(), job.model->weights_hash(),
                         job.model->process().spec().print(), job.model->shape(), "{}"});
    if (const Dataset* d = job.data.dataset.get())
        edit.put(DataRecord{
            short_hash(d->hash), d->spec, d->hash, {d->count, d->channels, d->height, d->width}, d->classes});
    edit.put(record);
    edit.commit();
}

/// The file of --levels, if it was asked for.
void write_levels(const Options& options, const DenoisingStatistics& statistics) {
    if (options.has("levels")) level_statistics_of(statistics, "--levels").write(options.text("levels"));
}

void report(const Rules& rules, const std::string& output, bool json) {
    nlohmann::json array = nlohmann::json::array();
    for (const DenoisingStatistics& s : rules) {
        const std::string id = statistics_id(s);
        array.push_back({{"output", output},
                         {"id", id},
                         {"images", s.images},
                         {"levels", s.levels()},
                         {"model", s.model},
                         {"data", s.data},
                         {"chain", s.chain_name},
                         {"clip", s.clip},
                         {"decoder", decoder_name(s.decoder)},
                         {"learned_variance", s.learned.has_value()},
                         {"seed", s.seed}});
        if (json) continue;
        std::cout << "statistics " << id << " in " << output << ": " << s.images << " images, " << s.levels()
                  << " levels (" << s.chain_name << "), clip " << (s.clip ? "[-1,1]" : "none") << ", decoder "
                  << decoder_name(s.decoder) << "\n";
    }
    if (json) std::cout << (array.size() == 1 ? array.front() : array).dump() << "\n";
}

/// Images of this rank's share.
int64_t share(const Job& job) {
    int64_t out = 0;
    for (int64_t block = 0, first = 0; first < job.wanted; ++block, first += job.settings.batch)
        if (block_is_of(job.rank, block)) out += std::min(job.wanted - first, job.settings.batch);
    return out;
}

/// This rank's share, from where it was left.
void measure(Rules& rules, Checkpoint& checkpoint, const Job& job) {
    checkpoint.load(rules);
    if (job.rank.world_size == 1 && fs::exists(job.output))
        for (DenoisingStatistics& rule : rules)
            if (auto found = find_statistics({job.output}, statistics_id(rule));
                found && found->images > rule.images)
                rule = std::move(*found);
    const int64_t own = share(job);
    const auto done = [&] {
        int64_t least = own;
        for (const DenoisingStatistics& rule : rules) least = std::min(least, rule.images);
        return least;
    };
    if (done() > 0) std::cerr << "continuing after " << done() << " images\n";
    if (done() >= own) return;
    Progress progress("statistics", own, "images");
    progress.found(done());
    measure_statistics(rules, *job.model, *job.data.source, job.settings, job.wanted, job.rank,
                       [&](const Rules& so_far) {
                           progress.update(so_far.front().images);
                           if (so_far.front().images < own) checkpoint.save(so_far);
                           return true;
                       });
}

/// All ranks' parts, if all are complete: joined and stored. Otherwise the part stays where it is.
bool join_ranks(Rules& rules, const Rules& fresh, const Job& job) {
    const RunLock alone(work_folder(job.output) + "/joining-" + Checkpoint::name(fresh) + ".h5");
    std::vector<Checkpoint> files;
    std::vector<Rules> parts;
    for (int64_t rank = 0; rank < job.rank.world_size; ++rank) {
        Job other{job.model,  {},         job.runtime, job.settings, {rank, job.rank.world_size},
                  job.wanted, job.output, job.compact};
        files.emplace_back(job.output, fresh, other.rank);
        parts.push_back(fresh);
        files.back().load(parts.back());
        for (const DenoisingStatistics& part : parts.back())
            if (part.images != share(other)) return false;
    }
    for (size_t i = 0; i < fresh.size(); ++i) {
        std::vector<DenoisingStatistics> of_rule;
        for (const Rules& part : parts) of_rule.push_back(part[i]);
        rules[i] = join_statistics(of_rule, job.wanted);
        if (job.compact) rules[i].lanes.clear();
        store(rules[i], job);
    }
    for (const Checkpoint& file : files) file.remove();
    return true;
}

Rank rank_of(const Options& options) {
    if (options.has("rank") != options.has("world-size"))
        throw Error("option", "go together", "--rank, --world-size", "give both or neither");
    const Rank out = options.has("rank") ? Rank{options.integer("rank", 0), options.integer("world-size")}
                                         : rank_from_environment();
    check_rank(out, "--rank, --world-size");
    if (out.world_size > kStatisticsLanes)
        throw Error("option",
                    "statistics can be shared by at most " + std::to_string(kStatisticsLanes) +
                        " ranks, not " + std::to_string(out.world_size),
                    "--world-size");
    return out;
}

int run(const std::vector<std::string>& arguments) {
    Options options(kStatisticsCommand);
    options.value("model", "", "the model (schedbench list models)")
        .value("images", "0", "how many images, from the first; 0: all")
        .value("clip", "both", "clip x0hat to [-1, 1]: true, false, or both rules from the same evaluations")
        .value("decoder", "auto",
               "decoder whose terms of each image are kept: tanh, erf or density; auto: tanh for images, "
               "density else")
        .value("grid", "1000", "levels uniform in ln sigma, for a continuous model only")
        .value("batch", "16", "images a block: after each the pass is saved")
        .value("seed", "0", "seed of the noise")
        .value("per-image", "true",
               "keep the terms of each image, for error bars: true or false (4 bytes a term, 2 or 3 terms a "
               "level)")
        .flag("compact",
              "keep no sums of groups of images: a small file that cannot be continued, and has no error "
              "bars of "
              "learned variance")
        .value("output", "", "run file (HDF5) to put them in; other content of it stays")
        .value("rank", "", "rank of this process (default: from torchrun, Slurm, OpenMPI or PMI)")
        .value("world-size", "", "number of ranks, at most 16; the last to finish joins the parts")
        .value("levels", "",
               "also write a JSON file of E|eps|^2 and E|x0 - x0hat|^2 at every level, for "
               "ddpm:variance=analytic,statistics=FILE; with --clip both, those of the clipped x0hat");
    add_probe_options(options);
    options.runtime().json();
    if (!options.parse(arguments)) return 0;
    Job job;
    job.runtime = options.runtime_settings();
    job.output = options.text("output");
    job.rank = rank_of(options);
    job.compact = options.on("compact");
    const std::string clip = options.text("clip"), decoder = options.text("decoder"),
                      per_image = options.text("per-image");
    if (clip != "true" && clip != "false" && clip != "both")
        throw Error("option", "wants true, false or both, not \"" + clip + "\"", "--clip");
    if (per_image != "true" && per_image != "false")
        throw Error("option", "wants true or false, not \"" + per_image + "\"", "--per-image");
    job.model = placed_for_host(make_model(Spec::parse(options.text("model"), "--model")), job.runtime);
    job.data = load_probes(options, job.model);
    const ProbeSource& source = *job.data.source;
    StatisticsOptions& settings = job.settings;
    settings.decoder = decoder != "auto"    ? parse_decoder(decoder, "--decoder")
                       : source.eight_bit() ? DecoderKind::tanh
                                            : DecoderKind::density;
    settings.seed = static_cast<uint64_t>(options.integer("seed", 0));
    settings.batch = options.integer("batch");
    settings.per_image = per_image == "true";
    const int64_t asked = options.integer("images", 0);
    job.wanted = asked > 0 ? asked : source.count();
    if (job.wanted > source.count())
        throw Error("option",
                    std::to_string(job.wanted) + " images were asked for, but there are " +
                        std::to_string(source.count()),
                    "--images");

    const auto grid = static_cast<int>(
        std::min<int64_t>(options.integer("grid", 2), 1'000'000));  // beyond 65,535 it is refused
    const StatisticsChain chain = statistics_chain(job.model->process(), grid);
    Rules fresh;
    for (const bool rule : {true, false}) {
        if (clip != "both" && rule != (clip == "true")) continue;
        settings.clip = rule;
        fresh.push_back(empty_statistics(*job.model, chain, source, settings));
    }
    Rules rules = fresh;
    bool complete = true;
    for (DenoisingStatistics& rule : rules) {
        if (fs::exists(job.output))
            if (auto found = find_statistics({job.output}, statistics_id(rule))) rule = std::move(*found);
        complete = complete && rule.images >= job.wanted;
    }
    if (complete) {
        std::cerr << job.output << " has them already, for " << rules.front().images
                  << " images: nothing to do\n";
        write_levels(options, rules.front());
        report(rules, job.output, options.on("json"));
        return 0;
    }
    Checkpoint checkpoint(job.output, fresh, job.rank);
    bool joined = true;
    {
        const RunLock alone(
            checkpoint.path());  // a second process for the same statistics waits here, and then finds them
        if (job.rank.world_size > 1) rules = fresh;
        measure(rules, checkpoint, job);
        if (job.rank.world_size > 1)
            checkpoint.save(rules, true);
        else
            for (DenoisingStatistics& rule : rules) {
                if (job.compact) rule.lanes.clear();
                store(rule, job);
            }
    }
    if (job.rank.world_size > 1)
        joined = join_ranks(rules, fresh, job);
    else
        checkpoint.remove();
    if (!joined) {
        std::cerr << "rank " << job.rank.rank << " has measured its " << rules.front().images
                  << " images; the last rank to finish joins the parts in " << work_folder(job.output)
                  << "\n";
        return 0;
    }
    std::error_code ignored;
    const std::string joining = work_folder(job.output) + "/joining-" + Checkpoint::name(fresh) + ".h5";
    fs::remove(lock_path(joining), ignored);
    fs::remove(work_folder(job.output), ignored);  // only if nothing else is in it
    write_levels(options, rules.front());
    report(rules, job.output, options.on("json"));
    return 0;
}

}  // namespace

const Command kStatisticsCommand = {
    "statistics", "one pass of denoising statistics, for bits/dim of every path and budget",
    "schedbench statistics --model MODEL --data DATA --output FILE.h5 [options]",
    "  schedbench statistics --model 'exact:gaussian,c=0.5,process={linear:T=100}' --draws 256 --clip false "
    "--output st.h5\n"
    "  schedbench statistics --model native:file=weights/fashion-hybrid.safetensors --data fashion-mnist "
    "--images 256 --output st.h5\n"
    "  schedbench statistics --model native:file=weights/fashion-hybrid.safetensors --data "
    "fashion-mnist:split=test --images 256 \\\n"
    "      --output st.h5\n"
    "A pass that was stopped is continued by the same command; a larger --images adds images.\n"
    "Space: for T levels and a network with learned variance about 18 T kB a clip rule (10 T kB with\n"
    "--compact), and 12 T bytes an image.\n",
    run};

}  // namespace schedbench
