#include "harness/table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "eval/comparison.h"
#include "harness/registry.h"
#include "learn/learner.h"

namespace schedbench {

namespace {

constexpr double kZ95 = 1.959964;

std::string first_metric(const RunFile& run) {
    for (const std::string& id : run.ids("cells"))
        for (const auto& [name, metric] : run.cell(id).metrics)
            if (!name.ends_with("-debiased")) return name;
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

/// Marks the best of a group and its ties; fills in paired differences.
void compare_group(std::vector<TableRow*>& group, const std::map<std::string, CellRecord>& cells,
                   const std::string& influence_metric) {
    if (group.size() < 2) return;
    std::vector<double> values;
    for (const TableRow* row : group) values.push_back(row->metric.value);
    const auto side = [&](size_t i) {
        const MetricRecord& metric = cells.at(group[i]->cell).metrics.at(influence_metric);
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
        holm_ties(values, [&](size_t i, size_t j) { return pair(i, j).difference.se; });
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

std::string group_key(const TableRow& row) {
    return row.model + "|" + row.sampler + "|" + std::to_string(row.nfe) + "|" + std::to_string(row.steps);
}

/// Display width of UTF-8 text: bytes that do not continue a character.
size_t width_of(const std::string& text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string pad(const std::string& text, size_t width, bool left) {
    const size_t have = width_of(text);
    const std::string space(width > have ? width - have : 0, ' ');
    return left ? text + space : space + text;
}

std::string escape_latex(const std::string& text) {
    std::string out;
    for (char c : text)
        out +=
            std::string("&%$#_{}").find(c) != std::string::npos ? std::string("\\") + c : std::string(1, c);
    return out;
}

/// One rectangular block of text in the format; the first column is left-aligned.
std::string print_block(const std::vector<std::vector<std::string>>& rows, TableFormat format) {
    std::string out;
    if (rows.empty()) return out;
    std::vector<size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
    if (format == TableFormat::latex)
        out += "\\begin{tabular}{l" + std::string(rows[0].size() - 1, 'r') + "}\n\\hline\n";
    for (size_t r = 0; r < rows.size(); ++r) {
        for (size_t c = 0; c < rows[r].size(); ++c) {
            if (format == TableFormat::latex)
                out += (c ? " & " : "") + escape_latex(rows[r][c]);
            else if (format == TableFormat::markdown)
                out += (c ? " " : "| ") + pad(rows[r][c], widths[c], c == 0) + " |";
            else
                out += (c ? "  " : "") + pad(rows[r][c], widths[c], c == 0);
        }
        out += format == TableFormat::latex ? " \\\\\n" : "\n";
        if (r > 0) continue;
        if (format == TableFormat::latex) out += "\\hline\n";
        if (format == TableFormat::markdown) {
            for (size_t c = 0; c < widths.size(); ++c)
                out +=
                    c ? std::string(widths[c] + 1, '-') + ":|" : "|" + std::string(widths[c] + 2, '-') + "|";
            out += "\n";
        }
    }
    if (format == TableFormat::latex) out += "\\hline\n\\end{tabular}\n";
    return out;
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string out = "\"";
    for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

std::string number_field(double value) {
    return std::isnan(value) ? "" : format_number(value);
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

}  // namespace

std::string format_estimate(double value, double se, const char* plus_minus) {
    if (std::isnan(value)) return "-";
    char text[96];
    if (std::isnan(se) || se <= 0) {
        std::snprintf(text, sizeof text, "%.4g", value);
        return text;
    }
    const int digits = std::clamp(1 - static_cast<int>(std::floor(std::log10(se))), 0, 9);
    std::snprintf(text, sizeof text, "%.*f %s%.*f", digits, value, plus_minus, digits, se);
    return text;
}

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
    if (run.ids("cells").empty() && !table.likelihood.empty()) return table;
    table.metric = metric.empty() ? first_metric(run) : metric;
    const std::string suffix = "-debiased";
    const std::string influence_metric = table.metric.ends_with(suffix)
                                             ? table.metric.substr(0, table.metric.size() - suffix.size())
                                             : table.metric;
    std::map<std::string, CellRecord> cells;
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
        compare_group(group, cells, influence_metric);
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
               ", smaller is better\n";
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
                            text = format_estimate(row.metric.value, row.metric.se) + (row.best   ? " *"
                                                                                       : row.tied ? " ="
                                                                                                  : "  ");
                            if (row.learned && !line[0].ends_with(" (learned)")) line[0] += " (learned)";
                            if (!row.metric.warning.empty()) warning = row.metric.warning;
                        }
                    line.push_back(text);
                }
                rows.push_back(line);
            }
            for (const TableRow& row : table.floor) {
                std::vector<std::string> line = {row.schedule,
                                                 format_estimate(row.metric.value, row.metric.se) + "  "};
                line.resize(rows[0].size(), "");
                rows.push_back(line);
            }
            out += "\n" + print_block(rows, format);
        }
    if (models.empty() && !table.floor.empty())
        for (const TableRow& row : table.floor)
            out += row.schedule + "  " + format_estimate(row.metric.value, row.metric.se) + "\n";
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
        if (!warning.empty()) out += "warning: " + warning + "\n";
    }
    if (!table.likelihood.empty())
        out += (out.empty() ? "" : "\n") + print_likelihood(table.likelihood, format);
    return out;
}

std::string print_likelihood(const std::vector<LikelihoodRow>& all, TableFormat format) {
    if (format == TableFormat::csv) {
        std::string out = "stride,variance,decoder,first_step,clip,split,steps,bits_per_dim,se,path\n";
        for (const LikelihoodRow& r : all)
            out += r.stride + "," + r.variance + "," + r.decoder + "," + r.first_step + "," +
                   csv_field(r.clip) + "," + r.split + "," + std::to_string(r.steps) + "," +
                   number_field(r.bits_per_dim.value) + "," + number_field(r.bits_per_dim.se) + "," +
                   csv_field(nlohmann::json(r.path).dump()) + "\n";
        return out;
    }
    std::vector<int> steps;
    std::vector<std::string> splits;
    std::vector<std::pair<std::string, std::string>> lines;  // variance, stride
    const auto add = [](auto& list, const auto& item) {
        if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
    };
    for (const LikelihoodRow& row : all) {
        add(steps, row.steps);
        add(splits, row.split);
        add(lines, std::pair(row.variance, row.stride));
    }
    std::sort(steps.begin(), steps.end());
    std::stable_sort(lines.begin(), lines.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const LikelihoodRow& first = all[0];
    std::string out = "bits/dim ± standard error over " + std::to_string(first.bits_per_dim.n) + " images (" +
                      first.decoder + " decoder, " + first.first_step + " first-step variance,\nclip " +
                      first.clip + "); rows are reverse variance and stride; dp paths are chosen on train\n";
    for (const std::string& split : splits) {
        std::vector<std::vector<std::string>> rows = {{split + " split"}};
        for (int k : steps) rows[0].push_back("K=" + std::to_string(k));
        for (const auto& [variance, stride] : lines) {
            std::vector<std::string> line = {variance + " " + stride};
            for (int k : steps) {
                std::string text = "-";
                for (const LikelihoodRow& row : all)
                    if (row.variance == variance && row.stride == stride && row.split == split &&
                        row.steps == k)
                        text = format_estimate(row.bits_per_dim.value, row.bits_per_dim.se);
                line.push_back(text);
            }
            rows.push_back(line);
        }
        out += "\n" + print_block(rows, format);
    }
    return out;
}

nlohmann::json table_json(const Table& table) {
    const auto number = [](double value) {
        return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
    };
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
                            {"value", number(r.metric.value)},
                            {"se", number(r.metric.se)},
                            {"best", r.best},
                            {"tied", r.tied},
                            {"delta", number(r.delta)},
                            {"delta_se", number(r.delta_se)},
                            {"correlation", number(r.correlation)},
                            {"p_value", number(r.p_value)},
                            {"estimand", r.metric.estimand},
                            {"method", r.metric.method},
                            {"warning", r.metric.warning},
                            {"cell", r.cell}});
    return rows;
}

}  // namespace schedbench
