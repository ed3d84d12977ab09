#include "harness/cell_matching.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "harness/table.h"

namespace schedbench {

namespace {

nlohmann::json object_of(const std::string& text) {
    auto json = nlohmann::json::parse(text, nullptr, false);
    return json.is_object() ? json : nlohmann::json::object();
}

StoredCell describe(const RunFile& run, const std::string& id) {
    const CellRecord cell = run.cell(id);
    StoredCell out;
    out.id = id;
    nlohmann::json settings = object_of(cell.settings);
    if (cell.sampler == "held-out") {
        out.what = "held-out";
        out.label = "real images, held out";
        out.order = {"~", 0};
        out.variant = settings.value("data", "");
        return out;
    }
    out.model = model_name(run, cell.model);
    const std::string schedule = run.schedule(cell.schedule).schedule.spec;
    const std::string budget =
        cell.budget > 0 ? "budget " + std::to_string(cell.budget) : "steps " + std::to_string(cell.steps);
    out.what = schedule + " | " + cell.sampler + " | " + budget;
    const std::string method = short_spec(schedule) + ", " + short_spec(cell.sampler);
    out.order = {method, cell.nfe};
    out.label = method + ", NFE " + std::to_string(cell.nfe) + " (N=" + std::to_string(cell.steps) + ")";
    for (const char* key : {"schedule", "sampler", "model", "stack"}) settings.erase(key);
    out.variant = settings.dump();
    return out;
}

std::string list_of(const std::vector<StoredCell>& cells) {
    std::string out;
    for (size_t i = 0; i < cells.size() && i < 8; ++i)
        out += (i ? "; " : "") + cells[i].id + " " + cells[i].label;
    return cells.size() > 8 ? out + "; and " + std::to_string(cells.size() - 8) + " more" : out;
}

std::string only_model(const std::vector<StoredCell>& cells) {
    std::set<std::string> models;
    for (const StoredCell& cell : cells)
        if (!cell.model.empty()) models.insert(cell.model);
    return models.size() == 1 ? *models.begin() : "";
}

/// All cells of a list that match `cell`.
std::vector<StoredCell> equal_cells(const std::vector<StoredCell>& cells, const StoredCell& cell,
                                    bool any_model, bool variant) {
    std::vector<StoredCell> out;
    std::copy_if(cells.begin(), cells.end(), std::back_inserter(out), [&](const StoredCell& other) {
        return other.what == cell.what && (any_model || other.model == cell.model) &&
               (!variant || other.variant == cell.variant);
    });
    return out;
}

/// One cell of `cells` for `cell`, which is one of `own`. Where several are the same thing with other seeds
/// or batches, those must agree as well; where even that leaves several, the id decides.
const StoredCell* partner(const StoredCell& cell, const std::vector<StoredCell>& own,
                          const std::vector<StoredCell>& cells, bool any_model, const std::string& path,
                          std::vector<StoredCell>& found) {
    found = equal_cells(cells, cell, any_model, false);
    if (found.empty()) return nullptr;
    if (found.size() == 1 && equal_cells(own, cell, any_model, false).size() == 1) return &found[0];
    found = equal_cells(cells, cell, any_model, true);
    if (found.empty()) return nullptr;
    if (found.size() == 1 && equal_cells(own, cell, any_model, true).size() == 1) return &found[0];
    for (const StoredCell& other : found)
        if (other.id == cell.id) return &other;
    throw Error("run",
                "holds the same cell more than once (made with other threads, libraries or CPU): " +
                    list_of(found.size() > 1 ? found : equal_cells(own, cell, any_model, true)),
                path, "name the cells: RUN.h5:CELL");
}

}  // namespace

std::string model_name(const RunFile& run, const std::string& id) {
    if (!run.has("models", id)) return id;
    const ModelRecord model = run.model(id);
    return object_of(model.details).value("suite_spec", model.spec);
}

ComparedRun open_compared(const std::string& text, const std::string& where) {
    const size_t colon = text.rfind(':');
    const bool whole = colon == std::string::npos || std::filesystem::exists(text);
    if (whole && !std::filesystem::exists(text))
        throw Error("file", "there is no such file", where + " " + text);
    ComparedRun out{RunFile::open(whole ? text : text.substr(0, colon)), ""};
    if (whole) return out;
    const std::string wanted = text.substr(colon + 1);
    std::vector<std::string> found;
    for (const std::string& id : out.run.ids("cells"))
        if (!wanted.empty() && id.starts_with(wanted)) found.push_back(id);
    if (found.size() != 1)
        throw Error("run",
                    found.empty()
                        ? "there is no cell \"" + wanted + "\""
                        : "\"" + wanted + "\" is the start of " + std::to_string(found.size()) + " cells",
                    where + " " + out.run.path(), "it has " + list_of(stored_cells(out)));
    out.cell = found[0];
    return out;
}

std::vector<StoredCell> stored_cells(const ComparedRun& run) {
    std::vector<StoredCell> out;
    for (const std::string& id : run.run.ids("cells"))
        if (run.cell.empty() || run.cell == id) out.push_back(describe(run.run, id));
    // A label says no more than is needed to tell cells apart.
    const bool several_models = only_model(out).empty();
    for (StoredCell& cell : out)
        if (several_models && !cell.model.empty()) cell.label += ", " + short_spec(cell.model);
    std::map<std::string, int> times;
    for (const StoredCell& cell : out) ++times[cell.label];
    for (StoredCell& cell : out)
        if (times[cell.label] > 1) cell.label += ", cell " + cell.id.substr(0, 6);
    std::stable_sort(out.begin(), out.end(),
                     [](const StoredCell& a, const StoredCell& b) { return a.order < b.order; });
    return out;
}

CellMatching match_cells(const ComparedRun& a, const ComparedRun& b) {
    if (a.cell.empty() != b.cell.empty())
        throw Error("option", "one side names a cell and the other a whole run",
                    a.run.path() + ", " + b.run.path(),
                    "give two runs, or two cells: RUN.h5:CELL RUN.h5:CELL");
    const std::vector<StoredCell> of_a = stored_cells(a), of_b = stored_cells(b);
    CellMatching out;
    if (!a.cell.empty()) {
        out.pairs.push_back({of_a[0], of_b[0]});
        return out;
    }
    const std::string model_a = only_model(of_a), model_b = only_model(of_b);
    const bool any_model = !model_a.empty() && !model_b.empty();
    if (any_model && model_a != model_b) out.notes.push_back("models differ: " + model_a + " and " + model_b);
    std::set<std::string> taken;
    for (const StoredCell& cell : of_a) {
        std::vector<StoredCell> found;
        const StoredCell* other = partner(cell, of_a, of_b, any_model, b.run.path(), found);
        if (!other) {
            out.only_a.push_back(cell);
            continue;
        }
        taken.insert(other->id);
        out.pairs.push_back({cell, *other});
    }
    for (const StoredCell& cell : of_b)
        if (!taken.contains(cell.id)) out.only_b.push_back(cell);
    return out;
}

}  // namespace schedbench
