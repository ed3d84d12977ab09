// schedbench modes: how well the schedules of a suite sample targets whose density is known: which modes are
// found, and the log-likelihood of the samples.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/svg.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/progress.h"
#include "harness/plan.h"
#include "harness/table.h"
#include "learn/learner.h"
#include "samplers/sampler.h"

namespace schedbench {
namespace {

/// Means of the components [K, d], from a completed spec of an exact target.
at::Tensor component_means(const Spec& spec) {
    if (spec.sub == "mixture")
        return at::tensor(spec.numbers("means"), at::kDouble).reshape({-1, spec.integer("dim")}).clone();
    if (spec.sub == "cantor") {
        // Mid-points of the intervals: the sum of 2 b_i / 3^i over binary digits b_i, and half an interval.
        const long long depth = spec.integer("depth");
        std::vector<double> out;
        for (long long k = 0; k < 1LL << depth; ++k) {
            double x = 0.5 * std::pow(3.0, static_cast<double>(-depth));
            for (long long i = 1; i <= depth; ++i)
                x += static_cast<double>(2 * ((k >> (depth - i)) & 1)) *
                     std::pow(3.0, static_cast<double>(-i));
            out.push_back(x);
        }
        return at::tensor(out, at::kDouble).reshape({-1, 1}).clone();
    }
    return at::zeros(
        {1, spec.is_auto("dim") ? static_cast<int64_t>(spec.numbers("c").size()) : spec.integer("dim")},
        at::kDouble);
}

at::Tensor shares(const at::Tensor& x, const at::Tensor& means) {
    const at::Tensor nearest = at::argmin((x.unsqueeze(1) - means.unsqueeze(0)).square().sum(2), 1);
    return at::bincount(nearest, {}, means.size(0)).to(at::kDouble) / static_cast<double>(x.size(0));
}

struct Likelihood {
    double mean = 0, se = 0;
};

Likelihood likelihood_of(const ExactTarget& target, const at::Tensor& x) {
    const at::Tensor log = target.log_density(x, at::zeros({x.size(0)}, at::kDouble));
    return {log.mean().item<double>(), log.std().item<double>() / std::sqrt(static_cast<double>(x.size(0)))};
}

/// The target with samples of its own: what the samplers are compared with.
struct Reference {
    std::shared_ptr<const ExactTarget> target;
    at::Tensor means, share;
    Likelihood likelihood;
};

Reference reference_of(const PlannedModel& model, int64_t count, uint64_t seed) {
    const auto target = std::dynamic_pointer_cast<const ExactTarget>(model.raw);
    if (!target)
        throw Error("option", "the model " + model.raw->spec() + " has no density in closed form", "SUITE",
                    "modes is for models exact:...");
    const auto source = exact_source(target, count, seed + 1);
    std::vector<int64_t> ids(static_cast<size_t>(count));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i);
    const at::Tensor data = source->images(ids);
    const at::Tensor means = component_means(Spec::parse(target->spec()));
    return {target, means, shares(data, means), likelihood_of(*target, data)};
}

struct Row {
    std::string model, schedule, sampler;
    int steps = 0, nfe = 0;
    int64_t found = 0, modes = 0;
    Likelihood samples, data;
};

/// A mode is found if it has at least half of the samples that it should have.
Row measured(const PlannedCell& cell, const Reference& reference, const Sampler& sampler,
             const Suite& suite) {
    const c10::NoGradGuard no_grad;
    const CountingDenoiser counted(reference.target);
    std::vector<at::Tensor> parts;
    Row row;
    for (int64_t first = 0; first < suite.images; first += suite.batch) {
        std::vector<int64_t> ids(static_cast<size_t>(std::min(suite.batch, suite.images - first)));
        for (size_t i = 0; i < ids.size(); ++i) ids[i] = first + static_cast<int64_t>(i);
        parts.push_back(sampler.sample(counted, cell.schedule,
                                       PhiloxNoise(suite.seed, ids, reference.target->shape()), {}));
        if (first == 0) row.nfe = static_cast<int>(counted.calls());
    }
    const at::Tensor x = at::cat(parts).to(at::kDouble);
    row.model = reference.target->spec();
    row.schedule = cell.schedule_spec.print();
    row.sampler = sampler.spec().print();
    row.steps = cell.steps;
    row.modes = reference.means.size(0);
    row.found = (shares(x, reference.means) >= 0.5 * reference.share).sum().item<int64_t>();
    row.samples = likelihood_of(*reference.target, x);
    row.data = reference.likelihood;
    return row;
}

void print_csv(const std::string& path, const std::vector<Row>& rows) {
    std::ofstream out(path);
    out << "model,schedule,sampler,steps,nfe,modes_found,modes,log_likelihood,se,data_log_likelihood,data_"
           "se\n";
    for (const Row& r : rows)
        out << '"' << r.model << "\",\"" << r.schedule << "\",\"" << r.sampler << "\"," << r.steps << ','
            << r.nfe << ',' << r.found << ',' << r.modes << ',' << r.samples.mean << ',' << r.samples.se
            << ',' << r.data.mean << ',' << r.data.se << '\n';
    if (!out) throw Error("file", "cannot be written", path, "check that the folder exists and has room");
}

/// Gap between samples and data in log-likelihood against the number of steps, for the first model and
/// sampler.
void plot(const std::string& path, const std::vector<Row>& rows) {
    constexpr double kLeft = 70, kRight = 620, kTop = 30, kBottom = 330;
    std::vector<const Row*> shown;
    for (const Row& row : rows)
        if (row.model == rows[0].model && row.sampler == rows[0].sampler) shown.push_back(&row);
    std::vector<std::string> names;
    double low = INFINITY, high = 0;
    double few = INFINITY, many = 0;
    const auto gap = [](const Row& row) {
        return std::max(std::abs(row.data.mean - row.samples.mean), 1e-4);
    };
    for (const Row* row : shown) {
        if (std::find(names.begin(), names.end(), row->schedule) == names.end())
            names.push_back(row->schedule);
        low = std::min(low, gap(*row)), high = std::max(high, gap(*row));
        few = std::min(few, static_cast<double>(row->steps)),
        many = std::max(many, static_cast<double>(row->steps));
    }
    if (!(high > low)) high = 2 * low;
    if (!(many > few)) many = few + 1;
    const auto x = [&](double steps) {
        return kLeft + (kRight - kLeft) * std::log(steps / few) / std::log(many / few);
    };
    const auto y = [&](double value) {
        return kBottom - (kBottom - kTop) * std::log(value / low) / std::log(high / low);
    };
    Svg svg(900, 380);
    svg.line(kLeft, kBottom, kRight, kBottom, "#333");
    svg.line(kLeft, kTop, kLeft, kBottom, "#333");
    svg.text(kLeft, 18, "|log-likelihood of the data - of the samples|, nats a sample", "start");
    svg.text(kRight, kBottom + 35, "steps", "end");
    for (double value : {low, std::sqrt(low * high), high})
        svg.text(kLeft - 6, y(value) + 4, short_number(value, 2), "end");
    for (size_t n = 0; n < names.size(); ++n) {
        const Row* before = nullptr;
        for (const Row* row : shown) {
            if (row->schedule != names[n]) continue;
            if (before)
                svg.line(x(before->steps), y(gap(*before)), x(row->steps), y(gap(*row)), curve_colour(n),
                         1.5);
            svg.dot(x(row->steps), y(gap(*row)), curve_colour(n),
                    row->found < row->modes);  // hollow: modes missing
            if (n == 0) svg.text(x(row->steps), kBottom + 16, std::to_string(row->steps), "middle");
            before = row;
        }
        svg.text(kRight + 14, kTop + 18 * static_cast<double>(n), short_spec(names[n]), "start",
                 curve_colour(n));
    }
    svg.text(kRight + 14, kTop + 18 * static_cast<double>(names.size()) + 10, "hollow: modes missing",
             "start");
    svg.write(path);
}

int run(const std::vector<std::string>& arguments) {
    Options options(kModesCommand);
    options
        .positional("suite", 1, "suite file: models exact:..., schedules, samplers, steps or budgets, images")
        .value("csv", "", "write the rows into this file")
        .value("plot", "", "draw log-likelihood against steps into this .svg file")
        .runtime();
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.runtime_settings();
    if (options.has("plot") && !options.text("plot").ends_with(".svg"))
        throw Error("option", "\"" + options.text("plot") + "\" should end in .svg", "--plot");
    const Suite suite = read_suite(options.text("suite"));
    Plan plan = make_plan(suite, runtime);
    std::vector<Reference> references;
    for (const PlannedModel& model : plan.models)
        references.push_back(reference_of(model, suite.images, suite.seed));

    std::vector<Row> rows;
    std::map<std::string, LearnedSchedule> learned;
    Progress progress("modes", static_cast<int64_t>(plan.cells.size()), "cells");
    for (PlannedCell& cell : plan.cells) {
        const Reference& reference = references[cell.model];
        if (cell.learned) {
            const std::string key = std::to_string(cell.model) + cell.schedule_spec.print();
            if (learns_paths(cell.schedule_spec))
                throw Error("spec", cell.schedule_spec.name + " is not learned here",
                            suite.path + ", key schedule",
                            "use score-optimal, or schedbench learn and learned:file=FILE");
            if (!learned.contains(key)) {
                ScoreOptimalCosts costs;
                const auto source =
                    exact_source(reference.target, cell.schedule_spec.integer("probes"), suite.seed + 2);
                measure_score_optimal(costs, cell.schedule_spec, *reference.target, *source);
                learned[key] = score_optimal_schedule(costs, cell.schedule_spec, reference.target->process());
            }
            cell.schedule =
                place(learned.at(key), cell.schedule_spec, reference.target->process(),
                      {cell.steps, suite.time_rule, suite.allow_fewer}, suite.path + ", key schedule");
        }
        rows.push_back(measured(cell, reference, *plan.samplers[cell.sampler], suite));
        progress.update(static_cast<int64_t>(rows.size()));
    }
    progress.finish();

    TextTable table({"<schedule", "<sampler", "steps", "evaluations", "modes", "log-likelihood", "+-"});
    for (const Row& row : rows)
        table.add({short_spec(row.schedule), Spec::parse(row.sampler).name, std::to_string(row.steps),
                   std::to_string(row.nfe), std::to_string(row.found) + "/" + std::to_string(row.modes),
                   short_number(row.samples.mean, 5), short_number(row.samples.se, 2)});
    for (const Reference& reference : references)
        std::cout << reference.target->spec() << ": log-likelihood of its own data "
                  << short_number(reference.likelihood.mean, 5) << " +-"
                  << short_number(reference.likelihood.se, 2) << " nats\n";
    std::cout << "\n";
    table.print(std::cout);
    if (options.has("csv")) print_csv(options.text("csv"), rows);
    if (options.has("plot")) plot(options.text("plot"), rows);
    return 0;
}

}  // namespace

const Command kModesCommand = {
    "modes", "which modes of an exact target the schedules of a suite find, and the samples' log-likelihood",
    "schedbench modes SUITE [options]",
    "  schedbench modes suites/score-optimal-cantor.suite --plot cantor.svg\n"
    "A mode is found if it has at least half of the samples that it should have.\n",
    run};

}  // namespace schedbench
