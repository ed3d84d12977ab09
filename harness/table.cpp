#include "harness/table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "eval/comparison.h"
#include "eval/metric_set.h"
#include "harness/json_number.h"
#include "harness/likelihood_table.h"
#include "harness/model_record.h"
#include "harness/published.h"
#include "harness/registry.h"
#include "harness/text_block.h"
#include "learn/learner.h"

namespace schedbench {

namespace {

constexpr double kZ95 = 1.959964;

/// The plain Frechet distance where there is one.
std::string first_metric(const RunFile& run) {
    std::string other;
    for (const std::string& id : run.ids("cells"))
        for (const auto& [name, metric] : run.cell(id).metrics) {
            if (name == "bpd" || influence_metric(name) != name) continue;
            if (is_plain_frechet(name)) return name;
            if (other.empty()) other = name;
        }
    if (!other.empty()) return other;
    throw Error("run", "has no cell with a metric yet", run.path(),
                "wait until the first cell is finished, or name a reference and an extractor in the suite");
}

/// A suite that grew has several records; of equal rows the one over more images counts.
void add_likelihood(std::vector<LikelihoodRow>& rows, LikelihoodRow row) {
    const auto key = [](const LikelihoodRow& r) {
        return std::tie(r.model, r.stride, r.variance, r.decoder, r.first_step, r.clip, r.split, r.steps);
    };
    for (LikelihoodRow& other : rows) {
        if (key(other) != key(row)) continue;
        if (row.bits_per_dim.n > other.bits_per_dim.n) other = std::move(row);
        return;
    }
    rows.push_back(std::move(row));
}

/// ? behind an interval that too few samples make unreliable.
std::string shown(const Estimate& estimate) {
    return format_estimate(estimate.value, estimate.se) + (interval_reliable(estimate) ? "" : "?");
}

/// Marks the best of a group and its ties; fills in paired differences.
void compare_group(std::vector<TableRow*>& group, const std::map<std::string, CellRecord>& cells,
                   const std::string& shown_metric) {
    if (group.size() < 2) return;
    const std::string with_influence = influence_metric(shown_metric);
    std::vector<double> values;
    for (const TableRow* row : group) values.push_back(row->metric.value);
    const auto side = [&](size_t i) {
        const MetricRecord& metric = cells.at(group[i]->cell).metrics.at(with_influence);
        return PairedSide{values[i], metric.influence, metric.influence_ref};
    };
    const auto pair = [&](size_t i, size_t j) -> PairedDifference {
        const PairedSide a = side(i), b = side(j);
        if (a.influence.size() != b.influence.size() || a.influence.empty() ||
            a.influence_ref.size() != b.influence_ref.size())
            return {};
        return paired_difference(a, b, "difference");
    };
    const BestAndTies result =
        holm_ties(values, [&](size_t i, size_t j) { return pair(i, j).difference.se; }, 0.05,
                  !larger_is_better(shown_metric));
    for (size_t i = 0; i < group.size(); ++i) {
        TableRow& row = *group[i];
        row.best = i == result.best;
        row.tied = result.tied[i];
        row.p_value = result.p_value[i];
        if (row.best) continue;
        const PairedDifference difference = pair(i, result.best);
        row.delta = difference.difference.value;
        row.delta_se = difference.difference.se;
        row.correlation = difference.correlation;
    }
}

/// What the suites of a run say of printed figures: rows, and which cells they stand beside.
class PublishedCellsOfRun {
  public:
    explicit PublishedCellsOfRun(const RunFile& run) {
        for (const std::string& id : run.ids("models")) {
            const auto details = nlohmann::json::parse(run.model(id).details, nullptr, false);
            if (details.is_object()) model_specs_[id] = details.value("suite_spec", "");
        }
        for (const std::string& id : run.ids("suites")) {
            auto settings = nlohmann::json::parse(run.suite(id).settings, nullptr, false);
            if (settings.is_object() && settings.contains("published-method"))
                suites_.push_back(std::move(settings));
        }
    }

    void attach(TableRow& row) const {
        for (const nlohmann::json& suite : suites_)
            for (const nlohmann::json& cells : suite.at("published-method")) {
                if (!fits(cells.value("schedule", ""), row.schedule) ||
                    !fits(cells.value("sampler", ""), row.sampler))
                    continue;
                for (const nlohmann::json& json : suite.at("published")) {
                    const PublishedRow printed = published_row(json);
                    if (printed.method != cells.value("method", "") || printed.steps != row.nfe ||
                        printed.model != model_name(suite, row.model))
                        continue;
                    row.published = printed.value;
                    row.published_source = printed.metric + ", " + printed.label() + ", " + printed.method;
                }
            }
    }

