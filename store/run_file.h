// RunFile: one run, as records (records.h) under the schema (schema.h).
//
// A run is never changed in place. RunEdit works on a copy, RUN.h5.part, and commit() renames it over RUN.h5;
// so a crash at any time leaves the old run whole, and a reader that has the file open keeps its old version
// to the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/hdf5.h"
#include "store/records.h"
#include "store/run_lock.h"
#include "store/schema.h"

namespace schedbench {

class RunFile {
  public:
    /// Opens for reading. Error("store") if it is no run, is damaged, or has a newer schema.
    static RunFile open(const std::string& path);

    const std::string& path() const { return file_.path(); }
    RunHeader header() const;
    const Hdf5File& file() const { return file_; }

    std::vector<std::string> ids(
        const std::string& collection) const;  ///< "cells", "schedules", ... (schema.h)
    bool has(const std::string& collection, const std::string& id) const;

    SuiteRecord suite(const std::string& id) const;
    ProvenanceRecord provenance(const std::string& number) const;
    ScheduleRecord schedule(const std::string& id) const;
    ModelRecord model(const std::string& id) const;
    DataRecord data(const std::string& id) const;
    ExtractorRecord extractor(const std::string& id) const;
    ReferenceRecord reference(const std::string& id) const;
    StatisticsRecord statistics(const std::string& id) const;
    LikelihoodRecord likelihood(const std::string& id) const;
    CellRecord cell(const std::string& id, CellParts parts = CellParts::summary) const;
    int64_t cell_count(
        const std::string& id) const;  ///< number of samples of a cell; 0 if there is no such cell

  protected:
    explicit RunFile(Hdf5File file) : file_(std::move(file)) {}
    std::string group(const std::string& collection, const std::string& id) const;
    template <class Record>
    Record get(const char* collection, const std::string& id) const;

    Hdf5File file_;
};

/// A run being changed. The lock must outlive it. Without commit() nothing has happened.
class RunEdit : public RunFile {
  public:
    /// A copy of the run; or an empty run with `header` if there is none yet.
    RunEdit(const RunLock& lock, const RunHeader& header);
    RunEdit(RunEdit&&) = delete;
    ~RunEdit();

    // Records whose id exists already: equal content is left as it is; other content is an Error("store"),
    // because two different things must not have one id. A schedule is compared by its hash (its training
    // record may hold times).
    void put(const SuiteRecord& record);
    void put(const ScheduleRecord& record);
    void put(const ModelRecord& record);
    void put(const DataRecord& record);
    void put(const ExtractorRecord& record);
    void put(const ReferenceRecord& record);
    void put(const StatisticsRecord& record);  ///< of more images: in the place of those with its id
    void put(const LikelihoodRecord& record);
    /// Appends with the next number and returns it; nothing is added if the last one is equal.
    std::string put(const ProvenanceRecord& record);

    /// A new cell, or more samples (and new metrics) of one that is there: the ids, labels, images and
    /// features that are stored must be the first of the new ones, else Error("store"). A cell with no more
    /// samples than the stored one is left as it is; of its metrics, those over no fewer images than the
    /// stored ones are added.
    void put_cell(const CellRecord& cell);
    /// Adds a metric to a cell, or replaces the one of another identity. Equal identity is left as it is.
    void put_metric(const std::string& cell_id, const std::string& name, const MetricRecord& metric);
    void set_status(const std::string& status);

    /// Adds everything of another run; see put() for ids that both have. Provenance is appended.
    void merge(const RunFile& other);

    void commit();  ///< once; the edit is closed afterwards

  private:
    template <class Record>
    void put_record(const char* collection, const std::string& id, const Record& record);
    void check_extends(const CellRecord& old, const CellRecord& cell) const;

    std::string target_;
    bool committed_ = false;
};

}  // namespace schedbench
