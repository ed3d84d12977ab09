#include "store/schema.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/hash.h"
#include "core/spec.h"

namespace schedbench {
namespace {

constexpr const char* kHash = "content_hash";

SchemaItem text_attribute(const char* name, const char* help = "", bool required = true) {
    return {name, Hdf5Type::text, false, "", "", required, help};
}
SchemaItem integer_attribute(const char* name, const char* help = "", bool required = true) {
    return {name, Hdf5Type::int64, false, "", "", required, help};
}
SchemaItem real_attribute(const char* name, const char* help = "", bool required = true) {
    return {name, Hdf5Type::float64, false, "", "", required, help};
}
SchemaItem dataset(const char* name, Hdf5Type type, const char* units, const char* axes,
                   bool required = true) {
    return {name, type, true, units, axes, required, ""};
}

std::vector<SchemaType> make_types() {
    using enum Hdf5Type;
    std::vector<SchemaType> types;
    types.push_back({"collection", "records by id", {}, false, false});
    types.push_back({"suite",
                     "suite file and the settings it came to",
                     {dataset("text", text, "text", ""), dataset("settings", text, "JSON", "")}});
    types.push_back({"provenance", "where and with what a part of this run was computed", {}, true});
    types.push_back(
        {"schedule",
         "noise schedule: levels sigma from high to low",
         {text_attribute("spec"), text_attribute("coordinate"), text_attribute("end_rule"),
          text_attribute("time_rule"), text_attribute("hash"),
          text_attribute("map", "the level as a function of the coordinate", false),
          text_attribute("rounding", "what is rounded before the process rounds, and how", false),
          integer_attribute("requested_steps", "N asked for; 0 = as many as the spec lists", false),
          dataset("requested", float64, "sigma", "requested_knot"),
          dataset("effective", float64, "sigma", "knot"),
          dataset("index", int64, "table index", "knot", false),
          dataset("model_time", float64, "network time", "knot"),
          text_attribute("cost", "spec of the cost it was learned with", false),
          text_attribute("placement", "how knots were placed", false),
          dataset("grid", float64, "sigma", "grid", false),
          dataset("cost_curve", float64, "1", "grid", false), dataset("cost_se", float64, "1", "grid", false),
          dataset("training", text, "JSON", "", false)}});
    types.push_back(
        {"model",
         "network or exact target",
         {text_attribute("spec"), text_attribute("sha256", "of the weights"), text_attribute("process"),
          dataset("shape", int64, "1", "axis"), dataset("details", text, "JSON", "")}});
    types.push_back({"data",
                     "data set",
                     {text_attribute("spec"), text_attribute("sha256", "of shape, pixels and labels"),
                      integer_attribute("classes"), dataset("shape", int64, "1", "axis")}});
    types.push_back(
        {"extractor",
         "feature extractor",
         {text_attribute("spec"), text_attribute("sha256", "of the weights"),
          text_attribute("pipeline", "how images are brought to its input"), integer_attribute("dim"),
          text_attribute("precision", "of its arithmetic; float32 where it is not said", false),
          real_attribute("deviation", "from its features in float32, rms over rms on fixed images", false)}});
    types.push_back(
        {"reference",
         "mergeable sums of the features of a reference set",
         {text_attribute("data"), text_attribute("extractor"), integer_attribute("n"),
          dataset("shift", float64, "feature", "feature"), dataset("sum", float64, "feature", "feature"),
          dataset("outer", float64, "feature^2", "feature,feature"),
          dataset("features", float32, "feature", "sample,feature", false)}});
    types.push_back({"statistics", "denoising statistics", {}, true});
    types.push_back({"likelihood", "bits per dimension of paths", {}, true});
    types.push_back(
        {"cell",
         "samples of one schedule, sampler and model, and their metrics",
         {text_attribute("schedule"), text_attribute("sampler"), text_attribute("model"),
          text_attribute("data"), text_attribute("status"), integer_attribute("steps"),
          integer_attribute("nfe", "network evaluations a sample"),
          integer_attribute("budget", "asked for; 0 = steps were"),
          integer_attribute("seed", "64 bits, two's complement"),
          text_attribute("extractor", "of features", false), dataset("settings", text, "JSON", ""),
          dataset("sample_ids", int64, "1", "sample"), dataset("labels", int64, "class", "sample", false),
          dataset("images", uint8, "pixel value", "sample,channel,height,width", false),
          dataset("features", float32, "feature", "sample,feature", false),
          dataset("preview", uint8, "pixel value", "grid_height,grid_width,grid_channel", false)}});
    types.push_back({"metrics", "metrics of this cell by name", {}, false, false});
    types.push_back(
        {"timing",
         "one row a block of samples",
         {dataset("first_id", int64, "1", "block"), dataset("rows", int64, "1", "block"),
          dataset("rank", int64, "1", "block"), dataset("network_calls", int64, "1", "block"),
          dataset("seconds", float64, "s", "block"), dataset("network_seconds", float64, "s", "block")},
         false,
         false});
    types.push_back(
        {"metric",
         "one figure with its error",
         {text_attribute("name"), real_attribute("value"), real_attribute("se"), integer_attribute("n"),
          text_attribute("estimand"), text_attribute("method"), text_attribute("warning"),
          text_attribute("identity"), text_attribute("extractor", "", false),
          text_attribute("reference", "", false), dataset("influence", float64, "1", "sample", false),
          dataset("influence_ref", float64, "1", "reference_sample", false)}});
    return types;
}

template <class T>
std::string bytes_hash(const std::vector<T>& values) {
    return sha256({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

std::string dataset_hash(const Hdf5File& file, const std::string& dataset, Hdf5Type type) {
    switch (type) {
        case Hdf5Type::uint8:
            return bytes_hash(file.read<uint8_t>(dataset));
        case Hdf5Type::int64:
            return bytes_hash(file.read<int64_t>(dataset));
        case Hdf5Type::float32:
            return bytes_hash(file.read<float>(dataset));
        case Hdf5Type::float64:
            return bytes_hash(file.read<double>(dataset));
        case Hdf5Type::text: {
            std::string joined;
            for (const std::string& value : file.read_texts(dataset)) joined += value + '\0';
            return sha256(joined);
        }
        case Hdf5Type::other:
            break;
    }
    throw Error("store", "a data set of a type that runs do not have", file.where(dataset));
}

void list_attributes(const Hdf5File& file, const std::string& object, std::string& lines) {
    for (const std::string& name : file.attribute_names(object)) {
        if (name == kHash) continue;
        lines += "@" + name + "=";
        const Hdf5Type type = file.attribute_type(object, name);
        if (type == Hdf5Type::text) {
            lines += "text:" + file.text_attribute(object, name);
        } else if (type == Hdf5Type::int64 || type == Hdf5Type::uint8) {
            lines += "int64:" + std::to_string(file.integer_attribute(object, name));
        } else {
            lines += "float64:" + format_number(file.real_attribute(object, name));
        }
        lines += '\n';
    }
}

void list_content(const Hdf5File& file, const std::string& group, std::string& lines) {
    list_attributes(file, group, lines);
    for (const std::string& name : file.list(group)) {
        const std::string object = group + "/" + name;
        if (file.is_group(object)) {
            if (file.has_attribute(object, kHash)) continue;
            lines += name + "/\n";
            list_content(file, object, lines);
            continue;
        }
        const Hdf5Info info = file.info(object);
        lines += name + "|" + hdf5_type_name(info.type) + "|";
        for (size_t i = 0; i < info.shape.size(); ++i)
            lines += (i ? "," : "") + std::to_string(info.shape[i]);
        lines += "|" + dataset_hash(file, object, info.type) + "\n";
        list_attributes(file, object, lines);
    }
}

}  // namespace

std::string schema_version() {
    return std::to_string(kSchemaMajor) + "." + std::to_string(kSchemaMinor);
}

const SchemaItem* SchemaType::find(const std::string& name) const {
    const auto found =
        std::find_if(items.begin(), items.end(), [&](const SchemaItem& item) { return item.name == name; });
    return found == items.end() ? nullptr : &*found;
}

const std::vector<SchemaType>& schema_types() {
    static const std::vector<SchemaType> types = make_types();
    return types;
}

const SchemaType* find_schema_type(const std::string& encoding_type) {
    for (const SchemaType& type : schema_types()) {
        if (type.encoding_type == encoding_type) return &type;
    }
    return nullptr;
}

const SchemaType& schema_type(const std::string& encoding_type) {
    const SchemaType* type = find_schema_type(encoding_type);
    SCHEDBENCH_ASSERT(type != nullptr);
    return *type;
}

const std::vector<std::pair<std::string, std::string>>& schema_collections() {
    static const std::vector<std::pair<std::string, std::string>> collections = {{"suites", "suite"},
                                                                                 {"provenance", "provenance"},
                                                                                 {"schedules", "schedule"},
                                                                                 {"models", "model"},
                                                                                 {"data", "data"},
                                                                                 {"extractors", "extractor"},
                                                                                 {"reference", "reference"},
                                                                                 {"statistics", "statistics"},
                                                                                 {"likelihood", "likelihood"},
                                                                                 {"cells", "cell"}};
    return collections;
}

void create_record(Hdf5File& file, const std::string& group, const std::string& encoding_type) {
    const SchemaType& type = schema_type(encoding_type);
    file.create_group(group);
    file.set_attribute(group, "encoding_type", type.encoding_type);
    file.set_attribute(group, "encoding_version", schema_version());
    file.set_attribute(group, "description", type.description);
}

void describe_dataset(Hdf5File& file, const std::string& dataset, const std::string& units,
                      const std::string& axes) {
    file.set_attribute(dataset, "units", units);
    file.set_attribute(dataset, "axes", axes);
}

template <Hdf5Number T>
void write_item(Hdf5File& file, const std::string& group, const std::string& encoding_type,
                const std::string& name, const std::vector<int64_t>& shape, std::span<const T> values,
                int64_t chunk_rows) {
    const SchemaItem* item = schema_type(encoding_type).find(name);
    SCHEDBENCH_ASSERT(item != nullptr && item->dataset);
    const std::string dataset = group + "/" + name;
    if (chunk_rows > 0 && !values.empty()) {
        file.create_rows<T>(dataset, {shape.begin() + 1, shape.end()}, chunk_rows);
        file.write_rows<T>(dataset, 0, values);
    } else {
        file.write<T>(dataset, shape, values);
    }
    describe_dataset(file, dataset, item->units, item->axes);
}

#define SCHEDBENCH_ITEM_TYPE(T)                                                                        \
    template void write_item<T>(Hdf5File&, const std::string&, const std::string&, const std::string&, \
                                const std::vector<int64_t>&, std::span<const T>, int64_t);
SCHEDBENCH_ITEM_TYPE(uint8_t)
SCHEDBENCH_ITEM_TYPE(int64_t)
SCHEDBENCH_ITEM_TYPE(float)
SCHEDBENCH_ITEM_TYPE(double)
#undef SCHEDBENCH_ITEM_TYPE

void write_text_item(Hdf5File& file, const std::string& group, const std::string& encoding_type,
                     const std::string& name, const std::string& value) {
    const SchemaItem* item = schema_type(encoding_type).find(name);
    SCHEDBENCH_ASSERT(item != nullptr && item->dataset && item->type == Hdf5Type::text);
    file.write_text(group + "/" + name, value);
    describe_dataset(file, group + "/" + name, item->units, item->axes);
}

void create_root(Hdf5File& file, const RunHeader& header) {
    file.set_attribute("/", "encoding_type", "run");
    file.set_attribute("/", "encoding_version", schema_version());
    file.set_attribute("/", "description", "noise schedules of diffusion models, compared");
    file.set_attribute("/", "schema", kSchemaName);
    file.set_attribute("/", "schema_version", schema_version());
    file.set_attribute("/", "software", header.software);
    file.set_attribute("/", "commit", header.commit);
    file.set_attribute("/", "created", header.created);
    file.set_attribute("/", "status", header.status);
    for (const auto& [collection, member] : schema_collections())
        create_record(file, "/" + collection, "collection");
}

void check_root(const Hdf5File& file) {
    if (!file.has_attribute("/", "schema") || file.text_attribute("/", "schema") != kSchemaName) {
        throw Error("store", "it is an HDF5 file, but not a run of schedbench", file.path(),
                    "give a run file that `schedbench sweep` made");
    }
    const std::string version = file.text_attribute("/", "schema_version");
    const size_t dot = version.find('.');
    const auto major = parse_number(version.substr(0, dot));
    const auto minor = dot == std::string::npos ? std::nullopt : parse_number(version.substr(dot + 1));
    if (!major || !minor) {
        throw Error("store", "schema_version is '" + version + "', expected two numbers like 1.0",
                    file.where("/"));
    }
    if (*major != kSchemaMajor || *minor > kSchemaMinor) {
        throw Error("store",
                    "it has schema version " + version + ", this program reads up to " + schema_version(),
                    file.path(), "use a newer schedbench");
    }
}

std::string content_hash(const Hdf5File& file, const std::string& group) {
    std::string lines;
    list_content(file, group, lines);
    return sha256(lines);
}

bool same_record(const Hdf5File& file, const std::string& group, const Hdf5File& other,
                 const std::string& other_group) {
    if (file.text_attribute(group, kHash) == other.text_attribute(other_group, kHash)) return true;
    const auto version = [](const Hdf5File& f, const std::string& g) {
        const std::string text = f.text_attribute(g, "encoding_version");
        return parse_number(text.substr(text.find('.') + 1))
            .value_or(0);  // the major version is this program's
    };
    const auto lines = [](const Hdf5File& f, const std::string& g) {
        std::string text;
        list_content(f, g, text);
        std::set<std::string> out;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);)
            if (!line.starts_with("@encoding_version=") && !line.starts_with("@description="))
                out.insert(line);
        return out;
    };
    const double mine = version(file, group), others = version(other, other_group);
    if (mine == others) return false;
    const std::set<std::string> first = lines(file, group), second = lines(other, other_group);
    const auto& older = mine < others ? first : second;
    const auto& newer = mine < others ? second : first;
    return std::includes(newer.begin(), newer.end(), older.begin(), older.end());
}

void seal_record(Hdf5File& file, const std::string& group) {
    file.set_attribute(group, kHash, content_hash(file, group));
}

void check_id(const std::string& id, const std::string& what) {
    const bool control =
        std::any_of(id.begin(), id.end(), [](char c) { return static_cast<unsigned char>(c) < 32; });
    if (id.empty() || id == "." || id == ".." || control || id.find('/') != std::string::npos) {
        throw Error("store", "'" + id + "' cannot name a " + what, what,
                    "use a name without '/' and control characters");
    }
}

}  // namespace schedbench
