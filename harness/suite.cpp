#include "harness/suite.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/hash.h"
#include "core/spec_schema.h"
#include "eval/metric_set.h"
#include "eval/quantise.h"
#include "harness/preset.h"

namespace po = boost::program_options;

namespace schedbench {

const std::vector<SuiteKey>& suite_keys() {
    static const std::vector<SuiteKey> keys = {
        {"name", "", "short name of the suite; default: the file's name"},
        {"title", "", "one line above its tables"},
        {"model", "", "model spec", true},
        {"schedule", "", "schedule spec, handcrafted or learned", true},
        {"sampler", "", "sampler spec", true},
        {"preset", "", "published settings (schedbench list presets): schedule, sampler and steps in place of such lines, "
         "and noise and clip unless given"},
        {"budget", "", "network evaluations a sample: the largest step count within it", true},
        {"steps", "", "step count, beside budgets", true},
        {"images", "256", "samples a cell"},
        {"batch", "64", "samples a block (part of the identity of samples)"},
        {"seed", "0", "seed of all noise"},
        {"noise", "philox", "noise policy: philox (counter-based), or edm (replays that code's seeds)"},
        {"labels", "random", "classes of conditional models: random (by the seed), balanced, or fixed:CLASS"},
        {"clip", "false", "clip x0hat to [-1, 1]"},
        {"allow-fewer", "false", "accept schedules that rounding to the model's table makes shorter"},
        {"quantise", "round-half-up", "rule from [-1, 1] to bytes"},
        {"time", "nearest", "levels between table entries: nearest or fractional"},
        {"data", "", "images that learned schedules and likelihoods look at; default: reference"},
        {"reference", "none", "reference images of the Frechet distance, or none"},
        {"reference-images", "10000", "how many of them"},
        {"heldout", "none", "real images shown as a row of their own: the floor of the table"},
        {"extractor", "none", "feature extractor, or none"},
        {"metric", "", "metric spec (schedbench list metrics); default: frechet", true},
        {"keep-images", "false", "keep all samples in the run file, not only their features"},
        {"bpd-stride", "", "bits/dim of these strides: even, even-kt, ddim-quad, quadratic, dp", true},
        {"bpd-variance", "",
         "bits/dim with these variances: posterior, beta, corrected-analytic, analytic, learned; known: all "
         "that "
         "the model has",
         true},
        {"bpd-first-step", "", "variance of the decoder: table (default), path, optimal", true},
        {"bpd-steps", "", "bits/dim at these step counts, or all: every level of the model's table", true},
        {"bpd-cells", "false", "bits/dim of each cell's own path, beside its other metrics"},
        {"statistics", "", "run file that holds denoising statistics (schedbench statistics)", true},
        {"statistics-images", "64", "images a split if statistics must be measured"},
        {"minutes", "45", "the plan says how many images a split can be measured in this time"},
        {"published", "", "CSV of printed figures (results/published), shown below ours", true},
        {"published-dataset", "", "only rows of this data set"},
        {"published-model", "", "the paper's name of each model, in the order of the model lines", true},
        {"published-method", "", "METHOD | SCHEDULE | SAMPLER: the cells that a printed method stands beside",
         true}};
    return keys;
}

namespace {

class SuiteReader {
  public:
    SuiteReader(const std::string& path, const std::string& text) : path_(path) {
        po::options_description description;
        std::vector<std::string> names;
        for (const SuiteKey& key : suite_keys()) {
            names.push_back(key.name);
            description.add_options()(key.name.c_str(), po::value<std::vector<std::string>>(), "");
        }
        std::istringstream in(text);
        try {
            po::store(po::parse_config_file(in, description, false), values_);
        } catch (const po::unknown_option& e) {
            const std::string match = nearest_match(e.get_option_name(), names);
            throw Error(
                "spec", "\"" + e.get_option_name() + "\" is not a key of suite files", path,
                match.empty() ? "schedbench help sweep lists them" : "did you mean \"" + match + "\"?");
        } catch (const po::error& e) {
            throw Error("spec", e.what(), path, "a suite has lines key = value");
        }
    }

