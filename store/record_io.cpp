#include "store/record_io.h"

#include <algorithm>

#include "core/error.h"
#include "store/schema.h"

namespace schedbench {
namespace {

/// The last part of a group's path: the id of the record.
std::string id_of(const std::string& group) {
    return group.substr(group.rfind('/') + 1);
}

int64_t length(const auto& values) {
    return static_cast<int64_t>(values.size());
}

/// One group of a known kind being written.
class Writer {
  public:
    Writer(Hdf5File& file, const std::string& group, const char* type)
        : file_(file), group_(group), type_(type) {
        create_record(file, group, type);
    }
    template <class T>
    Writer& attribute(const char* name, const T& value) {
        SCHEDBENCH_ASSERT(schema_type(type_).find(name) != nullptr);
        file_.set_attribute(group_, name, value);
        return *this;
    }
    template <class T>
    Writer& array(const char* name, const std::vector<T>& values) {
        return array(name, values, {length(values)});
    }
    template <class T>
    Writer& array(const char* name, const std::vector<T>& values, const std::vector<int64_t>& shape,
                  int64_t chunk = 0) {
        write_item<T>(file_, group_, type_, name, shape, values, chunk);
        return *this;
    }
    /// Left out where there is nothing to write.
    template <class T>
    Writer& optional_array(const char* name, const std::vector<T>& values, std::vector<int64_t> shape = {},
                           int64_t chunk = 0) {
        if (values.empty()) return *this;
        return array(name, values, shape.empty() ? std::vector<int64_t>{length(values)} : shape, chunk);
    }
    Writer& text(const char* name, const std::string& value) {
        write_text_item(file_, group_, type_, name, value);
        return *this;
    }
    void seal() { seal_record(file_, group_); }

  private:
    Hdf5File& file_;
    std::string group_;
    const char* type_;
};

/// One group of a known kind being read; the kind is checked.
class Reader {
  public:
    Reader(const Hdf5File& file, const std::string& group, const std::string& type)
        : file_(file), group_(group) {
        const std::string found = file.text_attribute(group, "encoding_type");
        if (found != type) {
            throw Error("store", "it is a '" + found + "', expected a '" + type + "'", file.where(group));
        }
    }
    std::string text(const char* name) const { return file_.text_attribute(group_, name); }
    std::string optional_text(const char* name) const {
        return file_.has_attribute(group_, name) ? text(name) : std::string();
    }
    int64_t integer(const char* name) const { return file_.integer_attribute(group_, name); }
    int64_t optional_integer(const char* name, int64_t otherwise) const {
        return file_.has_attribute(group_, name) ? integer(name) : otherwise;
    }
    double real(const char* name) const { return file_.real_attribute(group_, name); }
    bool has(const char* name) const { return file_.exists(path(name)); }
    template <class T>
    std::vector<T> array(const char* name) const {
        return file_.read<T>(path(name));
    }
    template <class T>
    std::vector<T> optional_array(const char* name) const {
        return has(name) ? array<T>(name) : std::vector<T>();
    }
    std::string long_text(const char* name) const { return file_.read_text(path(name)); }
    std::vector<int64_t> shape(const char* name, size_t rank) const {
        const std::vector<int64_t> shape = file_.info(path(name)).shape;
        if (shape.size() != rank) {
            throw Error("store",
                        "it has " + std::to_string(shape.size()) + " axes, expected " + std::to_string(rank),
                        file_.where(path(name)));
        }
        return shape;
    }
    std::string path(const std::string& name) const { return group_ + "/" + name; }

