#include "store/run_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "store/record_io.h"

namespace schedbench {
namespace {

std::string part_path(const std::string& run_path) {
    return run_path + ".part";
}

/// The writable copy an edit works on.
Hdf5File open_copy(const RunLock& lock, const RunHeader& header) {
    const std::string& target = lock.run_path();
    const std::string part = part_path(target);
    std::error_code failure;
    if (!std::filesystem::exists(target)) {
        Hdf5File file = Hdf5File::create(part, true);
        create_root(file, header);
        return file;
    }
    check_root(Hdf5File::open(target));
    std::filesystem::copy_file(target, part, std::filesystem::copy_options::overwrite_existing, failure);
    if (failure) {
        throw Error("store", "cannot copy the run to change it: " + failure.message(), part,
                    "folding needs as much free space as the run file has");
    }
    Hdf5File file = Hdf5File::open_for_writing(part);
    file.set_attribute("/", "schema_version", schema_version());  // an older minor version is one from now on
    return file;
}

template <class T>
bool starts_with(const std::vector<T>& all, const std::vector<T>& first) {
    if (first.empty()) return true;  // bytes are compared, so that NaN equals itself
    return first.size() <= all.size() && std::memcmp(first.data(), all.data(), first.size() * sizeof(T)) == 0;
}

}  // namespace

RunFile RunFile::open(const std::string& path) {
    RunFile run(Hdf5File::open(path));
    check_root(run.file_);
    return run;
}

RunHeader RunFile::header() const {
    return {file_.text_attribute("/", "software"), file_.text_attribute("/", "commit"),
            file_.text_attribute("/", "created"), file_.text_attribute("/", "status")};
}

std::vector<std::string> RunFile::ids(const std::string& collection) const {
    if (!file_.exists("/" + collection)) return {};
    std::vector<std::string> names = file_.list("/" + collection);
    if (collection == "provenance") {  // numbers, so 10 comes after 9
        std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
            return a.size() != b.size() ? a.size() < b.size() : a < b;
        });
    }
    return names;
}

bool RunFile::has(const std::string& collection, const std::string& id) const {
    return !id.empty() && id.find('/') == std::string::npos && file_.exists("/" + collection + "/" + id);
}

std::string RunFile::group(const std::string& collection, const std::string& id) const {
    const std::string path = "/" + collection + "/" + id;
    check_id(id, collection);
    if (!file_.exists(path)) {
        const size_t count = ids(collection).size();
        throw Error("store", "there is no such record; /" + collection + " has " + std::to_string(count),
                    file_.where(path), "see `schedbench show`");
    }
    return path;
}

template <class Record>
Record RunFile::get(const char* collection, const std::string& id) const {
    Record record;
    read_record(file_, group(collection, id), record);
    return record;
}

SuiteRecord RunFile::suite(const std::string& id) const {
    return get<SuiteRecord>("suites", id);
}
ProvenanceRecord RunFile::provenance(const std::string& number) const {
    return get<ProvenanceRecord>("provenance", number);
}
ScheduleRecord RunFile::schedule(const std::string& id) const {
    return get<ScheduleRecord>("schedules", id);
}
ModelRecord RunFile::model(const std::string& id) const {
    return get<ModelRecord>("models", id);
}
DataRecord RunFile::data(const std::string& id) const {
    return get<DataRecord>("data", id);
}
ExtractorRecord RunFile::extractor(const std::string& id) const {
    return get<ExtractorRecord>("extractors", id);
}
ReferenceRecord RunFile::reference(const std::string& id) const {
    return get<ReferenceRecord>("reference", id);
}
StatisticsRecord RunFile::statistics(const std::string& id) const {
    return get<StatisticsRecord>("statistics", id);
}
LikelihoodRecord RunFile::likelihood(const std::string& id) const {
    return get<LikelihoodRecord>("likelihood", id);
}

CellRecord RunFile::cell(const std::string& id, CellParts parts) const {
    CellRecord record;
    read_record(file_, group("cells", id), record, parts);
    return record;
}

int64_t RunFile::cell_count(const std::string& id) const {
    return has("cells", id) ? file_.info("/cells/" + id + "/sample_ids").rows() : 0;
}

RunEdit::RunEdit(const RunLock& lock, const RunHeader& header)
    : RunFile(open_copy(lock, header)), target_(lock.run_path()) {}

RunEdit::~RunEdit() {
    if (committed_) return;
    try {
        file_.close();
    } catch (const Error&) {  // the copy is thrown away
    }
    std::error_code ignored;
    std::filesystem::remove(part_path(target_), ignored);
}

template <class Record>
void RunEdit::put_record(const char* collection, const std::string& id, const Record& record) {
    check_id(id, collection);
    const std::string path = std::string("/") + collection + "/" + id;
    if (!file_.exists(path)) {
        write_record(file_, path, record);
        return;
    }
    const std::string other = path + ".new";
    write_record(file_, other, record);
    const bool equal = same_record(file_, path, file_, other);
    file_.remove(other);
    if (!equal) {
        throw Error("store", "another record with this id is stored", target_ + ":" + path,
                    "use a new run file, or `schedbench validate` if the file may be damaged");
    }
}