    std::vector<std::string> list(const std::string& key) const {
        return values_.count(key) ? values_[key].as<std::vector<std::string>>() : std::vector<std::string>{};
    }
    std::string text(const std::string& key) const {
        const auto all = list(key);
        if (all.size() > 1)
            throw Error("spec", "is given " + std::to_string(all.size()) + " times, but takes one value",
                        where(key));
        if (!all.empty()) return all[0];
        for (const SuiteKey& k : suite_keys())
            if (k.name == key) return k.fallback;
        return "";
    }
    int64_t integer(const std::string& key, const std::string& value, int64_t minimum) const {
        const auto number = parse_number(value);
        if (!number || *number != static_cast<double>(static_cast<int64_t>(*number)) ||
            *number < static_cast<double>(minimum))
            throw Error(
                "spec",
                "wants a whole number of at least " + std::to_string(minimum) + ", not \"" + value + "\"",
                where(key));
        return static_cast<int64_t>(*number);
    }
    int64_t integer(const std::string& key, int64_t minimum) const {
        return integer(key, text(key), minimum);
    }
    /// `all` becomes 0 where it is allowed.
    std::vector<int> integers(const std::string& key, bool all = false) const {
        std::vector<int> out;
        for (const std::string& value : list(key))
            out.push_back(all && value == "all" ? 0 : static_cast<int>(integer(key, value, 1)));
        return out;
    }
    double positive(const std::string& key) const {
        const auto number = parse_number(text(key));
        if (!number || !(*number > 0) || !std::isfinite(*number))
            throw Error("spec", "wants a number above 0, not \"" + text(key) + "\"", where(key));
        return *number;
    }
    bool flag(const std::string& key) const {
        Spec spec;
        spec.set(key, SpecValue::of_text(text(key)));
        try {
            return spec.flag(key);
        } catch (const Error&) {
            throw Error("spec", "wants true or false, not \"" + text(key) + "\"", where(key));
        }
    }
    Spec spec(const std::string& key) const { return Spec::parse(text(key), where(key)); }
    std::vector<Spec> specs(const std::string& key) const {
        std::vector<Spec> out;
        for (const std::string& value : list(key)) out.push_back(Spec::parse(value, where(key)));
        return out;
    }
    std::vector<std::string> choices(const std::string& key, const std::vector<std::string>& known) const {
        for (const std::string& value : list(key))
            if (std::find(known.begin(), known.end(), value) == known.end()) {
                std::string text;
                for (const auto& k : known) text += (text.empty() ? "known: " : ", ") + k;
                throw Error("spec", "cannot be \"" + value + "\"", where(key), text);
            }
        return list(key);
    }
    std::string where(const std::string& key) const { return path_ + ", key " + key; }
    bool given(const std::string& key) const { return values_.count(key) > 0; }