  private:
    /// Same name, and every parameter of the pattern.
    static bool fits(const std::string& pattern, const std::string& completed) {
        const Spec wanted = Spec::parse(pattern), spec = Spec::parse(completed);
        return wanted.name == spec.name && wanted.sub == spec.sub &&
               std::all_of(wanted.args.begin(), wanted.args.end(), [&](const auto& arg) {
                   const SpecValue* value = spec.find(arg.first);
                   return value && value->print() == arg.second.print();
               });
    }
    std::string model_name(const nlohmann::json& suite, const std::string& model) const {
        const auto spec = model_specs_.find(model);
        const auto& models = suite.at("model");
        for (size_t i = 0; spec != model_specs_.end() && i < models.size(); ++i)
            if (models[i] == spec->second) return suite.at("published-model")[i];
        return "";
    }

    std::map<std::string, std::string> model_specs_;
    std::vector<nlohmann::json> suites_;
};

std::string group_key(const TableRow& row) {
    return row.model + "|" + row.sampler + "|" + std::to_string(row.nfe) + "|" + std::to_string(row.steps);
}

std::string print_csv(const Table& table) {
    std::string out =
        "schedule,learned,sampler,model,budget,steps,nfe,n,metric,value,se,best,tied,delta,delta_se,"
        "correlation,p_value,estimand,warning,cell\n";
    for (const auto* rows : {&table.rows, &table.floor})
        for (const TableRow& row : *rows) {
            std::vector<std::string> fields = {row.schedule,
                                               row.learned ? "1" : "0",
                                               row.sampler,
                                               row.model,
                                               std::to_string(row.budget),
                                               std::to_string(row.steps),
                                               std::to_string(row.nfe),
                                               std::to_string(row.n),
                                               table.metric,
                                               number_field(row.metric.value),
                                               number_field(row.metric.se),
                                               row.best ? "1" : "0",
                                               row.tied ? "1" : "0",
                                               number_field(row.delta),
                                               number_field(row.delta_se),
                                               number_field(row.correlation),
                                               number_field(row.p_value),
                                               row.metric.estimand,
                                               row.metric.warning,
                                               row.cell};
            for (size_t i = 0; i < fields.size(); ++i) out += (i ? "," : "") + csv_field(fields[i]);
            out += "\n";
        }
    return out;
}

template <typename T, typename F>
std::vector<T> distinct(const std::vector<TableRow>& rows, F&& key) {
    std::vector<T> out;
    for (const TableRow& row : rows)
        if (std::find(out.begin(), out.end(), key(row)) == out.end()) out.push_back(key(row));
    return out;
}

/// Bits/dim of a schedule's own paths, and what papers printed.
void add_lines_below(std::vector<std::vector<std::string>>& rows, const std::vector<TableRow>& block,
                     const std::string& schedule, const std::vector<std::pair<int64_t, int64_t>>& sizes) {
    std::vector<std::string> titles;
    std::map<std::string, std::map<std::pair<int64_t, int64_t>, std::string>> lines;
    const auto put = [&](const std::string& title, const TableRow& row, const std::string& text) {
        if (!lines.contains(title)) titles.push_back(title);
        lines[title][{row.nfe, row.steps}] = text + "  ";
    };
    for (const TableRow& row : block) {
        if (row.schedule != schedule) continue;
        if (!std::isnan(row.bpd.value)) put("  bits/dim", row, format_estimate(row.bpd.value, row.bpd.se));
        if (!std::isnan(row.published))
            put("  printed: " + row.published_source, row, format_estimate(row.published, NAN));
    }
    for (const std::string& title : titles) {
        std::vector<std::string> line = {title};
        for (const auto& size : sizes) {
            const auto it = lines[title].find(size);
            line.push_back(it == lines[title].end() ? "" : it->second);
        }
        rows.push_back(std::move(line));
    }
}

}  // namespace

std::string short_spec(const std::string& completed) {
    Spec spec;
    try {
        spec = Spec::parse(completed);
        for (const RegistryKind& kind : registry())
            for (const SpecEntry& entry : kind.entries) {
                if (entry.name != (spec.sub.empty() ? spec.name : spec.name + ":" + spec.sub)) continue;
                for (const SpecParam& param : entry.params) {
                    const SpecValue* value = spec.find(param.key);
                    // What a learner resolved from "auto" says nothing that the model's range does not.
                    const bool resolved = param.fallback == "auto" && is_learner(spec);
                    if (value && (value->print() == param.fallback || resolved))
                        std::erase_if(spec.args, [&](const auto& arg) { return arg.first == param.key; });
                }
                return spec.print();
            }
    } catch (const Error&) {
    }
    return completed;
}

Table make_table(const RunFile& run, const std::string& metric) {
    Table table;
    for (const std::string& id : run.ids("suites")) {
        const auto settings = nlohmann::json::parse(run.suite(id).settings, nullptr, false);
        if (settings.is_object())
            table.title = settings.value("title", "").empty() ? settings.value("name", "")
                                                              : settings.value("title", "");
    }
    for (const std::string& id : run.ids("likelihood")) {
        for (LikelihoodRow& row : likelihood_rows(run.likelihood(id)))
            add_likelihood(table.likelihood, std::move(row));
    }
    for (const std::string& id : run.ids("models")) {
        const ModelRecord model = run.model(id);
        if (std::string text = distance_text(model); !text.empty()) table.distances[id] = std::move(text);
        const auto details = nlohmann::json::parse(model.details, nullptr, false);
        table.models[id] = details.is_object() ? details.value("suite_spec", id) : id;
    }
    if (run.ids("cells").empty() && !table.likelihood.empty()) return table;
    table.metric = metric.empty() ? first_metric(run) : metric;
    std::map<std::string, CellRecord> cells;
    const PublishedCellsOfRun published(run);
    for (const std::string& id : run.ids("cells")) {
        CellRecord cell = run.cell(id, CellParts::metrics);
        for (const auto& [name, value] : cell.metrics)
            if (std::find(table.metrics.begin(), table.metrics.end(), name) == table.metrics.end())
                table.metrics.push_back(name);
        const auto found = cell.metrics.find(table.metric);
        if (found == cell.metrics.end()) continue;
        TableRow row;
        row.cell = id;
        row.model = cell.model;
        row.sampler = cell.sampler;
        row.budget = cell.budget;
        row.steps = cell.steps;
        row.nfe = cell.nfe;
        row.n = cell.count();
        row.metric = found->second.estimate;
        if (cell.sampler == "held-out") {
            row.schedule = "real images, held out";
            table.floor.push_back(row);
        } else {
            const ScheduleRecord schedule = run.schedule(cell.schedule);
            row.schedule = schedule.schedule.spec;
            row.learned = schedule.learned.has_value();
            if (const auto bpd = cell.metrics.find("bpd"); bpd != cell.metrics.end() && table.metric != "bpd")
                row.bpd = bpd->second.estimate;
            published.attach(row);
            table.rows.push_back(row);
        }
        cells.emplace(id, std::move(cell));
    }
    if (table.rows.empty() && table.floor.empty()) {
        std::string known;
        for (const auto& name : table.metrics) known += (known.empty() ? "" : ", ") + name;
        throw Error("run", "has no metric \"" + table.metric + "\"", run.path(), "it has: " + known);
    }
    std::stable_sort(table.rows.begin(), table.rows.end(), [](const TableRow& a, const TableRow& b) {
        return std::tie(a.model, a.sampler, a.nfe, a.learned, a.schedule) <
               std::tie(b.model, b.sampler, b.nfe, b.learned, b.schedule);
    });
    std::map<std::string, std::vector<TableRow*>> groups;
    for (TableRow& row : table.rows) groups[group_key(row)].push_back(&row);
    for (auto& [key, group] : groups) {
        compare_group(group, cells, table.metric);
        if (group.size() > 1) table.comparisons += static_cast<int64_t>(group.size());
    }
    return table;
}

std::string print_table(const Table& table, TableFormat format) {
    if (format == TableFormat::csv) return print_csv(table);
    std::string out;
    const bool markdown = format == TableFormat::markdown;
    if (!table.rows.empty()) {
        const Estimate& first = table.rows[0].metric;
        const char* bold = markdown ? "**" : "";
        out += bold + (table.title.empty() ? "" : table.title + ": ") + table.metric + bold +
               (larger_is_better(table.metric) ? ", larger is better\n" : ", smaller is better\n");
        out += "(" + first.estimand + " ± standard error: " + first.method + ")\n";
    }
    const auto models = distinct<std::string>(table.rows, [](const TableRow& r) { return r.model; });
    std::string warning;
    for (const std::string& model : models)
        for (const std::string& sampler :
             distinct<std::string>(table.rows, [](const TableRow& r) { return r.sampler; })) {
            std::vector<TableRow> block;
            for (const TableRow& row : table.rows)
                if (row.model == model && row.sampler == sampler) block.push_back(row);
            if (block.empty()) continue;
            const auto sizes = distinct<std::pair<int64_t, int64_t>>(
                block, [](const TableRow& r) { return std::pair(r.nfe, r.steps); });
            std::vector<std::vector<std::string>> rows = {
                {short_spec(sampler) + (models.size() > 1 ? ", model " + model.substr(0, 6) : "")}};
            for (const auto& [nfe, steps] : sizes)
                rows[0].push_back("NFE " + std::to_string(nfe) + " (N=" + std::to_string(steps) + ")");
            for (const std::string& schedule :
                 distinct<std::string>(block, [](const TableRow& r) { return r.schedule; })) {
                std::vector<std::string> line = {short_spec(schedule)};
                for (const auto& [nfe, steps] : sizes) {
                    std::string text = "-";
                    for (const TableRow& row : block)
                        if (row.schedule == schedule && row.nfe == nfe && row.steps == steps) {
                            text = shown(row.metric) + (row.best ? " *" : row.tied ? " =" : "  ");
                            if (row.learned && !line[0].ends_with(" (learned)")) line[0] += " (learned)";
                            if (!row.metric.warning.empty()) warning = row.metric.warning;
                        }
                    line.push_back(text);
                }
                rows.push_back(line);
                add_lines_below(rows, block, schedule, sizes);
            }
            for (const TableRow& row : table.floor) {
                std::vector<std::string> line = {row.schedule,
                                                 shown(row.metric) + "  "};
                line.resize(rows[0].size(), "");
                rows.push_back(line);
            }
            out += "\n" + print_block(rows, format);
        }
    if (models.empty() && !table.floor.empty())
        for (const TableRow& row : table.floor)
            out += row.schedule + "  " + shown(row.metric) + "\n";
    if (!table.rows.empty()) {
        double low = INFINITY, high = -INFINITY;
        for (const TableRow& row : table.rows)
            if (!std::isnan(row.correlation))
                low = std::min(low, row.correlation), high = std::max(high, row.correlation);
        char text[400];
        out +=
            "\n* best of its column   = unresolved: cannot be told from the best at 5 % (paired, Holm "
            "over\n" +
            std::string("  all pairs of a column; ") + std::to_string(table.comparisons) +
            " cells compared)\n";
        if (low <= high) {
            std::snprintf(
                text, sizeof text,
                "%lld images a cell with shared latents; errors correlate with the best's by %.2f to %.2f\n",
                static_cast<long long>(table.rows[0].n), low, high);
            out += text;
        }
        const bool untested = std::all_of(table.rows.begin(), table.rows.end(),
                                          [](const TableRow& row) { return std::isnan(row.delta_se); });
        if (table.comparisons > 0 && untested)
            out += "no errors of differences are known for this metric: every cell counts as unresolved\n";
        for (const std::string& model : models)
            if (const auto found = table.distances.find(model); found != table.distances.end())
                out += (models.size() > 1 ? "model " + model.substr(0, 6) + ", " : "") + found->second + "\n";
        std::string others;
        for (const std::string& name : table.metrics)
            if (name != "bpd" && influence_metric(name) != influence_metric(table.metric))
                others += (others.empty() ? "" : ", ") + name;
        if (!others.empty()) out += "also stored (--metric NAME): " + others + "\n";
        if (warning.starts_with(kUnreliable))
            out += "? interval unreliable: " + warning.substr(std::string(kUnreliable).size()) + "\n";
        else if (!warning.empty())
            out += "warning: " + warning + "\n";
    }
    if (!table.likelihood.empty())
        out += (out.empty() ? "" : "\n") + print_likelihood(table.likelihood, format, table.models);
    return out;
}

nlohmann::json table_json(const Table& table) {
    nlohmann::json rows = nlohmann::json::array();
    for (const auto* list : {&table.rows, &table.floor})
        for (const TableRow& r : *list)
            rows.push_back({{"schedule", r.schedule},
                            {"learned", r.learned},
                            {"sampler", r.sampler},
                            {"model", r.model},
                            {"budget", r.budget},
                            {"steps", r.steps},
                            {"nfe", r.nfe},
                            {"n", r.n},
                            {"metric", table.metric},
                            {"value", json_number(r.metric.value)},
                            {"se", json_number(r.metric.se)},
                            {"best", r.best},
                            {"tied", r.tied},
                            {"delta", json_number(r.delta)},
                            {"delta_se", json_number(r.delta_se)},
                            {"correlation", json_number(r.correlation)},
                            {"p_value", json_number(r.p_value)},
                            {"estimand", r.metric.estimand},
                            {"method", r.metric.method},
                            {"warning", r.metric.warning},
                            {"reliable", interval_reliable(r.metric)},
                            {"bpd", json_number(r.bpd.value)},
                            {"bpd_se", json_number(r.bpd.se)},
                            {"published", json_number(r.published)},
                            {"published_source", r.published_source},
                            {"cell", r.cell}});
    return rows;
}

}  // namespace schedbench
