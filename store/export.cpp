#include "store/export.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/spec.h"
#include "data/npy.h"
#include "data/npz.h"

namespace schedbench {
namespace {

using nlohmann::ordered_json;

/// The rows of cells_csv and cells_json; the keys are the columns.
std::vector<ordered_json> cell_rows(const RunFile& run) {
    std::vector<ordered_json> rows;
    for (const std::string& id : run.ids("cells")) {
        const CellRecord cell = run.cell(id);
        ordered_json row;
        row["cell"] = id;
        row["schedule"] = cell.schedule;
        row["schedule_spec"] =
            run.has("schedules", cell.schedule) ? run.schedule(cell.schedule).schedule.spec : "";
        row["sampler"] = cell.sampler;
        row["model"] = cell.model;
        row["data"] = cell.data;
        row["steps"] = cell.steps;
        row["nfe"] = cell.nfe;
        row["budget"] = cell.budget;
        row["seed"] = cell.seed;
        row["n"] = cell.count();
        row["status"] = cell.status;
        for (const char* column : {"metric", "value", "se", "metric_n", "estimand", "method", "warning"}) {
            row[column] = nullptr;
        }
        if (cell.metrics.empty()) rows.push_back(row);
        for (const auto& [name, metric] : cell.metrics) {
            const Estimate& estimate = metric.estimate;
            row["metric"] = name;
            row["value"] = estimate.value;
            row["se"] = estimate.se;
            row["metric_n"] = estimate.n;
            row["estimand"] = estimate.estimand;
            row["method"] = estimate.method;
            row["warning"] = estimate.warning;
            rows.push_back(row);
        }
    }
    return rows;
}

std::string csv_field(const ordered_json& value) {
    if (value.is_null()) return "";
    if (value.is_number_float()) return format_number(value.get<double>());
    if (!value.is_string()) return value.dump();
    const std::string& text = value.get_ref<const std::string&>();
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
}

std::map<std::string, NpyArray> arrays_of(const CellRecord& cell) {
    const int64_t n = cell.count();
    std::map<std::string, NpyArray> arrays;
    arrays["sample_ids"] = {{n}, cell.sample_ids};
    if (!cell.labels.empty()) arrays["labels"] = {{n}, cell.labels};
    if (!cell.features.empty()) arrays["features"] = {{n, cell.feature_dim}, cell.features};
    if (!cell.images.empty()) {
        arrays["images"] = {{n, cell.image_shape[0], cell.image_shape[1], cell.image_shape[2]}, cell.images};
    }
    if (!cell.preview.empty()) arrays["preview"] = {cell.preview_shape, cell.preview};
    for (const auto& [name, metric] : cell.metrics) {
        if (metric.influence.empty()) continue;
        arrays["influence:" + name] = {{static_cast<int64_t>(metric.influence.size())}, metric.influence};
    }
    return arrays;
}

}  // namespace

std::string cells_csv(const RunFile& run) {
    std::string text =
        "cell,schedule,schedule_spec,sampler,model,data,steps,nfe,budget,seed,n,status,metric,value,se,"
        "metric_n,"
        "estimand,method,warning\n";
    for (const ordered_json& row : cell_rows(run)) {
        std::string line;
        for (const auto& [column, value] : row.items()) line += (line.empty() ? "" : ",") + csv_field(value);
        text += line + "\n";
    }
    return text;
}

std::string cells_json(const RunFile& run) {
    return ordered_json(cell_rows(run)).dump(2);
}

std::string summary_json(const RunFile& run) {
    const RunHeader header = run.header();
    ordered_json summary;
    summary["file"] = run.path();
    summary["schema_version"] = run.file().text_attribute("/", "schema_version");
    summary["software"] = header.software;
    summary["commit"] = header.commit;
    summary["created"] = header.created;
    summary["status"] = header.status;
    for (const auto& [collection, type] : schema_collections())
        summary[collection] = run.ids(collection).size();
    std::error_code ignored;
    summary["bytes"] = std::filesystem::file_size(run.path(), ignored);
    return summary.dump(2);
}

void export_npy(const RunFile& run, const std::string& cell, const std::string& array,
                const std::string& path) {
    const std::map<std::string, NpyArray> arrays = arrays_of(run.cell(cell, CellParts::all));
    const auto found = arrays.find(array);
    if (found == arrays.end()) {
        std::string known;
        for (const auto& [name, values] : arrays) known += (known.empty() ? "" : ", ") + name;
        throw Error("store", "the cell does not have '" + array + "'; it has " + known,
                    run.file().where("/cells/" + cell),
                    "images and features are stored where --keep says so");
    }
    write_npy(path, found->second);
}

void export_npz(const RunFile& run, const std::string& cell, const std::string& path) {
    write_npz(path, arrays_of(run.cell(cell, CellParts::all)));
}

}  // namespace schedbench
