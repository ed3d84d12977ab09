// schedbench show: the contents of a run; export: in other programs' formats; validate: is it what it says?
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "harness/model_record.h"
#include "harness/table.h"
#include "store/export.h"
#include "store/slim_copy.h"
#include "store/validate.h"

namespace schedbench {
namespace {

int show(const std::vector<std::string>& arguments) {
    Options options(kShowCommand);
    options.positional("run", 1, "run file").json();
    if (!options.parse(arguments)) return 0;
    const RunFile run = RunFile::open(options.text("run"));
    const auto summary = nlohmann::json::parse(summary_json(run));
    if (options.on("json")) {
        std::cout << summary << "\n";
        return 0;
    }
    for (const auto& [key, value] : summary.items()) {
        if (!value.is_object()) {
            std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
            continue;
        }
        std::cout << key << ":\n";
        for (const auto& [name, item] : value.items())
            std::cout << "  " << name << ": " << item.dump() << "\n";
    }
    for (const std::string& id : run.ids("models")) {
        const ModelRecord model = run.model(id);
        const std::string distance = distance_text(model);
        if (!distance.empty()) std::cout << "model " << id << ": " << distance << "\n";
    }
    const std::vector<std::string> extractors = run.ids("extractors");
    if (!extractors.empty()) std::cout << "extractor list (id, spec, pipeline, precision):\n";
    for (const std::string& id : extractors) {
        const ExtractorRecord extractor = run.extractor(id);
        std::cout << "  " << id << "  " << extractor.spec << "  " << extractor.pipeline << "  "
                  << extractor.precision;
        if (extractor.precision != "float32") {
            char text[48];
            std::snprintf(text, sizeof text, " (%.2g %% from float32)", 100 * extractor.deviation);
            std::cout << text;
        }
        std::cout << "\n";
    }
    std::cout << "cell list (id, schedule, sampler, NFE, images, metric):\n";
    for (const std::string& id : run.ids("cells")) {
        const CellRecord cell = run.cell(id);
        std::cout << "  " << id << "  "
                  << (cell.schedule.empty() ? cell.sampler
                                            : short_spec(run.schedule(cell.schedule).schedule.spec) + ", " +
                                                  short_spec(cell.sampler))
                  << "  " << cell.nfe << "  " << cell.count();
        for (const auto& [name, metric] : cell.metrics)
            std::cout << "  " << name << " " << format_estimate(metric.estimate.value, metric.estimate.se);
        std::cout << "\n";
    }
    return 0;
}

int export_run(const std::vector<std::string>& arguments) {
    Options options(kExportCommand);
    options.positional("run", 1, "run file")
        .value("format", "csv",
               "csv or json: all cells; npy or npz: arrays of one cell; slim: a run file\nwith what compare "
               "and gate need")
        .value("cell", "", "cell id (npy, npz)")
        .value("array", "features", "features, images, labels, sample_ids, preview or influence:METRIC (npy)")
        .value("output", "", "file to write (default for csv and json: stdout)")
        .flag("json", "as --format json");
    if (!options.parse(arguments)) return 0;
    const RunFile run = RunFile::open(options.text("run"));
    const std::string format = options.on("json") ? "json" : options.text("format");
    if (format == "csv" || format == "json") {
        if (options.has("output"))
            throw Error("option", "is for npy and npz", "--output", "redirect stdout instead");
        std::cout << (format == "csv" ? cells_csv(run) : cells_json(run) + "\n");
        return 0;
    }
    if (format == "npy")
        export_npy(run, options.text("cell"), options.text("array"), options.text("output"));
    else if (format == "npz")
        export_npz(run, options.text("cell"), options.text("output"));
    else if (format == "slim")
        write_slim_copy(run, options.text("output"));
    else
        throw Error("option", "\"" + format + "\" is not a format", "--format",
                    "known: csv, json, npy, npz, slim");
    std::cout << "wrote " << options.text("output") << "\n";
    return 0;
}

int validate(const std::vector<std::string>& arguments) {
    Options options(kValidateCommand);
    options.positional("run", 1, "run file").json();
    if (!options.parse(arguments)) return 0;
    const auto findings = validate_run(options.text("run"));
    if (options.on("json")) {
        nlohmann::json out = nlohmann::json::array();
        for (const Finding& finding : findings)
            out.push_back({{"where", finding.where}, {"message", finding.message}});
        std::cout << out << "\n";
    } else {
        for (const Finding& finding : findings) std::cout << finding.where << ": " << finding.message << "\n";
        std::cout << options.text("run")
                  << (findings.empty() ? ": good, all contents match the schema and their hashes\n"
                                       : ": " + std::to_string(findings.size()) + " findings\n");
    }
    return findings.empty() ? 0 : 2;
}

}  // namespace

const Command kShowCommand = {"show", "print what a run holds", "schedbench show RUN.h5 [--json]",
                              "  schedbench show results/runs/quickstart.h5\n", show};
const Command kExportCommand = {
    "export", "export a run as CSV, JSON, NPY, NPZ, or slim as a baseline",
    "schedbench export RUN.h5 [options]",
    "  schedbench export run.h5 --format csv > cells.csv\n"
    "  schedbench export run.h5 --format npz --cell 0123456789abcdef --output cell.npz\n"
    "  schedbench export run.h5 --format slim --output baseline.h5\n",
    export_run};
const Command kValidateCommand = {"validate", "check a run against the schema and its own hashes",
                                  "schedbench validate RUN.h5 [--json]",
                                  "  schedbench validate results/runs/quickstart.h5\n", validate};

}  // namespace schedbench
