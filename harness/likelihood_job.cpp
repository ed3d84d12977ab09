#include "harness/likelihood_job.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "schedules/index_strides.h"

namespace schedbench {

std::vector<int> stride_path(const std::string& stride, const DenoisingStatistics& choose,
                             ElboVariance variance, int steps) {
    const int table = choose.levels();
    if (steps < 1 || steps > table)
        throw Error("number",
                    "the number of steps must be from 1 to " + std::to_string(table) + ", not " +
                        std::to_string(steps),
                    "bits/dim");
    if (stride == "dp") return choose.elbo().best_paths(variance, steps).path(steps);
    std::vector<int64_t> nodes;
    if (stride == "even")
        nodes = even_indices(table, steps);
    else if (stride == "even-kt")
        nodes = even_kt_indices(table, steps);
    else if (stride == "quadratic")
        nodes = quadratic_indices(table, steps);
    else
        throw Error("spec", "\"" + stride + "\" is not a stride", "bits/dim",
                    "known: even, even-kt, quadratic, dp");
    return {nodes.begin(), nodes.end()};
}

std::vector<LikelihoodRow> likelihood_rows(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const std::vector<std::string>& strides,
                                           const std::vector<std::string>& variances,
                                           const std::vector<int>& steps) {
    std::vector<LikelihoodRow> rows;
    for (const std::string& variance_text : variances) {
        const ElboVariance variance = parse_variance(variance_text, "bits/dim");
        for (const std::string& stride : strides)
            for (int k : steps) {
                const std::vector<int> path = stride_path(stride, train, variance, k);
                for (const auto* split : {&train, &test}) {
                    LikelihoodRow row;
                    row.stride = stride;
                    row.variance = variance_text;
                    row.decoder = decoder_name(split->decoder);
                    row.first_step = "table";
                    row.clip = split->clip ? "[-1,1]" : "none";
                    row.split = split == &train ? "train" : "test";
                    row.steps = k;
                    row.bits_per_dim = path_bound(*split, variance, path).bits_per_dim;
                    row.path = path;
                    rows.push_back(std::move(row));
                }
            }
    }
    return rows;
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
