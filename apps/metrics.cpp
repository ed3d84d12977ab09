// schedbench metrics: how good one set of images is, by itself or against another.
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "eval/resize.h"
#include "eval/statistics_file.h"
#include "harness/json_number.h"
#include "harness/metric_input.h"
#include "harness/table.h"

namespace schedbench {
namespace {

struct Job {
    std::vector<Metric> metrics;
    std::vector<std::string> roles;        ///< of the features that are made
    std::unique_ptr<Extractor> extractor;  ///< null: features and statistics as they are
    at::Device device = at::kCPU;
    MetricNames names{"fd-features"};
    FeaturePassOptions pass;
    bool assumed = false;  ///< features or statistics of files that do not say what made them
};

std::vector<Metric> asked_metrics(const Options& options, bool pair, bool exports) {
    std::vector<std::string> texts = options.texts("metric");
    if (texts.empty() && pair) texts = {"frechet"};
    if (texts == std::vector<std::string>{"all"}) {
        texts.clear();
        for (const SpecEntry& entry : metric_entries()) texts.push_back(entry.name);
    }
    std::vector<Metric> out;
    for (const std::string& text : texts) {
        Metric metric(Spec::parse(text, "--metric"), "--metric");
        const auto same = [&](const Metric& other) { return other.spec() == metric.spec(); };
        if (std::none_of(out.begin(), out.end(), same)) out.push_back(std::move(metric));
    }
    const bool alone =
        std::any_of(out.begin(), out.end(), [](const Metric& m) { return !m.needs_reference(); });
    if (!pair && !alone && !exports)
        throw Error("option", "there is nothing to do with one set", "metrics",
                    "name a second set to compare with, --metric is, or a file to --export-...");
    return out;
}

/// "fid[PIPELINE]" of a known pipeline, or "fd-NAME".
std::string checked_name(const std::string& name) {
    if (name.starts_with("fid[") && name.ends_with("]")) {
        parse_pipeline(name.substr(4, name.size() - 5), "--called");
        return name;
    }
    if (name.starts_with("fd-") && name.size() > 3) return name;
    throw Error("option", "\"" + name + "\" is no name of a Frechet distance", "--called",
                "fid[PIPELINE] for the 2015 Inception network, otherwise fd-NAME");
}

bool need_samples(const std::vector<Metric>& metrics) {
    return std::any_of(metrics.begin(), metrics.end(), [](const Metric& m) { return m.needs_samples(); });
}

/// What makes features, and what its distances are called.
void choose_extractor(Job& job, const Options& options, const std::vector<const MetricInput*>& inputs) {
    std::string text = options.text_or("extractor", "");
    const MetricInput* cell = nullptr;
    bool images = false, files = false;
    for (const MetricInput* input : inputs) {
        if (!input->extractor_spec.empty()) cell = input;
        images |= input->images && !input->features.defined() &&
                  (input->moments.empty() || need_samples(job.metrics));
        files |= input->extractor_spec.empty() && (!input->images || !input->moments.empty());
    }
    if (text.empty() && cell != nullptr) {
        if (!images) {  // features of cells, and files: no network is needed
            job.names = MetricNames(cell->frechet_name.empty() ? "fd-features" : cell->frechet_name);
            for (const MetricInput* input : inputs)
                if (!input->extractor_hash.empty() && input->extractor_hash != cell->extractor_hash)
                    throw Error("run", "its features are those of another extractor than " + cell->name,
                                input->name, "say --extractor, where both keep their images");
        } else {
            text = cell->extractor_spec;
        }
    }
    if (options.has("called")) {
        if (!text.empty() || cell != nullptr)
            throw Error("option", "is for files alone: the extractor is known here", "--called",
                        "leave it out");
        job.names = MetricNames(checked_name(options.text("called")));
    }
    if (text.empty()) return;
    const Spec spec = Spec::parse(text, "--extractor");
    job.extractor = make_extractor(extractor_for(spec, job.metrics), "--extractor", job.device);
    job.names = names_of(*job.extractor, spec);
    job.assumed = files;
}

nlohmann::json row_json(const NamedMetric& m, const MetricInput& generated, const MetricInput* reference,
                        const Job& job) {
    const Estimate& e = m.estimate;
    nlohmann::json extractor = nullptr;
    if (job.extractor)
        extractor = {{"id", job.extractor->id()},
                     {"spec", job.extractor->spec()},
                     {"pipeline", job.extractor->pipeline()},
                     {"weights", job.extractor->weights_hash()},
                     {"precision", job.extractor->precision()},
                     {"deviation_from_float32", job.extractor->deviation()}};
    return {{"metric", m.name},
            {"value", json_number(e.value)},
            {"se", json_number(e.se)},
            {"n", e.n},
            {"reference_n", reference ? nlohmann::json(reference->count) : nlohmann::json(nullptr)},
            {"estimand", e.estimand},
            {"method", e.method},
            {"warning", e.warning},
            {"reliable", interval_reliable(e) && std::isfinite(e.se)},
            {"generated", generated.name},
            {"reference", reference ? nlohmann::json(reference->name) : nlohmann::json(nullptr)},
            {"extractor", extractor}};
}

constexpr size_t kColumns = 100;  // of the table for people

void print_rows(const std::vector<NamedMetric>& rows, std::vector<std::string>& warnings) {
    size_t widths[2] = {6, 5};
    std::vector<std::string> values;
    const auto shown = [](const std::string& text) {  // characters, not bytes
        return static_cast<size_t>(std::count_if(
            text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    };
    for (const NamedMetric& m : rows) {
        values.push_back(format_estimate(m.estimate.value, m.estimate.se) +
                         (interval_reliable(m.estimate) ? " " : "?"));
        widths[0] = std::max(widths[0], m.name.size());
        widths[1] = std::max(widths[1], shown(values.back()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
        const Estimate& e = rows[i].estimate;
        std::string meaning = e.estimand;  // the whole of it is in --json
        const size_t comma = meaning.rfind(',');
        if (widths[0] + widths[1] + meaning.size() + 6 > kColumns && comma != std::string::npos)
            meaning.resize(comma);
        std::cout << "  " << rows[i].name << std::string(widths[0] - rows[i].name.size() + 2, ' ')
                  << std::string(widths[1] - shown(values[i]), ' ') << values[i] << "  " << meaning << "\n";
        std::string why = std::isfinite(e.se) ? "" : e.method;
        if (!e.warning.empty()) why += (why.empty() ? "" : "; ") + e.warning;
        if (why.empty()) continue;
        const std::string line = rows[i].name + ": " + why;
        if (std::find(warnings.begin(), warnings.end(), line) == warnings.end()) warnings.push_back(line);
    }
}

/// Writes the features, or what follows from them, of the first set.
void export_set(const Options& options, const MetricSide& side, const MetricInput& input) {
    const auto features_of = [&](const std::string& role, const char* option) -> const at::Tensor& {
        const auto found = side.features.find(role);
        if (found != side.features.end()) return found->second;
        if (side.features.size() == 1) return side.features.begin()->second;
        throw Error("option", "needs features, and there are only statistics", option, input.name);
    };
    if (options.has("export-features")) {
        write_features(options.text("export-features"), features_of("features", "--export-features"));
        std::cerr << "wrote " << options.text("export-features") << "\n";
    }
    if (options.has("export-sums")) {
        write_feature_sums(options.text("export-sums"),
                           feature_sums(features_of("features", "--export-sums")));
        std::cerr << "wrote " << options.text("export-sums") << "\n";
    }
    if (options.has("export-statistics")) {
        FeatureStatistics statistics;
        statistics.moments = side.moments.contains("features")
                                 ? side.moments.at("features")
                                 : feature_sums(features_of("features", "--export-statistics")).moments();
        if (side.features.contains("spatial") && side.features.size() > 1)
            statistics.spatial = feature_sums(side.features.at("spatial")).moments();
        else if (side.moments.contains("spatial"))
            statistics.spatial = side.moments.at("spatial");
        write_statistics(options.text("export-statistics"), statistics);
        std::cerr << "wrote " << options.text("export-statistics") << "\n";
    }
}

std::vector<NamedMetric> compute(const Job& job, const MetricSide& generated,
                                 const MetricReference* reference) {
    std::vector<NamedMetric> out;
    for (const Metric& metric : job.metrics) {
        if (metric.needs_reference() && reference == nullptr) continue;  // only its features were wanted
        for (NamedMetric& named : metric.compute(generated, reference, job.names))
            out.push_back(std::move(named));
    }
    return out;
}

void print_heading(const MetricInput* reference, const Job& job) {
    if (reference != nullptr)
        std::cout << "reference  " << reference->name << " (" << reference->details << ")\n";
    if (!job.extractor) return;
    const std::string weights = job.extractor->weights_hash();
    std::cout << "extractor  " << job.extractor->id() << ", pipeline " << job.extractor->pipeline()
              << (weights.empty() ? "" : ", weights " + weights.substr(0, 12)) << ", "
              << job.extractor->precision() << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kMetricsCommand);
    options.positional("generated", 1, "images, features, statistics or cells")
        .positional("reference", 1, "what to compare them with; not needed for --metric is")
        .value("extractor", "", "what makes features of images (schedbench list extractors)")
        .list("metric",
              "metric, repeated for more; all: every one (schedbench list metrics); default frechet")
        .value("images", "0", "take only the first images of the generated set; 0: all")
        .value("reference-images", "0", "the same of the reference")
        .value("batch", "128", "images a block of the extractor")
        .value("called", "",
               "name of the distance between files of features or statistics: 'fid[tf1]', fd-NAME")
        .cache()
        .value("export-features", "", "write the generated set's features (.npy)")
        .value("export-statistics", "",
               "write its mean and covariance (.npz; with sFID's pair if it is asked for)")
        .value("export-sums", "", "write its sums, which can be merged (.npz)")
        .runtime()
        .json();
    if (!options.parse(arguments)) return 0;
    const at::Device device(options.runtime_settings().device);
    const bool pair = options.has("reference");
    const bool exports =
        options.has("export-features") || options.has("export-statistics") || options.has("export-sums");
    Job job;
    job.device = device;
    job.metrics = asked_metrics(options, pair, exports);
    auto generated = open_metric_input(options.text("generated"), "generated", options.integer("images", 0));
    std::vector<MetricInput> references;
    if (pair)
        references =
            open_metric_input(options.text("reference"), "reference", options.integer("reference-images", 0));
    if (references.size() > 1)
        throw Error("option",
                    "holds " + std::to_string(references.size()) + " cells, but a reference is one set",
                    options.text("reference"), "say RUN.h5:ID (schedbench show lists the ids)");
    if (exports && generated.size() > 1)
        throw Error("option", "is of one set, not of all cells of a run", "--export-...", "say RUN.h5:ID");

    std::vector<const MetricInput*> inputs;
    for (const auto* list : {&generated, &references})
        for (const MetricInput& input : *list) inputs.push_back(&input);
    choose_extractor(job, options, inputs);
    job.pass.cache = options.feature_cache();
    job.pass.batch = options.integer("batch");
    if (job.extractor) {
        std::vector<std::string> offered;
        for (const FeatureLayer& layer : job.extractor->layers()) offered.push_back(layer.role);
        job.roles = roles_of(job.metrics, offered, job.extractor->id());
        if (job.roles.empty()) job.roles = {offered[0]};
    }

    const bool samples = need_samples(job.metrics);
    std::unique_ptr<MetricReference> reference;
    if (pair) {
        job.pass.label = "features of the reference";
        reference = std::make_unique<MetricReference>(
            metric_side(references[0], job.extractor.get(), job.roles, job.pass, samples));
    }
    const MetricInput* other = pair ? &references[0] : nullptr;
    const bool json = options.on("json");
    nlohmann::json out = nlohmann::json::array();
    if (!json) print_heading(other, job);
    std::vector<std::string> warnings;
    for (const MetricInput& input : generated) {
        job.pass.label = "features of the generated set";
        const MetricSide side = metric_side(input, job.extractor.get(), job.roles, job.pass, samples);
        if (exports) export_set(options, side, input);
        const std::vector<NamedMetric> rows = compute(job, side, reference.get());
        for (const NamedMetric& m : rows) out.push_back(row_json(m, input, other, job));
        if (json || rows.empty()) continue;
        std::cout << "generated  " << input.name << " (" << input.details << ")\n";
        print_rows(rows, warnings);
    }
    if (job.assumed)
        std::cerr << "note: files of features and statistics do not say what made them; here they count as "
                  << job.names.frechet() << "\n";
    if (json) std::cout << out << "\n";
    for (const std::string& line : warnings)
        std::cout << (&line == &warnings[0] ? "\n" : "") << "  " << line << "\n";
    return 0;
}

}  // namespace

const Command kMetricsCommand = {
    "metrics", "metrics between any two sets of images, features, statistics or cells",
    "schedbench metrics GENERATED [REFERENCE] [options]",
    "  schedbench metrics fashion-mnist:split=test fashion-mnist --images 300 --reference-images 500 \\\n"
    "      --extractor pixels --metric frechet --metric kid\n"
    "  schedbench metrics samples/ cifar10:path=DIR --extractor inception:file=W,pipeline=tf1\n"
    "  schedbench metrics samples.npz ref.npz --extractor inception:file=W,pipeline=tf1 --metric sfid\n"
    "  schedbench metrics samples/ --extractor inception:file=W,pipeline=tf1 --metric is\n"
    "  schedbench metrics run.h5:0123 run.h5:4567 --metric kid --metric prdc --json\n"
    "  schedbench metrics folder:path=DIR --extractor classifier:file=C --export-statistics s.npz\n"
    "A set is a folder of PNG and JPEG files, an .npy or .npz file, a run (all its cells),\n"
    "RUN.h5:ID, or a data spec. Features are kept in the cache: a pass that was stopped goes on\n"
    "where it was. ? behind a value says that there are too few samples for its interval.\n",
    run};

}  // namespace schedbench
