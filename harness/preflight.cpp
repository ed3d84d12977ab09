#include "harness/preflight.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "data/dataset.h"
#include "eval/extractor.h"
#include "harness/learning.h"
#include "harness/plan.h"
#include "harness/registry.h"

namespace schedbench {

namespace {

/// `look` says what it found, or throws what is wrong.
PreflightItem item(const std::string& what, const std::string& name, const std::string& advice,
                   const std::function<std::string()>& look) {
    PreflightItem out{what, name, true, "", ""};
    try {
        out.message = look();
    } catch (const Error& e) {
        out.ok = false;
        out.message = (e.where().empty() ? "" : e.where() + ": ") + e.message();
        out.hint = advice.empty() ? e.hint() : advice;
    }
    return out;
}

std::string megabytes(double bytes) {
    return std::to_string(static_cast<int64_t>(bytes * 1e-6) + 1) + " MB";
}

/// What to fetch for a spec with file=FILE where there is no FILE.
std::string weights_advice(const Spec& spec) {
    const SpecValue* value = spec.find("file");
    if (!value || value->kind != SpecValue::Kind::text) return "";
    const std::filesystem::path path = value->text;
    std::error_code code;
    if (std::filesystem::exists(path, code)) return "";
    return "scripts/get_weights.sh " + path.stem().string() +
           " fetches it, if it is published (--list shows the names)";
}

std::string images_of(const Spec& spec, const std::string& where) {
    const Dataset data = load_dataset(spec, where, 1);
    return std::to_string(data.channels) + "x" + std::to_string(data.height) + "x" +
           std::to_string(data.width);
}

}  // namespace

std::vector<PreflightItem> preflight(const Suite& suite, const RuntimeSettings& runtime,
                                     const std::string& output) {
    std::vector<PreflightItem> out;
    const auto where = [&](const char* key) { return suite.path + ", key " + key; };
    for (const Spec& spec : suite.models)
        out.push_back(item("model", spec.print(), weights_advice(spec), [&] {
            std::string shape;
            for (const int64_t extent : make_model(spec, where("model"))->shape())
                shape += (shape.empty() ? "" : "x") + std::to_string(extent);
            return shape;
        }));
    const bool cells = !suite.schedules.empty() && !suite.samplers.empty();
    const auto add_data = [&](const char* key, const Spec& spec) {
        if (spec.name == "none" || spec.name.empty()) return;
        const std::string advice = spec.name == "cifar10" ? "scripts/get_data.sh cifar10 fetches it" : "";
        out.push_back(item(key, spec.print(), advice, [&] { return images_of(spec, where(key)); }));
    };
    if (cells) add_data("reference", suite.reference);
    if (cells) add_data("heldout", suite.heldout);
    if (suite.data.print() != suite.reference.print() || !cells) add_data("data", suite.data);
    if (cells && suite.extractor.name != "none")
        out.push_back(item("extractor", suite.extractor.print(), weights_advice(suite.extractor),
                           [&] { return make_extractor(suite.extractor, where("extractor"))->id(); }));
    for (const std::string& path : suite.statistics)
        out.push_back(item("statistics", path, "schedbench statistics makes it", [&] {
            if (!std::filesystem::is_regular_file(path)) throw Error("file", "is not there", path);
            return std::string("there");
        }));
    if (std::any_of(out.begin(), out.end(),
                    [](const PreflightItem& i) { return i.what == "model" && !i.ok; }))
        return out;  // without the models there is no plan

    int64_t bytes = 0;
    out.push_back(item("cells", suite.name, "", [&] {
        const Plan plan = make_plan(suite, runtime);
        check_learning_data(plan, suite);
        bytes = plan.disk_bytes;
        return std::to_string(plan.cells.size()) + " of " + std::to_string(suite.images) + " images";
    }));
    std::filesystem::path folder = std::filesystem::absolute(output).parent_path();
    while (!folder.empty() && !std::filesystem::exists(folder)) folder = folder.parent_path();
    out.push_back(item("disk", folder.string(), "", [&] {
        std::error_code code;
        const auto space = std::filesystem::space(folder, code);
        if (code)
            throw Error("file", "cannot be asked for its space (" + code.message() + ")", folder.string());
        // The parts of the ranks and the copy that replaces a run stand beside it for a while.
        const double needed = 3 * static_cast<double>(bytes), there = static_cast<double>(space.available);
        const std::string text = megabytes(needed) + " needed at the most, " + megabytes(there) + " free";
        if (there < needed) throw Error("file", text, folder.string(), "choose another --output");
        return text;
    }));
    return out;
}

}  // namespace schedbench
