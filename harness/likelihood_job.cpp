#include "harness/likelihood_job.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "schedules/index_strides.h"

namespace schedbench {

std::vector<int> stride_path(const std::string& stride, const PathBounds& choose, int table, int steps,
                             int most) {
    if (steps < 1 || steps > table)
        throw Error("number",
                    "the number of steps must be from 1 to " + std::to_string(table) + ", not " +
                        std::to_string(steps),
                    "bits/dim");
    if (stride == "dp") return choose.best(steps, most);
    std::vector<int64_t> nodes;
    if (stride == "even")
        nodes = even_indices(table, steps);
    else if (stride == "even-kt")
        nodes = even_kt_indices(table, steps);
    else if (stride == "ddim-quad")
        nodes = from_one(ddim_quad_indices(table, steps));
    else if (stride == "quadratic")
        nodes = quadratic_indices(table, steps);
    else
        throw Error("spec", "\"" + stride + "\" is not a stride", "bits/dim",
                    "known: even, even-kt, ddim-quad, quadratic, dp");
    return {nodes.begin(), nodes.end()};
}

std::vector<std::string> known_variances(const DenoisingStatistics& statistics) {
    std::vector<std::string> out{"posterior", "beta", "corrected-analytic"};
    if (!statistics.gamma.empty()) out.push_back("analytic");
    if (statistics.learned) out.push_back("learned");
    return out;
}

std::string images_of(const DenoisingStatistics& statistics) {
    return "data " + statistics.data_hash.substr(0, 12) + ", noise seed " + std::to_string(statistics.seed);
}

namespace {

LikelihoodRow row_of(const std::string& stride, const PathBound& bound, const DenoisingStatistics& s,
                     const char* split) {
    LikelihoodRow row;
    row.stride = stride;
    row.variance = variance_name(bound.rule.variance);
    row.decoder = decoder_name(bound.rule.decoder);
    row.first_step = first_step_name(bound.rule.first_step);
    row.clip = s.clip ? "[-1,1]" : "none";
    row.split = split;
    row.steps = static_cast<int>(bound.path.size());
    row.bits_per_dim = bound.bits_per_dim;
    row.path = bound.path;
    row.decoder_term = bound.decoder;
    row.prior_term = bound.prior;
    row.edge_terms = bound.edges;
    row.images = images_of(s);
    row.per_image = bound.per_image;
    return row;
}

/// Rows may have different numbers of images: NaN where there are no more.
NamedArray bits_of_images(const std::vector<LikelihoodRow>& rows) {
    size_t most = 0;
    for (const LikelihoodRow& row : rows) most = std::max(most, row.per_image.size());
    NamedArray out{{static_cast<int64_t>(rows.size()), static_cast<int64_t>(most)}, {}, "bit/dim", "row,image"};
    for (const LikelihoodRow& row : rows) {
        out.values.insert(out.values.end(), row.per_image.begin(), row.per_image.end());
        out.values.resize(out.values.size() + most - row.per_image.size(), NAN);
    }
    return out;
}

}  // namespace

std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const LikelihoodRequest& request,
                                           std::vector<std::string>* left_out) {
    std::vector<LikelihoodRow> rows;
    std::optional<Error> first_reason;
    const auto leave_out = [&](const std::string& what, const Error& reason) {
        if (!left_out) throw reason;
        const std::string text = what + ": " + reason.what();
        if (std::find(left_out->begin(), left_out->end(), text) == left_out->end()) left_out->push_back(text);
        if (!first_reason) first_reason = reason;
    };
    const int table = train.levels(),
              most =
                  request.steps.empty() ? 0 : *std::max_element(request.steps.begin(), request.steps.end());
    std::vector<std::string> decoders = request.decoders;
    if (decoders.empty()) decoders.push_back(decoder_name(train.decoder));
    for (const std::string& variance : request.variances)
        for (const std::string& decoder : decoders)
            for (const std::string& first_step : request.first_steps) {
                const BoundRule rule{
                    parse_variance(variance, "bits/dim"), parse_first_step(first_step, "bits/dim"),
                    decoder == "measured" ? train.decoder : parse_decoder(decoder, "bits/dim")};
                const std::string what =
                    "variance " + variance + ", decoder " + decoder + ", first step " + first_step;
                std::optional<PathBounds> on_train, on_test;
                try {
                    on_train.emplace(train, rule);
                    on_test.emplace(test, rule, &train);
                } catch (const Error& reason) {
                    leave_out(what, reason);
                    continue;
                }
                for (const std::string& stride : request.strides)
                    for (int k : request.steps) {
                        if (rule.first_step == FirstStepRule::path && k < 2) {
                            leave_out(what + ", 1 step",
                                      Error("number", "the decoder's variance comes from the second node",
                                            "bits/dim"));
                            continue;
                        }
                        const std::vector<int> path =
                            stride_path(stride, *on_train, table, k, std::min(most, table));
                        if (std::adjacent_find(path.begin(), path.end()) != path.end()) {
                            leave_out("stride " + stride + ", " + std::to_string(k) + " steps",
                                      Error("number", "the rule names a node twice", "bits/dim"));
                            continue;
                        }
                        rows.push_back(row_of(stride, on_train->bound(path), train, "train"));
                        rows.push_back(row_of(stride, on_test->bound(path), test, "test"));
                    }
            }
    if (rows.empty() && first_reason) throw *first_reason;
    return rows;
}