  private:
    std::string path_;
    po::variables_map values_;
};

/// The parts of a line METHOD | SCHEDULE | SAMPLER, without the space around them.
std::vector<std::string> parts_of(const std::string& line) {
    std::vector<std::string> out;
    std::istringstream in(line);
    for (std::string part; std::getline(in, part, '|');) {
        const size_t first = part.find_first_not_of(" \t"), last = part.find_last_not_of(" \t");
        out.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
    }
    return out;
}

void apply_preset(Suite& s, const SuiteReader& r) {
    const std::string where = r.where("preset");
    const Preset& preset = find_preset(r.text("preset"), where);
    for (const char* key : {"schedule", "sampler", "steps", "budget"})
        if (r.given(key))
            throw Error("spec", std::string("a preset says what ") + key + " is, and the suite does too", where,
                        std::string("leave out either preset or ") + key);
    s.preset = r.text("preset");
    s.schedules = {Spec::parse(preset.schedule, where)};
    s.samplers = {Spec::parse(preset.sampler, where)};
    s.steps = {preset.steps};
    if (!r.given("noise")) s.noise = preset.noise;
    if (!r.given("clip")) s.clip = preset.clip;
}

void read_published_rows(Suite& s, const SuiteReader& r) {
    s.published_models = r.list("published-model");
    const std::string dataset = s.published_dataset = r.text("published-dataset");
    if (r.list("published").empty()) return;
    if (s.published_models.size() != s.models.size())
        throw Error("spec",
                    std::to_string(s.published_models.size()) + " names for " +
                        std::to_string(s.models.size()) + " models",
                    r.where("published-model"), "give one line for each model line, in the same order");
    for (const std::string& path : r.list("published"))
        for (PublishedRow& row : read_published(path)) {
            const auto& names = s.published_models;
            if ((dataset.empty() || row.dataset == dataset) &&
                std::find(names.begin(), names.end(), row.model) != names.end())
                s.published.push_back(std::move(row));
        }
    if (s.published.empty())
        throw Error("spec", "no row of the published files has this data set and one of these models",
                    r.where("published-dataset"),
                    "the names are in the columns dataset and model of the CSV");
    for (const std::string& line : r.list("published-method")) {
        const std::string where = r.where("published-method");
        const std::vector<std::string> parts = parts_of(line);
        if (parts.size() != 3)
            throw Error("spec", "wants METHOD | SCHEDULE | SAMPLER, not \"" + line + "\"", where);
        if (std::none_of(s.published.begin(), s.published.end(),
                         [&](const PublishedRow& row) { return row.method == parts[0]; }))
            throw Error("spec", "no published row of these models has the method \"" + parts[0] + "\"",
                        where);
        s.published_cells.push_back({parts[0], Spec::parse(parts[1], where), Spec::parse(parts[2], where)});
    }
}

}  // namespace

Suite read_suite(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw Error("file", "cannot be opened for reading", path);
    std::ostringstream content;
    content << in.rdbuf();

    Suite s;
    s.path = path;
    s.text = content.str();
    const SuiteReader r(path, s.text);
    s.name = r.text("name");
    if (s.name.empty()) {
        const size_t slash = path.find_last_of('/');
        s.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
        s.name = s.name.substr(0, s.name.find('.'));
    }
    s.title = r.text("title");
    s.models = r.specs("model");
    s.schedules = r.specs("schedule");
    s.samplers = r.specs("sampler");
    s.budgets = r.integers("budget");
    s.steps = r.integers("steps");
    s.images = r.integer("images", 2);
    s.batch = r.integer("batch", 1);
    s.seed = static_cast<uint64_t>(r.integer("seed", 0));
    s.noise = r.text("noise");
    if (s.noise != "philox" && s.noise != "edm")
        throw Error("spec", "cannot be \"" + s.noise + "\"", r.where("noise"), "known: philox, edm");
    s.labels = LabelPolicy::parse(r.text("labels"), r.where("labels"));
    s.clip = r.flag("clip");
    if (r.given("preset")) apply_preset(s, r);
    s.allow_fewer = r.flag("allow-fewer");
    s.quantise = quantise_rule_name(parse_quantise_rule(r.text("quantise"), r.where("quantise")));
    const std::string time = r.text("time");
    if (time != "nearest" && time != "fractional")
        throw Error("spec", "cannot be \"" + time + "\"", r.where("time"), "known: nearest, fractional");
    s.time_rule = time == "fractional" ? TimeRule::fractional : TimeRule::nearest;
    s.reference = r.spec("reference");
    s.heldout = r.spec("heldout");
    s.data = r.text("data").empty() ? s.reference : r.spec("data");
    s.reference_images = r.integer("reference-images", 2);
    s.extractor = r.spec("extractor");
    for (const Spec& metric : r.specs("metric"))
        s.metrics.push_back(complete_metric(metric, r.where("metric")));
    if (s.metrics == Suite().effective_metrics()) s.metrics.clear();
    s.keep_images = r.flag("keep-images");
    s.bpd_strides = r.choices("bpd-stride", {"even", "even-kt", "ddim-quad", "quadratic", "dp"});
    s.bpd_variances = r.choices("bpd-variance",
                                {"posterior", "beta", "corrected-analytic", "analytic", "learned", "known"});
    s.bpd_first_steps = r.choices("bpd-first-step", {"table", "path", "optimal"});
    s.bpd_steps = r.integers("bpd-steps", true);
    s.bpd_cells = r.flag("bpd-cells");
    s.minutes = r.positive("minutes");
    s.statistics = r.list("statistics");
    s.statistics_images = r.integer("statistics-images", 1);

    if (s.models.empty()) throw Error("spec", "names no model", path, "add a line model = ...");
    read_published_rows(s, r);
    const bool cells =
        !s.schedules.empty() && !s.samplers.empty() && (!s.budgets.empty() || !s.steps.empty());
    const bool likelihood = !s.bpd_strides.empty() && !s.bpd_variances.empty() && !s.bpd_steps.empty();
    if (!cells && !likelihood)
        throw Error("spec", "describes no work", path,
                    "give schedule, sampler and budget (or steps) lines, or bpd-stride, bpd-variance and "
                    "bpd-steps lines");
    if (cells && (s.extractor.name == "none") != (s.reference.name == "none"))
        throw Error("spec", "has an extractor or a reference, but not both", path,
                    "give both for a Frechet distance, or neither");
    return s;
}

std::vector<Spec> Suite::effective_metrics() const {
    return metrics.empty() ? std::vector<Spec>{complete_metric(Spec::parse("frechet"), "metric")} : metrics;
}

nlohmann::json Suite::settings() const {
    const auto printed = [](const std::vector<Spec>& specs) {
        std::vector<std::string> out;
        for (const Spec& spec : specs) out.push_back(spec.print());
        return out;
    };
    nlohmann::json out = {{"name", name},
                          {"title", title},
            {"preset", preset},
                          {"model", printed(models)},
                          {"schedule", printed(schedules)},
                          {"sampler", printed(samplers)},
                          {"budget", budgets},
                          {"steps", steps},
                          {"images", images},
                          {"batch", batch},
                          {"seed", seed},
                          {"noise", noise},
                          {"labels", labels.name()},
                          {"clip", clip},
                          {"allow-fewer", allow_fewer},
                          {"quantise", quantise},
                          {"time", time_rule == TimeRule::nearest ? "nearest" : "fractional"},
                          {"data", data.print()},
                          {"reference", reference.print()},
                          {"reference-images", reference_images},
                          {"heldout", heldout.print()},
                          {"extractor", extractor.print()},
            {"metric", printed(effective_metrics())},
                          {"keep-images", keep_images},
                          {"bpd-stride", bpd_strides},
                          {"bpd-variance", bpd_variances},
                          {"bpd-steps", bpd_steps},
                          {"statistics", statistics},
                          {"statistics-images", statistics_images},
                          {"bpd-first-step", bpd_first_steps},
                          {"bpd-cells", bpd_cells},
                          {"minutes", minutes},
                          {"published", nlohmann::json::array()},
                          {"published-dataset", published_dataset},
                          {"published-model", published_models},
                          {"published-method", nlohmann::json::array()}};
    for (const PublishedRow& row : published) out["published"].push_back(to_json(row));
    for (const PublishedCells& cells : published_cells)
        out["published-method"].push_back({{"method", cells.method},
                                           {"schedule", cells.schedule.print()},
                                           {"sampler", cells.sampler.print()}});
    return out;
}

std::string Suite::id() const {
    return short_hash(settings().dump());
}

}  // namespace schedbench
