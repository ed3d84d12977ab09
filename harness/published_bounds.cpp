#include "harness/published_bounds.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "core/error.h"
#include "harness/likelihood_job.h"

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

struct Method {
    std::string stride, variance, first_step, note;
};

/// How the row was made: Bao et al. 2022 (code) has the table variance in the first step; the figures of
/// Watson et al. 2021 fit nodes kT/K, and the variance of the respaced chain, for their even and quadratic
/// strides alike.
std::optional<Method> method_of(const PublishedRow& row, const DenoisingStatistics& s) {
    const bool gamma = !s.gamma.empty();
    const std::string analytic = gamma ? "analytic" : "corrected-analytic",
                      instead = gamma ? "" : "no Gamma: corrected analytic";
    if (row.source == "arXiv:2201.06503") {
        static const std::map<std::string, std::string> strides{{"ET", "even"}, {"OT", "dp"}};
        const size_t gap = row.method.find(' ');
        if (gap == std::string::npos) return {};
        const auto stride = strides.find(row.method.substr(0, gap));
        const std::string variance = row.method.substr(gap + 1);
        if (stride == strides.end()) return {};
        if (variance == "btil") return Method{stride->second, "posterior", "table", ""};
        if (variance == "beta") return Method{stride->second, "beta", "table", ""};
        if (variance == "analytic") return Method{stride->second, analytic, "table", instead};
        return {};
    }
    if (row.source == "arXiv:2106.03802") {
        const bool learned = row.model.find("L_simple") == std::string::npos;
        if (learned && !s.learned) return {};
        const std::string variance = learned ? "learned" : "posterior", first = learned ? "table" : "path",
                          note = learned ? "smaller variance of the first step: btil(1,2)" : "";
        if (row.method == "even") return Method{"even-kt", variance, first, note};
        if (row.method == "quadratic") return Method{"quadratic", variance, first, note};
        if (row.method == "DP") return Method{"dp", variance, first, note};
        if (row.steps == s.levels()) return Method{"even", variance, first, note};
    }
    return {};
}

}  // namespace

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

std::vector<ComparedRow> compare_with_published(
    const DenoisingStatistics& train, const DenoisingStatistics& test, const std::vector<PublishedRow>& rows,
    const std::string& dataset, const std::vector<std::string>& models, std::vector<std::string>& left_out) {
    std::vector<ComparedRow> out;
    struct Bounds {
        Bounds(const DenoisingStatistics& a, const DenoisingStatistics& b, const BoundRule& rule)
            : choose(a, rule), score(b, rule) {}
        PathBounds choose, score;
    };
    std::map<std::string, Bounds> known;
    int most = 1;
    for (const PublishedRow& row : rows)
        if (row.steps <= train.levels()) most = std::max(most, row.steps);
    for (const PublishedRow& row : rows) {
        if (row.metric != "bits/dim" || (!dataset.empty() && row.dataset != dataset)) continue;
        if (!models.empty() && std::none_of(models.begin(), models.end(), [&](const std::string& name) {
                return row.model.find(name) != std::string::npos;
            }))
            continue;
        const auto method = method_of(row, train);
        const std::string what =
            row.source + " " + row.model + ", " + row.method + ", " + std::to_string(row.steps) + " steps";
        if (!method || row.steps < 1 || row.steps > train.levels()) {
            left_out.push_back(what + (method ? ": more steps than levels" : ": no rule for this method"));
            continue;
        }
        const BoundRule rule{parse_variance(method->variance, "published rows"),
                             parse_first_step(method->first_step, "published rows"), train.decoder};
        auto it = known.find(method->variance + method->first_step);
        if (it == known.end())
            it = known.try_emplace(method->variance + method->first_step, train, test, rule).first;
        const std::vector<int> path =
            stride_path(method->stride, it->second.choose, train.levels(), row.steps, most);
        const PathBound bound = it->second.score.bound(path);
        out.push_back({row, method->stride, method->variance, method->first_step, decoder_name(train.decoder),
                       bound.bits_per_dim.value, bound.bits_per_dim.se, method->note});
    }
    return out;
}

}  // namespace schedbench