std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const std::vector<std::string>& strides,
                                           const std::vector<std::string>& variances,
                                           const std::vector<int>& steps) {
    LikelihoodRequest request;
    request.strides = strides;
    request.variances = variances;
    request.steps = steps;
    return likelihood_rows(train, test, request, nullptr);
}

LikelihoodRecord likelihood_record(const std::string& id, const std::string& model,
                                   const std::vector<LikelihoodRow>& rows) {
    LikelihoodRecord r;
    r.id = id;
    r.texts["model"] = model;
    for (const LikelihoodRow& row : rows) {
        r.text_columns["stride"].push_back(row.stride);
        r.text_columns["variance"].push_back(row.variance);
        r.text_columns["decoder"].push_back(row.decoder);
        r.text_columns["first_step"].push_back(row.first_step);
        r.text_columns["clip"].push_back(row.clip);
        r.text_columns["split"].push_back(row.split);
        r.text_columns["path"].push_back(nlohmann::json(row.path).dump());
        r.columns["steps"].push_back(row.steps);
        r.columns["bits_per_dim"].push_back(row.bits_per_dim.value);
        r.columns["se"].push_back(row.bits_per_dim.se);
        r.columns["n"].push_back(static_cast<double>(row.bits_per_dim.n));
        r.columns["decoder_term"].push_back(row.decoder_term);
        r.columns["prior_term"].push_back(row.prior_term);
        r.text_columns["edge_terms"].push_back(nlohmann::json(row.edge_terms).dump());
        r.text_columns["images"].push_back(row.images);
    }
    if (NamedArray bits = bits_of_images(rows); !bits.values.empty()) r.arrays["per_image"] = std::move(bits);
    if (std::any_of(rows.begin(), rows.end(), [](const LikelihoodRow& row) { return !std::isnan(row.published); }))
        for (const LikelihoodRow& row : rows) {
            r.columns["published"].push_back(row.published);
            r.text_columns["published_source"].push_back(row.published_source);
        }
    return r;
}

std::vector<LikelihoodRow> likelihood_rows(const LikelihoodRecord& r) {
    std::vector<LikelihoodRow> rows;
    for (size_t i = 0; i < r.columns.at("steps").size(); ++i) {
        LikelihoodRow row;
        if (const auto model = r.texts.find("model"); model != r.texts.end()) row.model = model->second;
        row.stride = r.text_columns.at("stride")[i];
        row.variance = r.text_columns.at("variance")[i];
        row.decoder = r.text_columns.at("decoder")[i];
        row.first_step = r.text_columns.at("first_step")[i];
        row.clip = r.text_columns.at("clip")[i];
        row.split = r.text_columns.at("split")[i];
        row.path = nlohmann::json::parse(r.text_columns.at("path")[i]).get<std::vector<int>>();
        if (r.columns.contains("decoder_term") && r.text_columns.contains("edge_terms")) {
            row.decoder_term = r.columns.at("decoder_term")[i];
            row.prior_term = r.columns.at("prior_term")[i];
            row.edge_terms =
                nlohmann::json::parse(r.text_columns.at("edge_terms")[i]).get<std::vector<double>>();
        }
        if (const auto it = r.text_columns.find("images"); it != r.text_columns.end()) row.images = it->second[i];
        if (const auto it = r.arrays.find("per_image"); it != r.arrays.end()) {
            const auto width = it->second.values.size() / r.columns.at("steps").size();
            for (size_t k = 0; k < width && !std::isnan(it->second.values[i * width + k]); ++k)
                row.per_image.push_back(it->second.values[i * width + k]);
        }
        if (r.columns.contains("published") && r.text_columns.contains("published_source")) {
            row.published = r.columns.at("published")[i];
            row.published_source = r.text_columns.at("published_source")[i];
        }
        row.steps = static_cast<int>(r.columns.at("steps")[i]);
        row.bits_per_dim.name = "bits_per_dim";
        row.bits_per_dim.value = r.columns.at("bits_per_dim")[i];
        row.bits_per_dim.se = r.columns.at("se")[i];
        row.bits_per_dim.n = static_cast<int64_t>(r.columns.at("n")[i]);
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace schedbench