  private:
    const Hdf5File& file_;
    std::string group_;
};

void write_array(Hdf5File& file, const std::string& dataset, const NamedArray& array) {
    if (array.single)
        file.write<float>(dataset, array.shape, std::vector<float>(array.values.begin(), array.values.end()));
    else
        file.write<double>(dataset, array.shape, array.values);
    describe_dataset(file, dataset, array.units, array.axes);
}

NamedArray read_array(const Hdf5File& file, const std::string& dataset) {
    return {file.info(dataset).shape, file.read<double>(dataset), file.text_attribute(dataset, "units"),
            file.text_attribute(dataset, "axes")};
}

bool is_mark(const std::string& name) {
    return name == "encoding_type" || name == "encoding_version" || name == "description" ||
           name == "content_hash";
}

/// Attributes of open records, whose names the caller chooses.
template <class Record>
void write_attributes(Hdf5File& file, const std::string& group, const Record& record) {
    const auto write_all = [&](const auto& values) {
        for (const auto& [name, value] : values) {
            SCHEDBENCH_ASSERT(!is_mark(name));
            file.set_attribute(group, name, value);
        }
    };
    write_all(record.texts);
    write_all(record.integers);
    write_all(record.reals);
}

template <class Record>
void read_attributes(const Hdf5File& file, const std::string& group, Record& record) {
    for (const std::string& name : file.attribute_names(group)) {
        if (is_mark(name)) continue;
        switch (file.attribute_type(group, name)) {
            case Hdf5Type::text:
                record.texts[name] = file.text_attribute(group, name);
                break;
            case Hdf5Type::float32:
            case Hdf5Type::float64:
                record.reals[name] = file.real_attribute(group, name);
                break;
            default:
                record.integers[name] = file.integer_attribute(group, name);
        }
    }
}

}  // namespace

void write_record(Hdf5File& file, const std::string& group, const SuiteRecord& record) {
    Writer(file, group, "suite").text("text", record.text).text("settings", record.settings).seal();
}

void read_record(const Hdf5File& file, const std::string& group, SuiteRecord& record) {
    const Reader in(file, group, "suite");
    record = {id_of(group), in.long_text("text"), in.long_text("settings")};
}

void write_record(Hdf5File& file, const std::string& group, const ProvenanceRecord& record) {
    Writer out(file, group, "provenance");
    for (const auto& [name, value] : record.values) {
        SCHEDBENCH_ASSERT(!is_mark(name));
        file.set_attribute(group, name, value);
    }
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, ProvenanceRecord& record) {
    Reader(file, group, "provenance");
    record.values.clear();
    for (const std::string& name : file.attribute_names(group)) {
        if (!is_mark(name)) record.values[name] = file.text_attribute(group, name);
    }
}

void write_record(Hdf5File& file, const std::string& group, const ScheduleRecord& record) {
    const Schedule& schedule = record.schedule;
    Writer out(file, group, "schedule");
    out.attribute("spec", schedule.spec)
        .attribute("coordinate", schedule.coordinate)
        .attribute("end_rule", schedule.end_rule)
        .attribute("time_rule", schedule.time_rule)
        .attribute("hash", schedule.hash())
        .attribute("map", schedule.map)
        .attribute("rounding", schedule.rounding)
        .attribute("requested_steps", static_cast<int64_t>(schedule.requested_steps))
        .array("requested", schedule.requested)
        .array("effective", schedule.effective)
        .optional_array("index", schedule.index)
        .array("model_time", schedule.model_time);
    if (record.learned) {
        out.attribute("cost", record.learned->cost)
            .attribute("placement", record.learned->placement)
            .optional_array("grid", record.learned->grid)
            .optional_array("cost_curve", record.learned->cost_curve)
            .optional_array("cost_se", record.learned->cost_se)
            .text("training", record.learned->training);
    }
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, ScheduleRecord& record) {
    const Reader in(file, group, "schedule");
    Schedule& schedule = record.schedule;
    schedule.spec = in.text("spec");
    schedule.coordinate = in.text("coordinate");
    schedule.end_rule = in.text("end_rule");
    schedule.time_rule = in.text("time_rule");
    schedule.map = in.optional_text("map");
    schedule.rounding = in.optional_text("rounding");
    schedule.requested_steps = static_cast<int>(in.optional_integer("requested_steps", schedule.requested_steps));
    schedule.requested = in.array<double>("requested");
    schedule.effective = in.array<double>("effective");
    schedule.index = in.optional_array<int64_t>("index");
    schedule.model_time = in.array<double>("model_time");
    record.learned.reset();
    if (in.has("training")) {
        record.learned = LearnedRecord{in.text("cost"),
                                       in.text("placement"),
                                       in.optional_array<double>("grid"),
                                       in.optional_array<double>("cost_curve"),
                                       in.optional_array<double>("cost_se"),
                                       in.long_text("training")};
    }
}

void write_record(Hdf5File& file, const std::string& group, const ModelRecord& record) {
    Writer(file, group, "model")
        .attribute("spec", record.spec)
        .attribute("sha256", record.sha256)
        .attribute("process", record.process)
        .array("shape", record.shape)
        .text("details", record.details)
        .seal();
}

void read_record(const Hdf5File& file, const std::string& group, ModelRecord& record) {
    const Reader in(file, group, "model");
    record = {id_of(group),
              in.text("spec"),
              in.text("sha256"),
              in.text("process"),
              in.array<int64_t>("shape"),
              in.long_text("details")};
}

void write_record(Hdf5File& file, const std::string& group, const DataRecord& record) {
    Writer(file, group, "data")
        .attribute("spec", record.spec)
        .attribute("sha256", record.sha256)
        .attribute("classes", record.classes)
        .array("shape", record.shape)
        .seal();
}

void read_record(const Hdf5File& file, const std::string& group, DataRecord& record) {
    const Reader in(file, group, "data");
    record = {id_of(group), in.text("spec"), in.text("sha256"), in.array<int64_t>("shape"),
              in.integer("classes")};
}

void write_record(Hdf5File& file, const std::string& group, const ExtractorRecord& record) {
    Writer out(file, group, "extractor");
    out.attribute("spec", record.spec)
        .attribute("sha256", record.sha256)
        .attribute("pipeline", record.pipeline)
        .attribute("dim", record.dim);
    if (record.precision != "float32")
        out.attribute("precision", record.precision).attribute("deviation", record.deviation);
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, ExtractorRecord& record) {
    const Reader in(file, group, "extractor");
    record = {id_of(group), in.text("spec"), in.text("sha256"), in.text("pipeline"), in.integer("dim")};
    if (const std::string precision = in.optional_text("precision"); !precision.empty())
        record.precision = precision, record.deviation = in.real("deviation");
}

void write_record(Hdf5File& file, const std::string& group, const ReferenceRecord& record) {
    SCHEDBENCH_ASSERT(record.shift.size() == record.sum.size());
    Writer(file, group, "reference")
        .attribute("data", record.data)
        .attribute("extractor", record.extractor)
        .attribute("n", record.n)
        .array("shift", record.shift)
        .array("sum", record.sum)
        .array("outer", record.outer, {record.dim(), record.dim()})
        .optional_array("features", record.features, {record.n, record.dim()})
        .seal();
}

void read_record(const Hdf5File& file, const std::string& group, ReferenceRecord& record) {
    const Reader in(file, group, "reference");
    record = {id_of(group),
              in.text("data"),
              in.text("extractor"),
              in.integer("n"),
              in.array<double>("shift"),
              in.array<double>("sum"),
              in.array<double>("outer"),
              in.optional_array<float>("features")};
    const size_t d = record.sum.size();
    if (record.shift.size() != d || record.outer.size() != d * d) {
        throw Error("store", "shift, sum and outer do not have one size", file.where(group));
    }
}

void write_record(Hdf5File& file, const std::string& group, const StatisticsRecord& record) {
    Writer out(file, group, "statistics");
    write_attributes(file, group, record);
    for (const auto& [name, array] : record.arrays) write_array(file, group + "/" + name, array);
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, StatisticsRecord& record) {
    const Reader in(file, group, "statistics");
    record = {};
    record.id = id_of(group);
    read_attributes(file, group, record);
    for (const std::string& name : file.list(group)) record.arrays[name] = read_array(file, in.path(name));
}

// Columns are told from other arrays by their axis, which is named "row".
void write_record(Hdf5File& file, const std::string& group, const LikelihoodRecord& record) {
    Writer out(file, group, "likelihood");
    write_attributes(file, group, record);
    for (const auto& [name, column] : record.columns) {
        write_array(file, group + "/" + name, {{length(column)}, column, "1", "row"});
    }
    for (const auto& [name, column] : record.text_columns) {
        file.write_texts(group + "/" + name, column);
        describe_dataset(file, group + "/" + name, "text", "row");
    }
    for (const auto& [name, array] : record.arrays) {
        SCHEDBENCH_ASSERT(array.axes != "row");
        write_array(file, group + "/" + name, array);
    }
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, LikelihoodRecord& record) {
    const Reader in(file, group, "likelihood");
    record = {};
    record.id = id_of(group);
    read_attributes(file, group, record);
    for (const std::string& name : file.list(group)) {
        const std::string dataset = in.path(name);
        if (file.info(dataset).type == Hdf5Type::text) {
            record.text_columns[name] = file.read_texts(dataset);
        } else if (file.text_attribute(dataset, "axes") == "row") {
            record.columns[name] = file.read<double>(dataset);
        } else {
            record.arrays[name] = read_array(file, dataset);
        }
    }
}

void write_record(Hdf5File& file, const std::string& group, const MetricRecord& record) {
    const Estimate& estimate = record.estimate;
    Writer(file, group, "metric")
        .attribute("name", estimate.name)
        .attribute("value", estimate.value)
        .attribute("se", estimate.se)
        .attribute("n", estimate.n)
        .attribute("estimand", estimate.estimand)
        .attribute("method", estimate.method)
        .attribute("warning", estimate.warning)
        .attribute("identity", record.identity)
        .attribute("extractor", record.extractor)
        .attribute("reference", record.reference)
        .optional_array("influence", record.influence)
        .optional_array("influence_ref", record.influence_ref)
        .seal();
}

void read_record(const Hdf5File& file, const std::string& group, MetricRecord& record, bool influence) {
    const Reader in(file, group, "metric");
    record.estimate = {in.text("name"),     in.real("value"),  in.real("se"),     in.integer("n"),
                       in.text("estimand"), in.text("method"), in.text("warning")};
    record.identity = in.text("identity");
    record.extractor = in.optional_text("extractor");
    record.reference = in.optional_text("reference");
    record.influence.clear();
    record.influence_ref.clear();
    if (!influence) return;
    record.influence = in.optional_array<double>("influence");
    record.influence_ref = in.optional_array<double>("influence_ref");
}

void write_record(Hdf5File& file, const std::string& group, const CellRecord& record) {
    const int64_t n = record.count();
    SCHEDBENCH_ASSERT(record.image_shape.size() == 3 || record.images.empty());
    SCHEDBENCH_ASSERT(record.labels.empty() || length(record.labels) == n);
    SCHEDBENCH_ASSERT(length(record.features) == n * record.feature_dim || record.features.empty());
    const int64_t chunk = std::clamp<int64_t>(n, 1, 256);  // rows
    std::vector<int64_t> image_shape = record.image_shape;
    image_shape.insert(image_shape.begin(), n);
    Writer out(file, group, "cell");
    out.attribute("schedule", record.schedule)
        .attribute("sampler", record.sampler)
        .attribute("model", record.model)
        .attribute("data", record.data)
        .attribute("status", record.status)
        .attribute("steps", record.steps)
        .attribute("nfe", record.nfe)
        .attribute("budget", record.budget)
        .attribute("seed", static_cast<int64_t>(record.seed))
        .attribute("extractor", record.extractor)
        .text("settings", record.settings)
        .array("sample_ids", record.sample_ids, {n}, chunk)
        .optional_array("labels", record.labels, {n}, chunk)
        .optional_array("images", record.images, image_shape, chunk)
        .optional_array("features", record.features, {n, record.feature_dim}, chunk)
        .optional_array("preview", record.preview, record.preview_shape);
    const TimingRecord& timing = record.timing;
    Writer(file, group + "/timing", "timing")
        .array("first_id", timing.first_id)
        .array("rows", timing.rows)
        .array("rank", timing.rank)
        .array("network_calls", timing.network_calls)
        .array("seconds", timing.seconds)
        .array("network_seconds", timing.network_seconds);
    create_record(file, group + "/metrics", "metrics");
    for (const auto& [name, metric] : record.metrics) {
        check_id(name, "metric");
        write_record(file, group + "/metrics/" + name, metric);
    }
    out.seal();
}

void read_record(const Hdf5File& file, const std::string& group, CellRecord& record, CellParts parts) {
    const Reader in(file, group, "cell");
    record = {};
    record.id = id_of(group);
    record.schedule = in.text("schedule");
    record.sampler = in.text("sampler");
    record.model = in.text("model");
    record.data = in.text("data");
    record.status = in.text("status");
    record.steps = in.integer("steps");
    record.nfe = in.integer("nfe");
    record.budget = in.integer("budget");
    record.seed = static_cast<uint64_t>(in.integer("seed"));
    record.extractor = in.optional_text("extractor");
    record.settings = in.long_text("settings");
    record.sample_ids = in.array<int64_t>("sample_ids");
    record.labels = in.optional_array<int64_t>("labels");
    if (in.has("images")) {
        const std::vector<int64_t> shape = in.shape("images", 4);
        record.image_shape.assign(shape.begin() + 1, shape.end());
        if (parts == CellParts::all) record.images = in.array<uint8_t>("images");
    }
    if (in.has("features")) {
        record.feature_dim = in.shape("features", 2)[1];
        if (parts >= CellParts::features) record.features = in.array<float>("features");
    }
    if (in.has("preview")) {
        record.preview_shape = in.shape("preview", 3);
        record.preview = in.array<uint8_t>("preview");
    }
    const Reader timing(file, in.path("timing"), "timing");
    record.timing = {timing.array<int64_t>("first_id"), timing.array<int64_t>("rows"),
                     timing.array<int64_t>("rank"),     timing.array<int64_t>("network_calls"),
                     timing.array<double>("seconds"),   timing.array<double>("network_seconds")};
    for (const std::string& name : file.list(in.path("metrics"))) {
        read_record(file, in.path("metrics/" + name), record.metrics[name], parts >= CellParts::metrics);
    }
}

}  // namespace schedbench
