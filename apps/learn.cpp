// schedbench learn: measures what a learned schedule needs, places its knots, and keeps it as a file.
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands.h"
#include "apps/cost_report.h"
#include "apps/knot_plot.h"
#include "apps/options.h"
#include "apps/probe_data.h"
#include "apps/schedule_options.h"
#include "core/error.h"
#include "core/progress.h"
#include "harness/registry.h"
#include "harness/statistics_record.h"
#include "learn/learner.h"

namespace schedbench {
namespace {

LearnedSchedule learn_score_optimal(const Spec& completed, const Denoiser& model, const ProbeSource& source) {
    Progress progress("learning " + completed.name, score_optimal_probes(completed), "probes");
    ScoreOptimalCosts costs;
    measure_score_optimal(costs, completed, model, source, [&](const CostCurve&) {
        progress.update(probes_done(costs, completed));
        return true;
    });
    LearnedSchedule learned = score_optimal_schedule(costs, completed, model.process(), "SPEC");
    note_origin(learned, model, &source);
    return learned;
}

/// Those of the stored statistics that the spec and the model ask for; of several, the ones of --data.
DenoisingStatistics stored_statistics(const Options& options, const Spec& completed, const Denoiser& model) {
    const std::string path = options.text("statistics"),
                      chain = dp_chain(completed, model.process()).name;
    const RunFile file = RunFile::open(path);
    std::string data_hash, seen;
    if (options.has("data"))
        data_hash = load_dataset(Spec::parse(options.text("data"), "--data"), "--data").hash;
    std::optional<DenoisingStatistics> found;
    for (const std::string& id : file.ids("statistics")) {
        const StatisticsRecord record = file.statistics(id);
        const auto kind = record.texts.find("kind");
        if (kind == record.texts.end() || kind->second != "denoising-statistics") continue;
        DenoisingStatistics s = statistics_of(record, path);
        seen += (seen.empty() ? "" : "; ") + s.model + ", chain " + s.chain_name +
                ", clip=" + (s.clip ? "true" : "false") + ", decoder=" + decoder_name(s.decoder);
        const bool fits =
            s.model == model.spec() && s.chain_name == chain && s.clip == completed.flag("clip") &&
            (completed.is_auto("decoder") || decoder_name(s.decoder) == completed.text("decoder")) &&
            (data_hash.empty() || s.data_hash == data_hash);
        if (!fits) continue;
        if (found)
            throw Error("option", "holds several statistics of this model", path,
                        "choose by --data, or by the keys clip and decoder of SPEC");
        found = std::move(s);
    }
    if (!found)
        throw Error("option",
                    "holds no statistics of the model " + model.spec() + " over " + chain +
                        " with clip=" + completed.text("clip"),
                    path, seen.empty() ? "make them with schedbench statistics" : "it holds: " + seen);
    return *found;
}

DenoisingStatistics measured_statistics(const Spec& completed, const Denoiser& model,
                                        const ProbeSource& source) {
    const StatisticsOptions settings = dp_options(completed, source);
    DenoisingStatistics statistics =
        empty_statistics(model, dp_chain(completed, model.process()), source, settings);
    const int64_t asked = completed.integer("images"), images = asked > 0 ? asked : source.count();
    Progress progress("learning " + completed.name, images, "images");
    measure_statistics(statistics, model, source, settings, images, [&](const DenoisingStatistics& so_far) {
        progress.update(so_far.images);
        return true;
    });
    return statistics;
}

int run(const std::vector<std::string>& arguments) {
    Options options(kLearnCommand);
    options
        .positional("spec", 1,
                    "the learner: score-optimal, dp-elbo or dp-mse, with its keys (schedbench list schedules)")
        .value("model", "", "the model (schedbench list models)")
        .value("steps", "", "number of steps N of the schedule to print")
        .value("output", "",
               "file to keep what was learned in (JSON), for learned:file=FILE with any number of steps")
        .value("plot", "", "draw the schedule over ln sigma into this .svg file")
        .value("statistics", "", "run file of schedbench statistics, for dp-elbo and dp-mse without measuring")
        .value("max-steps", "100", "dp-elbo and dp-mse: keep the paths for 1 to this many steps (or to --steps)");
    add_probe_options(options);
    add_range_options(options);
    add_schedule_options(options);
    options.runtime().json();
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.runtime_settings();
    if (options.has("plot") && !options.text("plot").ends_with(".svg"))
        throw Error("option", "\"" + options.text("plot") + "\" should end in .svg", "--plot");
    const Spec spec = with_range(Spec::parse(options.text("spec"), "SPEC"), options);
    const int steps = step_count(options);
    const ScheduleRequest request = schedule_request(options, steps);
    const auto model = placed_for_host(make_model(Spec::parse(options.text("model"), "--model")), runtime);
    const NoiseProcess& process = model->process();
    const Spec completed = complete_learner(spec, process, "SPEC");
    const bool dp = learns_paths(completed);
    if (!dp && options.has("statistics"))
        throw Error("option", "is for dp-elbo and dp-mse only", "--statistics", "score-optimal measures its own costs");

    LearnedSchedule learned;
    if (dp) {
        const DenoisingStatistics statistics =
            options.has("statistics")
                ? stored_statistics(options, completed, *model)
                : measured_statistics(completed, *model, *load_probes(options, model).source);
        if (steps > statistics.levels())
            throw Error("option",
                        "must be at most " + std::to_string(statistics.levels()) +
                            ", the number of levels of the chain",
                        "--steps");
        const int kept = std::min(statistics.levels(), std::max(steps, step_count(options, "max-steps")));
        learned = dp_schedule(statistics, completed, process, kept, "SPEC");
    } else {
        const ProbeData data = load_probes(options, model);
        learned = learn_score_optimal(completed, *model, *data.source);
    }
    if (dp) note_origin(learned, *model, nullptr);
    learned.provenance["command"] = command_line();
    const Schedule schedule = place(learned, completed, process, request, "SPEC");
    if (options.has("output")) learned.write(options.text("output"));
    const bool curve = !learned.curve.sigma.empty();
    if (options.on("json")) {
        nlohmann::json out = schedule.to_json();
        if (curve) out.update(cost_report(learned, schedule));
        std::cout << out.dump() << "\n";
    } else {
        print_schedule(schedule, false);
        if (curve) print_cost_report(std::cout, learned, schedule);
    }
    if (options.has("plot")) write_knot_plot(options.text("plot"), {schedule});
    const std::string warning = learned.provenance.value("warning", "");
    if (!warning.empty() && options.on("json")) std::cerr << "warning: " << warning << "\n";
    if (options.has("output"))
        std::cerr << "wrote " << options.text("output")
                  << ": use it as learned:file=" << options.text("output") << "\n";
    return 0;
}

}  // namespace

const Command kLearnCommand = {
    "learn", "learn a schedule from a model and data",
    "schedbench learn SPEC --model MODEL --data DATA --steps N [options]",
    "  schedbench learn score-optimal --model exact:gaussian,c=0.5,dim=2 --steps 10\n"
    "  schedbench learn score-optimal --model native:file=weights/fashion-edm.safetensors --data "
    "fashion-mnist \\\n"
    "      --steps 18 --output so.json\n"
    "  schedbench learn dp-elbo:variance=corrected-analytic --model "
    "'exact:gaussian,c=0.5,process={linear:T=100}' --steps 8 --json\n"
    "  schedbench learn dp-elbo --model native:file=weights/fashion-hybrid.safetensors --statistics st.h5 "
    "--steps 20\n",
    run};

}  // namespace schedbench
