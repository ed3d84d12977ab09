// schedbench statistics: one pass of denoising statistics into a run file. The pass so far is kept in the
// run's work folder after every block (or every few seconds, where blocks are fast), and a pass that was
// stopped goes on there.
#include <chrono>
#include <ctime>
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
#include "harness/registry.h"
#include "harness/statistics_record.h"
#include "store/record_io.h"
#include "store/run_lock.h"

namespace schedbench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

RunHeader header() {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    RunHeader out;
    out.software = "schedbench " SCHEDBENCH_VERSION;
    out.created = text;
    out.status = "complete";
    return out;
}

/// The pass so far, as a small run file that is always whole.
class Checkpoint {
  public:
    Checkpoint(const std::string& output, const std::string& id)
        : path_(work_folder(output) + "/statistics-" + id + ".h5"), id_(id) {
        fs::create_directories(work_folder(output));
    }
    const std::string& path() const { return path_; }

    void load(DenoisingStatistics& statistics) const {
        if (!fs::exists(path_)) return;
        if (auto found = find_statistics({path_}, id_); found && found->images > statistics.images)
            statistics = std::move(*found);
    }
    /// Skipped while writing would take more than a twentieth of the time.
    void save(const DenoisingStatistics& statistics) {
        if (seconds_since(last_) < 20 * cost_) return;
        const auto start = Clock::now();
        const std::string next = path_ + ".next.h5";
        fs::remove(next);
        {
            const RunLock lock(next);
            RunEdit edit(lock, header());
            edit.put(statistics_record(statistics));
            edit.commit();
        }
        replace_file(next, path_);
        last_ = Clock::now();
        cost_ = seconds_since(start);
    }

  private:
    std::string path_, id_;
    Clock::time_point last_ = Clock::now();
    double cost_ = 0;
};

struct Job {
    std::shared_ptr<const Denoiser> model;
    ProbeData data;
    RuntimeSettings runtime;
};

/// Statistics that grew take the place of the smaller ones with their id; all else in the file stays.
void store(const std::string& output, const DenoisingStatistics& statistics, const Job& job) {
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
    RunEdit edit(lock, header());
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

void report(const DenoisingStatistics& s, const std::string& output, const std::string& id, bool json) {
    if (json) {
        std::cout << nlohmann::json{{"output", output},
                                    {"id", id},
                                    {"images", s.images},
                                    {"levels", s.levels()},
                                    {"model", s.model},
                                    {"data", s.data},
                                    {"chain", s.chain_name},
                                    {"clip", s.clip},
                                    {"decoder", decoder_name(s.decoder)},
                                    {"seed", s.seed}}
                         .dump()
                  << "\n";
        return;
    }
    std::cout << "statistics " << id << " in " << output << ": " << s.images << " images, " << s.levels()
              << " levels (" << s.chain_name << "), clip " << (s.clip ? "[-1,1]" : "none") << ", decoder "
              << decoder_name(s.decoder) << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kStatisticsCommand);
    options.value("model", "", "the model (schedbench list models)")
        .value("images", "0", "how many images, from the first; 0: all")
        .value("clip", "true", "clip x0hat to [-1, 1]: true or false")
        .value("decoder", "auto",
               "last term of the bound: tanh, erf or density; auto: tanh for images, density else")
        .value("grid", "1000", "levels uniform in ln sigma, for a continuous model only")
        .value("batch", "16", "images a block: after each the pass is saved")
        .value("seed", "0", "seed of the noise")
        .value("output", "", "run file (HDF5) to put them in; other content of it stays")
        .value("levels", "",
               "also write a JSON file of E|eps|^2 and E|x0 - x0hat|^2 at every level, for "
               "ddpm:variance=analytic,statistics=FILE");
    add_probe_options(options);
    options.runtime().json();
    if (!options.parse(arguments)) return 0;
    Job job;
    job.runtime = options.runtime_settings();
    const std::string output = options.text("output"), clip = options.text("clip"),
                      decoder = options.text("decoder");
    if (clip != "true" && clip != "false")
        throw Error("option", "wants true or false, not \"" + clip + "\"", "--clip");
    job.model = make_model(Spec::parse(options.text("model"), "--model"));
    job.data = load_probes(options, job.model);
    const ProbeSource& source = *job.data.source;
    StatisticsOptions settings;
    settings.clip = clip == "true";
    settings.decoder = decoder != "auto"    ? parse_decoder(decoder, "--decoder")
                       : source.eight_bit() ? DecoderKind::tanh
                                            : DecoderKind::density;
    settings.seed = static_cast<uint64_t>(options.integer("seed", 0));
    settings.batch = options.integer("batch");
    const int64_t asked = options.integer("images", 0), wanted = asked > 0 ? asked : source.count();
    if (wanted > source.count())
        throw Error("option",
                    std::to_string(wanted) + " images were asked for, but there are " +
                        std::to_string(source.count()),
                    "--images");

    const auto grid = static_cast<int>(
        std::min<int64_t>(options.integer("grid", 2), 1'000'000));  // beyond 65,535 it is refused
    DenoisingStatistics statistics =
        empty_statistics(*job.model, statistics_chain(job.model->process(), grid), source, settings);
    const std::string id = statistics_id(statistics);
    if (fs::exists(output))
        if (auto found = find_statistics({output}, id)) statistics = std::move(*found);
    if (statistics.images >= wanted) {
        std::cerr << output << " has them already, for " << statistics.images << " images: nothing to do\n";
        write_levels(options, statistics);
        report(statistics, output, id, options.on("json"));
        return 0;
    }
    Checkpoint checkpoint(output, id);
    {
        const RunLock alone(
            checkpoint.path());  // a second process for the same statistics waits here, and then finds them
        checkpoint.load(statistics);
        if (fs::exists(output))
            if (auto found = find_statistics({output}, id); found && found->images > statistics.images)
                statistics = std::move(*found);
        if (statistics.images > 0) std::cerr << "continuing after " << statistics.images << " images\n";
        if (statistics.images < wanted) {
            Progress progress("statistics", wanted, "images");
            progress.update(statistics.images);
            measure_statistics(statistics, *job.model, source, settings, wanted,
                               [&](const DenoisingStatistics& so_far) {
                                   progress.update(so_far.images);
                                   if (so_far.images < wanted) checkpoint.save(so_far);
                                   return true;
                               });
        }
        store(output, statistics, job);
    }
    for (const std::string& path :
         {checkpoint.path(), lock_path(checkpoint.path()), checkpoint.path() + ".next.h5",
          lock_path(checkpoint.path() + ".next.h5")}) {
        std::error_code ignored;
        fs::remove(path, ignored);
    }
    std::error_code ignored;
    fs::remove(work_folder(output), ignored);  // only if nothing else is in it
    write_levels(options, statistics);
    report(statistics, output, id, options.on("json"));
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
    "A pass that was stopped is continued by the same command; a larger --images adds images.\n",
    run};

}  // namespace schedbench
