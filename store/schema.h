// The schema of run files: which groups there are, what they hold, and in which units (README section "Run
// files").
//
//     /                      schema, schema_version, software, commit, created, status
//     /suites/<id> /provenance/<n> /schedules/<id> /models/<id> /data/<id> /extractors/<id> /reference/<id>
//     /statistics/<id> /likelihood/<id> /cells/<id> with /cells/<id>/metrics/<name>
//
// Every group carries encoding_type, encoding_version and description; every data set units and axes (one
// name an axis, separated by commas; "" for a scalar). A record (one member of the groups above, and each
// metric) is sealed with content_hash, so that a reader can tell that nothing in it was changed or lost.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/hdf5.h"

namespace schedbench {

inline constexpr const char* kSchemaName = "schedbench";
inline constexpr int kSchemaMajor = 1;
inline constexpr int kSchemaMinor = 1;
std::string schema_version();  ///< "1.1"

/// One attribute or data set of a record.
struct SchemaItem {
    std::string name;
    Hdf5Type type = Hdf5Type::text;
    bool dataset = false;  ///< else an attribute
    std::string units{};   ///< data sets only; "1" for pure numbers, "text" for texts
    std::string axes{};    ///< data sets only: "sample,channel,height,width"; equal names have equal extents
    bool required = true;
    std::string help{};
};

/// One kind of group.
struct SchemaType {
    std::string encoding_type;  ///< "schedule"
    std::string description;    ///< one line, written into each group of this kind
    std::vector<SchemaItem> items;
    bool open = false;   ///< may hold attributes and data sets beside `items`
    bool sealed = true;  ///< carries content_hash
    const SchemaItem* find(const std::string& name) const;
};

const std::vector<SchemaType>& schema_types();
const SchemaType& schema_type(const std::string& encoding_type);  ///< a bug if it is unknown
const SchemaType* find_schema_type(const std::string& encoding_type);

/// The groups below / and the encoding type of their members ("schedules" -> "schedule").
const std::vector<std::pair<std::string, std::string>>& schema_collections();

/// Creates a group with its three marks.
void create_record(Hdf5File& file, const std::string& group, const std::string& encoding_type);

/// Writes a data set that the schema lists, with its units and axes. Rows are chunked and extendable where
/// `chunk_rows` > 0.
template <Hdf5Number T>
void write_item(Hdf5File& file, const std::string& group, const std::string& encoding_type,
                const std::string& name, const std::vector<int64_t>& shape, std::span<const T> values,
                int64_t chunk_rows = 0);
void write_text_item(Hdf5File& file, const std::string& group, const std::string& encoding_type,
                     const std::string& name, const std::string& value);
/// Marks a data set that the schema does not list.
void describe_dataset(Hdf5File& file, const std::string& dataset, const std::string& units,
                      const std::string& axes);

/// The root of a new run file, with its empty collections.
struct RunHeader {
    std::string software = "schedbench";  ///< with its version
    std::string commit{};                 ///< of the source; "" if unknown
    std::string created{};                ///< ISO 8601, UTC
    std::string status = "running";       ///< "running" or "complete"
};
void create_root(Hdf5File& file, const RunHeader& header);
/// Error("store") unless the file is one of ours, of this major version and of no newer minor one.
void check_root(const Hdf5File& file);

/// SHA-256 over the record: attributes (but content_hash), data sets, groups below; sealed groups below are
/// left out. Lines "@name=text:VALUE" (or int64:, float64:), "name|type|extent,extent|SHA-256 of the
/// little-endian values", and "name/" before the lines of a group, each ended by a newline, in the order of
/// names, attributes first.
std::string content_hash(const Hdf5File& file, const std::string& group);
void seal_record(Hdf5File& file, const std::string& group);  ///< writes content_hash

/// True if the two records say the same: equal content_hash, or, where their encoding versions differ, all
/// that the older one says (its words for people aside) stands in the newer one too, which may say more.
bool same_record(const Hdf5File& file, const std::string& group, const Hdf5File& other,
                 const std::string& other_group);

/// Error("store") if `id` cannot name a group: empty, ".", "..", with '/' or a control character.
void check_id(const std::string& id, const std::string& what);

}  // namespace schedbench
