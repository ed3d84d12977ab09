#include "harness/likelihood_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <tuple>

#include "harness/json_number.h"

namespace schedbench {

namespace {

// On a screen of 80 columns, beside the longest name of a row:
constexpr size_t kLongColumns = 3;   // with "±"
constexpr size_t kShortColumns = 4;  // with the error in parentheses

template <typename T>
void add_new(std::vector<T>& list, const T& item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

using BlockKey = std::tuple<std::string, std::string, std::string, std::string, std::string>;
BlockKey block_of(const LikelihoodRow& r) {
    return {r.model, r.decoder, r.first_step, r.clip, r.split};
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

/// Without an error, four decimals, as long as they say anything.
std::string cell_text(const LikelihoodRow& row, bool short_form) {
    const Estimate& bits = row.bits_per_dim;
    if (std::isnan(bits.se)) return fixed(bits.value, bits.value < 99.995 ? 4 : 2);
    return short_form ? format_estimate_short(bits.value, bits.se) : format_estimate(bits.value, bits.se);
}

std::string print_csv(const std::vector<LikelihoodRow>& all,
                      const std::function<std::string(const std::string&)>& name_of) {
    std::string out =
        "model,stride,variance,decoder,first_step,clip,split,steps,bits_per_dim,se,n,published,"
        "published_source,path\n";
    for (const LikelihoodRow& r : all)
        out += csv_field(name_of(r.model)) + "," + r.stride + "," + r.variance + "," + r.decoder + "," +
               r.first_step + "," + csv_field(r.clip) + "," + r.split + "," + std::to_string(r.steps) + "," +
               number_field(r.bits_per_dim.value) + "," + number_field(r.bits_per_dim.se) + "," +
               std::to_string(r.bits_per_dim.n) + "," + number_field(r.published) + "," +
               csv_field(r.published_source) + "," + csv_field(nlohmann::json(r.path).dump()) + "\n";
    return out;
}

/// Columns `steps` of one block; `notes` collects the sources of printed figures.
std::string print_part(const std::vector<const LikelihoodRow*>& block, const std::vector<int>& steps,
                       bool short_form, TableFormat format, std::vector<std::string>& notes) {
    std::vector<std::pair<std::string, std::string>> lines;  // variance, stride
    for (const LikelihoodRow* row : block) add_new(lines, std::pair(row->variance, row->stride));
    std::stable_sort(lines.begin(), lines.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::vector<std::string>> rows = {{"variance, stride"}};
    for (int k : steps) rows[0].push_back("K=" + std::to_string(k));
    for (const auto& [variance, stride] : lines) {
        std::vector<std::string> line = {variance + " " + stride};
        std::vector<std::string> sources;
        for (int k : steps) {
            std::string text = "-";
            for (const LikelihoodRow* row : block)
                if (row->variance == variance && row->stride == stride && row->steps == k) {
                    text = cell_text(*row, short_form);
                    if (!std::isnan(row->published)) add_new(sources, row->published_source);
                }
            line.push_back(text);
        }
        rows.push_back(line);
        for (const std::string& source : sources) {
            add_new(notes, source);
            const auto note = std::find(notes.begin(), notes.end(), source) - notes.begin() + 1;
            line = {"  printed [" + std::to_string(note) + "]"};
            for (int k : steps) {
                std::string text;
                for (const LikelihoodRow* row : block)
                    if (row->variance == variance && row->stride == stride && row->steps == k &&
                        row->published_source == source)
                        text = fixed(row->published, 2);
                line.push_back(text);
            }
            rows.push_back(line);
        }
    }
    return print_block(rows, format);
}

}  // namespace

std::string print_likelihood(const std::vector<LikelihoodRow>& all, TableFormat format,
                             const std::map<std::string, std::string>& models) {
    const auto name_of = [&](const std::string& id) {
        const auto it = models.find(id);
        return it == models.end() ? id : it->second;
    };
    if (format == TableFormat::csv) return print_csv(all, name_of);
    std::vector<BlockKey> blocks;
    for (const LikelihoodRow& row : all) add_new(blocks, block_of(row));
    const bool one_model =
        std::all_of(all.begin(), all.end(), [&](const LikelihoodRow& r) { return r.model == all[0].model; });
    std::string out =
        "bits/dim ± standard error; rows are reverse variance and stride;\n"
        "dp paths and fitted variances are chosen on train";
    bool explained = false;
    for (const BlockKey& key : blocks) {
        std::vector<const LikelihoodRow*> block;
        std::vector<int> steps;
        bool errors = false;
        for (const LikelihoodRow& row : all) {
            if (block_of(row) != key) continue;
            block.push_back(&row);
            add_new(steps, row.steps);
            errors = errors || !std::isnan(row.bits_per_dim.se);
        }
        std::sort(steps.begin(), steps.end());
        const bool short_form = format == TableFormat::terminal && steps.size() > kLongColumns;
        if (short_form && errors && !explained) {
            out += "; 3.21(12) is 3.21 ± 0.12";
            explained = true;
        }
        const auto& [model, decoder, first_step, clip, split] = key;
        if (&key == &blocks.front()) out += "\n";
        out += "\n" + (one_model ? "" : name_of(model) + "\n") + split + " split, " +
               std::to_string(block[0]->bits_per_dim.n) + " images; decoder " + decoder + ", first step " +
               first_step + ", clip " + clip + (errors ? "" : "; no standard errors") + "\n";
        const size_t width = format == TableFormat::terminal ? kShortColumns : steps.size();
        std::vector<std::string> notes;
        for (size_t from = 0; from < steps.size(); from += width) {
            const size_t to = std::min(steps.size(), from + width);
            const std::vector<int> part(steps.begin() + static_cast<std::ptrdiff_t>(from),
                                        steps.begin() + static_cast<std::ptrdiff_t>(to));
            out += (from ? "\n" : "") + print_part(block, part, short_form, format, notes);
        }
        for (size_t i = 0; i < notes.size(); ++i) out += "[" + std::to_string(i + 1) + "] " + notes[i] + "\n";
    }
    return out;
}

nlohmann::json likelihood_json(const std::vector<LikelihoodRow>& rows) {
    nlohmann::json out = nlohmann::json::array();
    for (const LikelihoodRow& row : rows) {
        out.push_back(
            {{"stride", row.stride},
             {"variance", row.variance},
             {"decoder", row.decoder},
             {"first_step", row.first_step},
             {"clip", row.clip},
             {"split", row.split},
             {"steps", row.steps},
             {"bits_per_dim", row.bits_per_dim.value},
             {"se", json_number(row.bits_per_dim.se)},
             {"n", row.bits_per_dim.n},
             {"path", row.path},
             {"terms",
              {{"decoder", row.decoder_term}, {"edges", row.edge_terms}, {"prior", row.prior_term}}}});
        if (!row.model.empty()) out.back()["model"] = row.model;
        if (!std::isnan(row.published)) {
            out.back()["published"] = row.published;
            out.back()["published_source"] = row.published_source;
        }
    }
    return out;
}

}  // namespace schedbench
