#include "harness/run_comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <set>
#include <utility>

#include "core/error.h"
#include "eval/metric_set.h"
#include "harness/likelihood_job.h"

namespace schedbench {

namespace {

constexpr double kZ95 = 1.959964, kAlpha = 0.05;

/// What two cells share, or why they do not.
struct SharedSamples {
    size_t count = 0;  ///< leading samples that are the same
    std::string reason;
};

SharedSamples shared_samples(const CellRecord& a, const CellRecord& b) {
    const auto settings_a = nlohmann::json::parse(a.settings, nullptr, false),
               settings_b = nlohmann::json::parse(b.settings, nullptr, false);
    const auto differ = [&](const char* key) -> std::string {
        if (!settings_a.is_object() || !settings_b.is_object() || !settings_a.contains(key) ||
            !settings_b.contains(key))
            return std::string("the ") + key + " of one is not stored";
        if (settings_a[key] == settings_b[key]) return "";
        return std::string(key) + " differs (" + settings_a[key].dump() + " and " + settings_b[key].dump() +
               ")";
    };
    const bool heldout = a.sampler == "held-out" && b.sampler == "held-out";
    const std::vector<const char*> keys = heldout
                                              ? std::vector<const char*>{"data"}
                                              : std::vector<const char*>{"noise", "seed", "labels", "shape"};
    for (const char* key : keys)
        if (const std::string reason = differ(key); !reason.empty()) return {0, reason};
    const auto count = [](const auto& x, const auto& y) {
        return static_cast<size_t>(std::mismatch(x.begin(), x.end(), y.begin(), y.end()).first - x.begin());
    };
    const size_t ids = count(a.sample_ids, b.sample_ids);
    if (ids == 0) return {0, "sample ids differ"};
    if (a.labels.empty() != b.labels.empty() || (!a.labels.empty() && count(a.labels, b.labels) < ids))
        return {0, "labels differ"};
    return {ids, ""};
}

/// The text between the first parentheses: where an estimand names its images.
std::string in_parentheses(const std::string& text) {
    const size_t open = text.find('('), close = text.find(')', open);
    return open == std::string::npos || close == std::string::npos ? ""
                                                                   : text.substr(open + 1, close - open - 1);
}

/// The metric that holds the influence values of another one: itself, or where it has none, the one that it
/// is derived from, of the same samples and reference. Bias corrections are smooth in the samples, so both
/// have the same influence to first order.
const MetricRecord& influence_of(const CellRecord& cell, const std::string& name) {
    const MetricRecord& metric = cell.metrics.at(name);
    if (!metric.influence.empty() || !metric.influence_ref.empty()) return metric;
    const auto found = cell.metrics.find(influence_metric(name));
    return found != cell.metrics.end() && found->second.identity == metric.identity ? found->second : metric;
}

void compare_estimates(ComparedMetric& row, const PairedSide& a, const PairedSide& b,
                       const SharedErrors& shared) {
    row.d = difference_of(a, b, shared, row.metric);
    row.larger_is_better = larger_is_better(row.metric);
    const double value = std::abs(row.d.difference.value), se = row.d.difference.se;
    if (se > 0) row.p = std::erfc(value / se / std::numbers::sqrt2);
    if (se == 0 && value > 0) row.p = 0;
    row.reliable = interval_reliable(row.a) && interval_reliable(row.b);
    if (!interval_reliable(row.b))
        row.warning = row.b.warning;
    else if (!row.a.warning.empty() || !row.b.warning.empty())
        row.warning = row.a.warning.empty() ? row.b.warning : row.a.warning;
    else
        row.warning = row.d.difference.warning;
}

std::string label_of(const CellPair& pair) {
    return pair.a.label == pair.b.label ? pair.a.label : pair.a.label + " against " + pair.b.label;
}

std::string pairing_text(bool paired, bool reference, const std::string& reason) {
    if (paired && reason.empty()) return "paired";
    if (paired) return "paired by samples only: " + reason;
    return std::string("unpaired") + (reference ? " but for the reference: " : ": ") + reason;
}

ComparedMetric compare_metric(const CellPair& pair, const CellRecord& cell_a, const CellRecord& cell_b,
                              const std::string& name, const SharedSamples& samples) {
    const MetricRecord &a = cell_a.metrics.at(name), &b = cell_b.metrics.at(name);
    const MetricRecord &phi_a = influence_of(cell_a, name), &phi_b = influence_of(cell_b, name);
    ComparedMetric row;
    row.cell = label_of(pair);
    row.id_a = pair.a.id, row.id_b = pair.b.id;
    row.metric = name;
    row.a = a.estimate, row.b = b.estimate;

    // The values of a side that are one a sample are shared as far as the samples are; others (one a block)
    // only where all samples are.
    const bool per_sample = static_cast<int64_t>(phi_a.influence.size()) == cell_a.count() &&
                            static_cast<int64_t>(phi_b.influence.size()) == cell_b.count();
    const bool all = samples.count == cell_a.sample_ids.size() && samples.count == cell_b.sample_ids.size();
    const bool of_samples = !phi_a.influence.empty() && !phi_b.influence.empty();
    const bool of_reference = !phi_a.influence_ref.empty() && !phi_b.influence_ref.empty();
    SharedErrors shared;
    std::string reason;
    if (of_samples) {
        shared.samples = per_sample                                                ? samples.count
                         : all && phi_a.influence.size() == phi_b.influence.size() ? phi_a.influence.size()
                                                                                   : 0;
        reason = samples.count == 0    ? samples.reason
                 : shared.samples == 0 ? "influence values of different samples"
                                       : "";
    } else if (!of_reference) {
        reason = "no influence values are stored";
    }
    if (of_reference) {
        const bool same_images = a.reference.empty() && b.reference.empty() &&
                                 !in_parentheses(a.estimate.estimand).empty() &&
                                 in_parentheses(a.estimate.estimand) == in_parentheses(b.estimate.estimand);
        shared.reference = (!a.reference.empty() && a.reference == b.reference) || same_images;
        if (!shared.reference && reason.empty())
            reason = a.reference.empty() ? "other images" : "references differ";
    }
    row.paired = of_samples ? shared.samples > 0 : shared.reference;
    row.pairing = pairing_text(row.paired, shared.reference && of_samples, reason);
    compare_estimates(row, {a.estimate.value, phi_a.influence, phi_a.influence_ref, a.estimate.se},
                      {b.estimate.value, phi_b.influence, phi_b.influence_ref, b.estimate.se}, shared);

    if (a.extractor != b.extractor)
        row.problem = "extractors differ (" + a.extractor + " and " + b.extractor + ")";
    else if (a.reference != b.reference)
        row.problem = "references differ (" + a.reference + " and " + b.reference + ")";
    else if (a.estimate.n != b.estimate.n && a.estimate.estimand.find("at this n") != std::string::npos)
        row.problem = "depends on the number of images, which differs (" + std::to_string(a.estimate.n) +
                      " and " + std::to_string(b.estimate.n) + ")";
    return row;
}

/// bits/dim of paths: what a row is, but for its number of steps; and that.
using PathKey = std::pair<std::string, int>;

std::string label_of(const PathKey& key) {
    return "bits/dim, K=" + std::to_string(key.second) + ": " + key.first;
}

/// Of equal rows the one over more images.
std::map<PathKey, LikelihoodRow> path_rows(const RunFile& run, bool any_model) {
    std::map<PathKey, LikelihoodRow> out;
    for (const std::string& id : run.ids("likelihood"))
        for (LikelihoodRow& row : likelihood_rows(run.likelihood(id))) {
            PathKey key{row.stride + " " + row.variance + ", " + row.split + ", " + row.decoder +
                            " decoder, first step " + row.first_step + ", clip " + row.clip,
                        row.steps};
            if (!any_model) key.first += ", " + model_name(run, row.model);
            const auto it = out.find(key);
            if (it == out.end() || row.bits_per_dim.n > it->second.bits_per_dim.n)
                out.insert_or_assign(key, std::move(row));
        }
    return out;
}

ComparedMetric compare_paths(const PathKey& key, const LikelihoodRow& a, const LikelihoodRow& b) {
    const auto centred = [](const LikelihoodRow& row) {
        std::vector<double> out = row.per_image;
        for (double& bits : out) bits -= row.bits_per_dim.value;
        return out;
    };
    const std::vector<double> phi_a = centred(a), phi_b = centred(b);
    ComparedMetric row;
    row.cell = label_of(key);
    row.metric = "bpd";
    row.a = a.bits_per_dim, row.b = b.bits_per_dim;
    SharedErrors shared;
    std::string reason;
    if (phi_a.empty() || phi_b.empty())
        reason = "bits/dim of single images are not stored";
    else if (a.images.empty() || a.images != b.images)
        reason = "images differ (" + a.images + " and " + b.images + ")";
    else
        shared.samples = std::min(phi_a.size(), phi_b.size());
    row.paired = shared.samples > 0;
    row.pairing = pairing_text(row.paired, false, reason);
    if (!a.images.empty() && !b.images.empty() && a.images != b.images) row.problem = reason;
    compare_estimates(row, {a.bits_per_dim.value, phi_a, {}, a.bits_per_dim.se},
                      {b.bits_per_dim.value, phi_b, {}, b.bits_per_dim.se}, shared);
    return row;
}

bool one_model(const RunFile& run) {
    std::set<std::string> models;
    for (const std::string& id : run.ids("likelihood")) {
        const auto texts = run.likelihood(id).texts;
        if (const auto it = texts.find("model"); it != texts.end()) models.insert(it->second);
    }
    return models.size() <= 1;
}

}  // namespace

double ComparedMetric::low() const {
    return d.difference.value - kZ95 * d.difference.se;
}

double ComparedMetric::high() const {
    return d.difference.value + kZ95 * d.difference.se;
}

std::vector<std::string> RunComparison::metrics() const {
    std::set<std::string> names;
    for (const ComparedMetric& row : rows) names.insert(row.metric);
    for (const MissingMetric& m : missing) names.insert(m.metric);
    return {names.begin(), names.end()};
}

RunComparison compare_runs(const ComparedRun& a, const ComparedRun& b) {
    RunComparison out;
    const CellMatching matching = match_cells(a, b);
    out.notes = matching.notes;
    for (const CellPair& pair : matching.pairs) {
        out.cells.push_back(label_of(pair));
        const CellRecord cell_a = a.run.cell(pair.a.id, CellParts::metrics),
                         cell_b = b.run.cell(pair.b.id, CellParts::metrics);
        const SharedSamples samples = shared_samples(cell_a, cell_b);
        for (const auto& [name, metric] : cell_a.metrics) {
            if (cell_b.metrics.contains(name))
                out.rows.push_back(compare_metric(pair, cell_a, cell_b, name, samples));
            else
                out.missing.push_back({label_of(pair), name, false, false});
        }
        for (const auto& [name, metric] : cell_b.metrics)
            if (!cell_a.metrics.contains(name)) out.missing.push_back({label_of(pair), name, true, false});
    }
    const auto missing_cells = [&](const RunFile& run, const std::vector<StoredCell>& cells, bool in_a) {
        for (const StoredCell& cell : cells) {
            const auto metrics = run.cell(cell.id).metrics;
            for (const auto& [name, metric] : metrics) out.missing.push_back({cell.label, name, in_a, true});
        }
    };
    missing_cells(a.run, matching.only_a, false);
    missing_cells(b.run, matching.only_b, true);
    if (a.cell.empty()) {
        const bool any_model = one_model(a.run) && one_model(b.run);
        const auto paths_a = path_rows(a.run, any_model), paths_b = path_rows(b.run, any_model);
        for (const auto& [key, row] : paths_a) {
            const auto it = paths_b.find(key);
            if (it != paths_b.end())
                out.rows.push_back(compare_paths(key, row, it->second));
            else
                out.missing.push_back({label_of(key), "bpd", false, true});
        }
        for (const auto& [key, row] : paths_b)
            if (!paths_a.contains(key)) out.missing.push_back({label_of(key), "bpd", true, true});
    }
    if (out.rows.empty() && out.missing.empty())
        throw Error("run", "have no cell with a metric and no bits/dim", a.run.path() + ", " + b.run.path());

    std::vector<double> p;
    for (const ComparedMetric& row : out.rows) p.push_back(row.p);
    const std::vector<double> adjusted = holm_adjust(p);
    for (size_t i = 0; i < out.rows.size(); ++i) {
        out.rows[i].p_holm = adjusted[i];
        out.rows[i].resolved = adjusted[i] <= kAlpha;
    }
    return out;
}

}  // namespace schedbench
