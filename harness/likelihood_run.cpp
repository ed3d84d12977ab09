#include "harness/likelihood_run.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "harness/likelihood_job.h"
#include "harness/published_bounds.h"

namespace schedbench {

namespace {

/// The reverse variance with which a sampler takes its steps; the posterior's for samplers that have none.
ElboVariance variance_of(const Sampler& sampler) {
    const Spec spec = sampler.spec();
    const SpecValue* value = spec.find("variance");
    for (int i = 0; value && i <= static_cast<int>(ElboVariance::learned); ++i)
        if (const auto variance = static_cast<ElboVariance>(i); variance_name(variance) == value->text)
            return variance;
    return ElboVariance::posterior;
}

/// Entries of the table, rising, without the last level 0.
std::vector<int> path_of(const Schedule& schedule) {
    std::vector<int> out;
    for (int64_t t : schedule.index)
        if (t > 0) out.push_back(static_cast<int>(t));
    std::reverse(out.begin(), out.end());
    return out;
}

}  // namespace

LikelihoodRun::Work LikelihoodRun::work(const PlannedModel& model) {
    Work out;
    if (!model.raw->process().discrete()) return out;
    const StatisticsChain chain = statistics_chain(model.raw->process());
    for (const Spec& data : {suite_.data, test_data()}) {
        const int64_t levels = chain.process.table_size();
        out.per_image += levels;
        out.evaluations += levels * learning_.images_to_measure(model, data, {}, chain);
    }
    return out;
}

LikelihoodRun::Splits LikelihoodRun::measure(const PlannedModel& model) {
    const StatisticsChain chain = statistics_chain(model.raw->process());
    return {learning_.statistics(model, suite_.data, {}, chain, "denoising statistics, train split"),
            learning_.statistics(model, test_data(), {}, chain, "denoising statistics, test split")};
}

void LikelihoodRun::run(const EditRun& edit_run, std::vector<std::string>& failures) {
    for (size_t m = 0; m < plan_.models.size(); ++m) {
        const PlannedModel& model = plan_.models[m];
        if (!model.raw->process().discrete()) {
            failures.push_back("bits/dim of " + model.spec.print() +
                               ": its process is continuous; bits/dim of strides needs a table");
            continue;
        }
        try {
            const Splits splits = measure(model);
            if (!suite_.bpd_strides.empty()) table(model, splits, edit_run);
            if (suite_.bpd_cells) cells(m, splits, edit_run, failures);
        } catch (const Error& e) {
            failures.push_back("bits/dim of " + model.spec.print() + ": " + e.what());
        }
    }
}

void LikelihoodRun::table(const PlannedModel& model, const Splits& splits, const EditRun& edit_run) {
    LikelihoodRequest request;
    request.strides = suite_.bpd_strides;
    const bool known = suite_.bpd_variances == std::vector<std::string>{"known"};
    request.variances = known ? known_variances(splits.train) : suite_.bpd_variances;
    if (!suite_.bpd_first_steps.empty()) request.first_steps = suite_.bpd_first_steps;
    const int levels = splits.train.levels();
    for (int steps : suite_.bpd_steps) request.steps.push_back(steps == 0 ? levels : steps);
    std::sort(request.steps.begin(), request.steps.end());
    request.steps.erase(std::unique(request.steps.begin(), request.steps.end()), request.steps.end());
    nlohmann::json asked = {
        model.id,           splits.train.identity(), splits.train.images, splits.test.identity(),
        splits.test.images, request.strides,         request.variances,   request.steps};
    if (!suite_.bpd_first_steps.empty()) asked.push_back(request.first_steps);
    std::vector<PublishedRow> printed;
    for (size_t m = 0; m < plan_.models.size() && !suite_.published.empty(); ++m)
        if (plan_.models[m].id == model.id)
            for (const PublishedRow& row : suite_.published)
                if (row.model == suite_.published_models[m]) printed.push_back(row);
    for (const PublishedRow& row : printed) asked.push_back(to_json(row));
    const std::string id = short_hash(asked.dump());
    if (RunFile::open(run_path_).has("likelihood", id)) return;
    std::vector<std::string> left_out;
    std::vector<LikelihoodRow> rows = likelihood_rows(splits.train, splits.test, request, &left_out);
    for (const std::string& what : left_out)
        std::cerr << "left out: " << model.spec.print() << ": " << what << "\n";
    attach_published(rows, printed, splits.train);
    edit_run([&](RunEdit& run) {
        learning_.put_records(run);
        run.put(likelihood_record(id, model.id, rows));
    });
}

void LikelihoodRun::cells(size_t model, const Splits& splits, const EditRun& edit_run,
                          std::vector<std::string>& failures) {
    std::map<ElboVariance, PathBounds> bounds;
    const RunFile stored = RunFile::open(run_path_);
    std::map<std::string, MetricRecord> metrics;  // by cell
    for (const PlannedCell& cell : plan_.cells) {
        if (cell.model != model || cell.schedule.index.empty() || !stored.has("cells", cell.id)) continue;
        const ElboVariance variance = variance_of(*plan_.samplers[cell.sampler]);
        const std::vector<int> path = path_of(cell.schedule);
        const nlohmann::json asked = {"bpd",
                                      cell.id,
                                      splits.train.identity(),
                                      splits.train.images,
                                      splits.test.identity(),
                                      splits.test.images,
                                      variance_name(variance)};
        MetricRecord metric;
        metric.identity = short_hash(asked.dump());
        const auto known = stored.cell(cell.id).metrics;
        if (const auto it = known.find("bpd"); it != known.end() && it->second.identity == metric.identity)
            continue;
        try {
            auto it = bounds.find(variance);
            if (it == bounds.end())
                it = bounds
                         .try_emplace(variance, splits.test,
                                      BoundRule{variance, FirstStepRule::table, splits.test.decoder},
                                      &splits.train)
                         .first;
            const PathBound bound = it->second.bound(path);
            metric.estimate = bound.bits_per_dim;
            metric.estimate.name = "bpd";
            metric.estimate.estimand =
                "bits/dim of the schedule's path on the test images (" + images_of(splits.test) +
                "), reverse variance " + variance_name(variance) + ", first-step variance table";
            // Per test image, not per sample: in the place of the reference's influences, so that differences
            // of cells are paired over the images.
            for (double bits : bound.per_image)
                metric.influence_ref.push_back(bits - bound.bits_per_dim.value);
            metrics[cell.id] = std::move(metric);
        } catch (const Error& e) {
            failures.push_back("bits/dim of " + cell.schedule.spec + ": " + e.what());
        }
    }
    if (metrics.empty()) return;
    edit_run([&](RunEdit& run) {
        learning_.put_records(run);
        for (const auto& [cell, metric] : metrics) run.put_metric(cell, "bpd", metric);
    });
}

}  // namespace schedbench