void RunEdit::put(const SuiteRecord& record) {
    put_record("suites", record.id, record);
}
void RunEdit::put(const ModelRecord& record) {
    // As for extractors: among the details is a distance that is measured.
    if (has("models", record.id)) {
        const ModelRecord old = model(record.id);
        if (old.spec == record.spec && old.sha256 == record.sha256 && old.process == record.process &&
            old.shape == record.shape)
            return;
    }
    put_record("models", record.id, record);
}
void RunEdit::put(const DataRecord& record) {
    put_record("data", record.id, record);
}
void RunEdit::put(const ExtractorRecord& record) {
    // The id is a hash of what it is; its weight file may have moved since, and the deviation that is
    // measured differs in its last digits between CPUs.
    if (has("extractors", record.id)) {
        const ExtractorRecord old = extractor(record.id);
        if (old.sha256 == record.sha256 && old.pipeline == record.pipeline && old.dim == record.dim) return;
    }
    put_record("extractors", record.id, record);
}
void RunEdit::put(const ReferenceRecord& record) {
    put_record("reference", record.id, record);
}
void RunEdit::put(const StatisticsRecord& record) {
    const std::string path = "/statistics/" + record.id;
    const auto images = record.integers.find("images");
    if (images != record.integers.end() && has("statistics", record.id) &&
        file_.has_attribute(path, "images") && file_.integer_attribute(path, "images") < images->second)
        file_.remove(path);
    put_record("statistics", record.id, record);
}
void RunEdit::put(const LikelihoodRecord& record) {
    put_record("likelihood", record.id, record);
}

void RunEdit::put(const ScheduleRecord& record) {
    const std::string id = record.schedule.hash();
    if (has("schedules", id) && file_.text_attribute("/schedules/" + id, "hash") == id) return;
    put_record("schedules", id, record);
}

std::string RunEdit::put(const ProvenanceRecord& record) {
    const std::vector<std::string> numbers = ids("provenance");
    if (!numbers.empty() && provenance(numbers.back()).values == record.values) return numbers.back();
    const std::string number = numbers.empty() ? "1" : std::to_string(std::stoll(numbers.back()) + 1);
    write_record(file_, "/provenance/" + number, record);
    return number;
}

void RunEdit::check_extends(const CellRecord& old, const CellRecord& cell) const {
    const auto require = [&](bool holds, const char* what) {
        if (holds) return;
        throw Error(
            "store", std::string("the stored ") + what + " of this cell differ from the new ones",
            target_ + ":/cells/" + cell.id,
            "one identity must give one set of samples: use a new run file, and report the difference");
    };
    require(old.schedule == cell.schedule && old.sampler == cell.sampler && old.model == cell.model &&
                old.seed == cell.seed && old.steps == cell.steps && old.nfe == cell.nfe,
            "settings");
    require(starts_with(cell.sample_ids, old.sample_ids), "sample ids");
    require(old.labels.empty() == cell.labels.empty() && starts_with(cell.labels, old.labels), "labels");
    if (!cell.images.empty()) require(starts_with(cell.images, old.images), "images");
    if (!cell.features.empty() && cell.extractor == old.extractor) {
        require(starts_with(cell.features, old.features), "features");
    }
}

void RunEdit::put_cell(const CellRecord& cell) {
    check_id(cell.id, "cell");
    const std::string path = "/cells/" + cell.id;
    if (!file_.exists(path)) {
        write_record(file_, path, cell);
        return;
    }
    const CellRecord old = this->cell(cell.id, CellParts::all);
    if (cell.count() <= old.count()) {
        check_extends(cell, old);
        for (const auto& [name, metric] : cell.metrics) {
            const auto stored = old.metrics.find(name);
            const bool fewer = stored != old.metrics.end() && metric.estimate.n < stored->second.estimate.n;
            if (!fewer) put_metric(cell.id, name, metric);
        }
        return;
    }
    check_extends(old, cell);
    CellRecord merged = cell;
    merged.metrics.insert(old.metrics.begin(), old.metrics.end());  // those of the new cell have precedence
    file_.remove(path);
    write_record(file_, path, merged);
}

void RunEdit::put_metric(const std::string& cell_id, const std::string& name, const MetricRecord& metric) {
    check_id(name, "metric");
    const std::string path = group("cells", cell_id) + "/metrics/" + name;
    if (file_.exists(path)) {
        if (file_.text_attribute(path, "identity") == metric.identity) return;
        file_.remove(path);
    }
    write_record(file_, path, metric);
}

void RunEdit::set_status(const std::string& status) {
    file_.set_attribute("/", "status", status);
}

void RunEdit::merge(const RunFile& other) {
    for (const auto& [collection, type] : schema_collections()) {
        for (const std::string& id : other.ids(collection)) {
            const std::string path = "/" + collection + "/" + id;
            if (collection == "provenance") {
                put(other.provenance(id));
            } else if (!file_.exists(path)) {
                file_.copy_from(other.file(), path, path);
            } else if (collection == "cells") {
                put_cell(other.cell(id, CellParts::all));
            } else if (collection == "schedules") {
                put(other.schedule(id));
            } else if (!same_record(file_, path, other.file(), path)) {
                throw Error("store", "this record differs from the one with the same id in " + other.path(),
                            target_ + ":" + path, "the runs do not belong together: keep them apart");
            }
        }
    }
}

void RunEdit::commit() {
    SCHEDBENCH_ASSERT(!committed_);
    file_.close();
    replace_file(part_path(target_), target_);
    committed_ = true;
}

}  // namespace schedbench
