#include "store/validate.h"

#include <cmath>
#include <map>
#include <sstream>

#include "core/error.h"
#include "store/run_file.h"
#include "store/schema.h"

namespace schedbench {
namespace {

std::vector<std::string> split_axes(const std::string& axes) {
    std::vector<std::string> names;
    std::istringstream in(axes);
    for (std::string name; std::getline(in, name, ',');) names.push_back(name);
    return names;
}

class Validator {
  public:
    explicit Validator(const RunFile& run) : run_(run), file_(run.file()) {}

    std::vector<Finding> check() {
        for (const char* name : {"software", "commit", "created", "status"}) need_text("/", name);
        check_marks("/");
        for (const auto& [collection, member] : schema_collections()) {
            const std::string path = "/" + collection;
            guarded(path, [&, type = member] {
                if (!file_.is_group(path)) return note(path, "this group is missing");
                check_group(path, "collection");
                for (const std::string& id : file_.list(path)) {
                    const std::string record = path + "/" + id;
                    guarded(record, [&] { check_group(record, type); });
                }
            });
        }
        guarded("/cells", [&] {
            for (const std::string& id : run_.ids("cells")) {
                guarded("/cells/" + id, [&] { check_cell(id); });
            }
        });
        return findings_;
    }

  private:
    void note(const std::string& object, const std::string& message) {
        findings_.push_back({file_.where(object), message});
    }

    /// A fault of the file in one record must not hide those of the others.
    template <class Work>
    void guarded(const std::string& object, Work&& work) {
        try {
            work();
        } catch (const Error& e) {
            findings_.push_back({e.where().empty() ? file_.where(object) : e.where(), e.message()});
        }
    }

    bool need_text(const std::string& object, const std::string& name) {
        if (file_.has_attribute(object, name) && file_.attribute_type(object, name) == Hdf5Type::text)
            return true;
        note(object, "attribute " + name + " (text) is missing");
        return false;
    }

    void check_marks(const std::string& group) {
        for (const char* name : {"encoding_type", "encoding_version", "description"}) need_text(group, name);
    }

    void check_group(const std::string& group, const std::string& expected) {
        if (!file_.is_group(group)) return note(group, "it is not a group");
        check_marks(group);
        if (!file_.has_attribute(group, "encoding_type")) return;
        const std::string name = file_.text_attribute(group, "encoding_type");
        if (name != expected)
            return note(group, "encoding_type is '" + name + "', expected '" + expected + "'");
        const SchemaType& type = schema_type(name);
        const size_t before = findings_.size();
        check_items(group, type);
        if (!type.sealed || findings_.size() != before) return;
        if (!need_text(group, "content_hash")) return;
        if (file_.text_attribute(group, "content_hash") != content_hash(file_, group)) {
            note(group, "its content does not have the hash it was sealed with: it was changed or damaged");
        }
    }

    void check_items(const std::string& group, const SchemaType& type) {
        for (const SchemaItem& item : type.items) {
            if (item.dataset) {
                if (item.required && !file_.is_dataset(group + "/" + item.name)) {
                    note(group + "/" + item.name, "this data set is missing");
                }
                continue;
            }
            if (!file_.has_attribute(group, item.name)) {
                if (item.required) note(group, "attribute " + item.name + " is missing");
            } else if (const Hdf5Type found = file_.attribute_type(group, item.name); found != item.type) {
                note(group, "attribute " + item.name + " is " + hdf5_type_name(found) + ", expected " +
                                hdf5_type_name(item.type));
            }
        }
        std::map<std::string, int64_t> extents;
        for (const std::string& name : file_.list(group)) {
            const std::string object = group + "/" + name;
            if (file_.is_dataset(object)) {
                guarded(object, [&] { check_dataset(object, type.find(name), type.open, extents); });
            } else if (type.encoding_type == "cell" && (name == "metrics" || name == "timing")) {
                guarded(object, [&] { check_group(object, name); });
            } else if (type.encoding_type == "metrics") {
                guarded(object, [&] { check_group(object, "metric"); });
            } else if (type.encoding_type != "collection") {
                note(object, "the schema has no such group here");
            }
        }
    }

    void check_dataset(const std::string& object, const SchemaItem* item, bool open,
                       std::map<std::string, int64_t>& extents) {
        if (item == nullptr && !open) return note(object, "the schema has no such data set here");
        if (!need_text(object, "units") || !need_text(object, "axes")) return;
        const Hdf5Info info = file_.info(object);
        if (item != nullptr && info.type != item->type) {
            return note(object, std::string("it holds ") + hdf5_type_name(info.type) + ", expected " +
                                    hdf5_type_name(item->type));
        }
        const std::string axes = file_.text_attribute(object, "axes");
        if (item != nullptr && axes != item->axes) {
            return note(object, "its axes are '" + axes + "', expected '" + item->axes + "'");
        }
        const std::vector<std::string> names = split_axes(axes);
        if (names.size() != info.shape.size()) {
            return note(object, "it has " + std::to_string(info.shape.size()) + " axes, '" + axes +
                                    "' names " + std::to_string(names.size()));
        }
        for (size_t i = 0; i < names.size(); ++i) {
            const auto [known, added] = extents.emplace(names[i], info.shape[i]);
            if (!added && known->second != info.shape[i]) {
                note(object, "axis " + names[i] + " has " + std::to_string(info.shape[i]) +
                                 " entries, elsewhere in "
                                 "this group " +
                                 std::to_string(known->second));
            }
        }
    }

    void check_cell(const std::string& id) {
        const std::string path = "/cells/" + id;
        const CellRecord cell = run_.cell(id, CellParts::metrics);
        for (int64_t i = 0; i < cell.count(); ++i) {
            if (cell.sample_ids[static_cast<size_t>(i)] == i) continue;
            note(path + "/sample_ids", "entry " + std::to_string(i) + " is sample " +
                                           std::to_string(cell.sample_ids[static_cast<size_t>(i)]) +
                                           ", expected 0, 1, 2, ...");
            break;
        }
        refers(path, "schedules", cell.schedule);
        refers(path, "models", cell.model);
        refers(path, "data", cell.data);
        refers(path, "extractors", cell.extractor);
        for (const auto& [name, metric] : cell.metrics) {
            const std::string place = path + "/metrics/" + name;
            if (!std::isfinite(metric.estimate.value)) note(place, "its value is not a finite number");
            if (std::isfinite(metric.estimate.se) && metric.estimate.se < 0)
                note(place, "its standard error is negative");
            const auto influences = static_cast<int64_t>(metric.influence.size());
            if (influences > 0 && influences != metric.estimate.n) {
                note(place + "/influence", "it has " + std::to_string(influences) + " values, n is " +
                                               std::to_string(metric.estimate.n));
            }
            refers(place, "extractors", metric.extractor);
            refers(place, "reference", metric.reference);
        }
    }

    void refers(const std::string& object, const std::string& collection, const std::string& id) {
        if (!id.empty() && !run_.has(collection, id)) {
            note(object, "it refers to /" + collection + "/" + id + ", which is not there");
        }
    }

    const RunFile& run_;
    const Hdf5File& file_;
    std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> validate_run(const std::string& path) {
    const RunFile run = RunFile::open(path);
    return Validator(run).check();
}

}  // namespace schedbench
