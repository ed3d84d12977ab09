// Records to groups and back. write_record creates the group with its marks, fills and seals it; read_record
// is its inverse. Both are used through RunFile (run_file.h).
#pragma once

#include <string>

#include "core/hdf5.h"
#include "store/records.h"

namespace schedbench {

void write_record(Hdf5File& file, const std::string& group, const SuiteRecord& record);
void write_record(Hdf5File& file, const std::string& group, const ProvenanceRecord& record);
void write_record(Hdf5File& file, const std::string& group, const ScheduleRecord& record);
void write_record(Hdf5File& file, const std::string& group, const ModelRecord& record);
void write_record(Hdf5File& file, const std::string& group, const DataRecord& record);
void write_record(Hdf5File& file, const std::string& group, const ExtractorRecord& record);
void write_record(Hdf5File& file, const std::string& group, const ReferenceRecord& record);
void write_record(Hdf5File& file, const std::string& group, const StatisticsRecord& record);
void write_record(Hdf5File& file, const std::string& group, const LikelihoodRecord& record);
void write_record(Hdf5File& file, const std::string& group, const CellRecord& record);
void write_record(Hdf5File& file, const std::string& group, const MetricRecord& record);

void read_record(const Hdf5File& file, const std::string& group, SuiteRecord& record);
void read_record(const Hdf5File& file, const std::string& group, ProvenanceRecord& record);
void read_record(const Hdf5File& file, const std::string& group, ScheduleRecord& record);
void read_record(const Hdf5File& file, const std::string& group, ModelRecord& record);
void read_record(const Hdf5File& file, const std::string& group, DataRecord& record);
void read_record(const Hdf5File& file, const std::string& group, ExtractorRecord& record);
void read_record(const Hdf5File& file, const std::string& group, ReferenceRecord& record);
void read_record(const Hdf5File& file, const std::string& group, StatisticsRecord& record);
void read_record(const Hdf5File& file, const std::string& group, LikelihoodRecord& record);
void read_record(const Hdf5File& file, const std::string& group, CellRecord& record, CellParts parts);
void read_record(const Hdf5File& file, const std::string& group, MetricRecord& record, bool influence);

}  // namespace schedbench
