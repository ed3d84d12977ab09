#include "harness/published.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace schedbench {

namespace {

/// Fields of a line; quotes may stand around a field, and double ones inside it.
std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> out(1);
    bool quoted = false;
    for (size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') {
            if (quoted && i + 1 < line.size() && line[i + 1] == '"')
                out.back() += line[i++];
            else
                quoted = !quoted;
        } else if (line[i] == ',' && !quoted) {
            out.emplace_back();
        } else if (line[i] != '\r') {
            out.back() += line[i];
        }
    }
    return out;
}

}  // namespace

std::string PublishedRow::label() const {
    return source + " " + model + (status == "as printed" ? "" : " (" + status + ")");
}

std::optional<BoundMethod> bound_method(const PublishedRow& row, int levels, bool gamma, bool learned) {
    const std::string analytic = gamma ? "analytic" : "corrected-analytic",
                      instead = gamma ? "" : "no Gamma: corrected analytic";
    if (row.source == "arXiv:2201.06503") {
        static const std::map<std::string, std::string> strides{{"ET", "even"}, {"OT", "dp"}};
        const size_t gap = row.method.find(' ');
        if (gap == std::string::npos) return {};
        const auto stride = strides.find(row.method.substr(0, gap));
        const std::string variance = row.method.substr(gap + 1);
        if (stride == strides.end()) return {};
        if (variance == "btil") return BoundMethod{stride->second, "posterior", "table", ""};
        if (variance == "beta") return BoundMethod{stride->second, "beta", "table", ""};
        if (variance == "analytic") return BoundMethod{stride->second, analytic, "table", instead};
        return {};
    }
    if (row.source == "arXiv:2106.03802") {
        const bool of_pixels = row.model.find("L_simple") == std::string::npos;
        if (of_pixels && !learned) return {};
        const std::string variance = of_pixels ? "learned" : "posterior",
                          first = of_pixels ? "table" : "path",
                          note = of_pixels ? "smaller variance of the first step: btil(1,2)" : "";
        if (row.method == "even") return BoundMethod{"even-kt", variance, first, note};
        if (row.method == "quadratic") return BoundMethod{"quadratic", variance, first, note};
        if (row.method == "DP") return BoundMethod{"dp", variance, first, note};
        if (row.steps == levels) return BoundMethod{"even-kt", variance, first, note};
    }
    return {};
}

std::vector<PublishedRow> read_published(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw Error("file", "cannot be opened", path);
    std::string line;
    std::getline(in, line);
    const std::vector<std::string> names = fields_of(line);
    std::map<std::string, size_t> column;
    for (size_t i = 0; i < names.size(); ++i) column[names[i]] = i;
    for (const char* name :
         {"source", "table", "dataset", "model", "metric", "method", "steps", "value", "status"})
        if (!column.contains(name))
            throw Error("file", std::string("has no column ") + name, path,
                        "the columns are explained in results/published/README.md");
    std::vector<PublishedRow> out;
    for (int number = 2; std::getline(in, line); ++number) {
        if (line.empty()) continue;
        const std::vector<std::string> fields = fields_of(line);
        const auto field = [&](const char* name) {
            const auto it = column.find(name);
            return it != column.end() && it->second < fields.size() ? fields[it->second] : std::string();
        };
        PublishedRow row{field("source"),
                         field("table"),
                         field("dataset"),
                         field("model"),
                         field("metric"),
                         field("method"),
                         field("status"),
                         field("remark"),
                         0,
                         0};
        try {
            row.steps = std::stoi(field("steps"));
            row.value = std::stod(field("value"));
        } catch (const std::exception&) {
            throw Error("file",
                        "line " + std::to_string(number) + ": steps and value must be numbers, not \"" +
                            field("steps") + "\" and \"" + field("value") + "\"",
                        path);
        }
        out.push_back(std::move(row));
    }
    return out;
}

nlohmann::json to_json(const PublishedRow& r) {
    return {{"source", r.source}, {"table", r.table},   {"dataset", r.dataset}, {"model", r.model},
            {"metric", r.metric}, {"method", r.method}, {"steps", r.steps},     {"value", r.value},
            {"status", r.status}, {"remark", r.remark}};
}

PublishedRow published_row(const nlohmann::json& json) {
    PublishedRow out;
    for (const auto& [key, field] : {std::pair{"source", &out.source}, std::pair{"table", &out.table},
                                     std::pair{"dataset", &out.dataset}, std::pair{"model", &out.model},
                                     std::pair{"metric", &out.metric}, std::pair{"method", &out.method},
                                     std::pair{"status", &out.status}, std::pair{"remark", &out.remark}})
        *field = json.value(key, "");
    out.steps = json.value("steps", 0);
    out.value = json.value("value", 0.0);
    return out;
}

}  // namespace schedbench
