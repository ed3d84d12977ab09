// schedbench modes: how well the schedules of a suite sample targets whose density is known: which modes are
// found, and the log-likelihood of the samples; of networks also how far their score is from the exact one.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "apps/commands.h"
#include "apps/line_chart.h"
#include "apps/options.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/progress.h"
#include "harness/mode_recovery.h"
#include "harness/table.h"

namespace schedbench {
namespace {

/// The weight file's name without folder and ending, or the spec of an exact target.
std::string label(const PlannedModel& model) {
    const SpecValue* file = model.spec.find("file");
    return file ? std::filesystem::path(file->text).stem().string() : model.spec.name + ":" + model.spec.sub;
}

void print_csv(const std::string& path, const std::vector<ModeRow>& rows, const Plan& plan,
               const std::vector<ModeReference>& references) {
    std::ofstream out(path);
    out << "model,schedule,sampler,steps,nfe,modes_found,modes,log_likelihood,se,data_log_likelihood,data_"
           "se,score_error,score_error_se\n";
    for (const ModeRow& r : rows) {
        const ModeReference& reference = references[r.model];
        out << '"' << plan.models[r.model].spec.print() << "\",\"" << r.schedule << "\",\"" << r.sampler
            << "\"," << r.steps << ',' << r.nfe << ',' << r.found << ',' << r.modes << ',' << r.samples.mean
            << ',' << r.samples.se << ',' << reference.likelihood.mean << ',' << reference.likelihood.se
            << ',';
        if (reference.error.total.n > 0)
            out << reference.error.total.mean << ',' << reference.error.total.standard_error();
        else
            out << "0,0";
        out << '\n';
    }
    if (!out) throw Error("file", "cannot be written", path, "check that the folder exists and has room");
}

/// Gap between samples and data in log-likelihood against the number of steps, for the first sampler.
void plot(const std::string& path, const std::vector<ModeRow>& rows, const Plan& plan,
          const std::vector<ModeReference>& references) {
    LineChart chart;
    chart.title =
        "|log-likelihood of the data - of the samples|, nats a sample; " + short_spec(rows[0].sampler);
    chart.x_label = "steps";
    chart.note = "hollow: modes missing";
    for (const ModeRow& row : rows) {
        if (row.sampler != rows[0].sampler) continue;
        std::string name = short_spec(row.schedule);
        if (plan.models.size() > 1) name += ", " + label(plan.models[row.model]);
        auto line = std::find_if(chart.series.begin(), chart.series.end(),
                                 [&](const ChartSeries& s) { return s.name == name; });
        if (line == chart.series.end()) line = chart.series.insert(line, {name, {}});
        const double gap = std::abs(references[row.model].likelihood.mean - row.samples.mean);
        line->points.push_back({static_cast<double>(row.steps), std::max(gap, 1e-4), row.found < row.modes});
    }
    chart.write(path);
}

void plot_errors(const std::string& path, const Plan& plan, const std::vector<ModeReference>& references) {
    LineChart chart;
    chart.title = "squared error of the score times sigma^2 along the path";
    chart.x_label = "sigma";
    chart.dots = false;
    for (size_t m = 0; m < references.size(); ++m) {
        const ScoreError& error = references[m].error;
        if (error.sigma.empty()) continue;
        ChartSeries line{label(plan.models[m]), {}};
        for (size_t l = 0; l < error.sigma.size(); ++l)
            line.points.push_back({error.sigma[l], std::max(error.at_level[l].mean, 1e-12), false});
        chart.series.push_back(std::move(line));
    }
    chart.write(path);
}

/// The targets' own draws, and how good a network's score is.
void print_models(const Plan& plan, const std::vector<ModeReference>& references) {
    TextTable table({"<model", "log-likelihood of the data", "+-", "error of the score, nats", "+-"});
    for (size_t m = 0; m < references.size(); ++m) {
        const ModeReference& r = references[m];
        const bool network = r.error.total.n > 0;
        table.add({label(plan.models[m]), short_number(r.likelihood.mean, 5), short_number(r.likelihood.se, 2),
                   network ? short_number(r.error.total.mean, 3) : "exact",
                   network ? short_number(r.error.total.standard_error(), 2) : "-"});
    }
    table.print(std::cout);
    std::cout << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kModesCommand);
    options
        .positional("suite", 1,
                    "suite file: models exact:... or networks trained on them, schedules, samplers, "
                    "steps or budgets, images")
        .value("csv", "", "write the rows into this file")
        .value("plot", "", "draw log-likelihood against steps into this .svg file")
        .value("error-plot", "", "draw the networks' score errors along the path into this .svg file")
        .runtime();
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.runtime_settings();
    for (const char* name : {"plot", "error-plot"})
        if (options.has(name) && !options.text(name).ends_with(".svg"))
            throw Error("option", "\"" + options.text(name) + "\" should end in .svg",
                        std::string("--") + name);
    const Suite suite = read_suite(options.text("suite"));
    Plan plan = make_plan(suite, runtime);
    std::vector<ModeReference> references;
    for (const PlannedModel& model : plan.models)
        references.push_back(mode_reference(model, suite.images, suite.seed));

    if (options.has("error-plot") &&
        std::all_of(references.begin(), references.end(),
                    [](const ModeReference& r) { return r.error.sigma.empty(); }))
        throw Error("option", "has nothing to show: all models are exact", "--error-plot",
                    "leave it out, or add a network trained with --data exact:...");

    Progress progress("modes", static_cast<int64_t>(plan.cells.size()), "cells");
    const std::vector<ModeRow> rows = recover_modes(
        plan, references, suite, [&](size_t done) { progress.update(static_cast<int64_t>(done)); });
    progress.finish();

    print_models(plan, references);
    const bool several = plan.models.size() > 1;
    std::vector<std::string> columns{"<schedule", "<sampler",       "steps", "evaluations",
                                     "modes",     "log-likelihood", "+-"};
    if (several) columns.insert(columns.begin(), "<model");
    TextTable table(columns);
    for (const ModeRow& row : rows) {
        std::vector<std::string> cells{short_spec(row.schedule),
                                       Spec::parse(row.sampler).name,
                                       std::to_string(row.steps),
                                       std::to_string(row.nfe),
                                       std::to_string(row.found) + "/" + std::to_string(row.modes),
                                       short_number(row.samples.mean, 5),
                                       short_number(row.samples.se, 2)};
        if (several) cells.insert(cells.begin(), label(plan.models[row.model]));
        table.add(cells);
    }
    table.print(std::cout);
    if (options.has("csv")) print_csv(options.text("csv"), rows, plan, references);
    if (options.has("plot")) plot(options.text("plot"), rows, plan, references);
    if (options.has("error-plot")) plot_errors(options.text("error-plot"), plan, references);
    return 0;
}

}  // namespace

const Command kModesCommand = {
    "modes", "which modes of an exact target the schedules of a suite find, and the samples' log-likelihood",
    "schedbench modes SUITE [options]",
    "  schedbench modes suites/score-optimal-cantor.suite --plot cantor.svg\n"
    "  schedbench modes suites/score-optimal-cantor-network.suite --error-plot errors.svg\n"
    "A mode is found if it has at least half of the samples that it should have.\n",
    run};

}  // namespace schedbench
