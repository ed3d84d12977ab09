// The records of a run file: what each group of the schema (schema.h) is in memory. Ids are hashes over
// completed specs or names that the harness gives; texts marked JSON are not looked into here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "schedules/schedule.h"

namespace schedbench {

struct SuiteRecord {
    std::string id;        ///< hash of the effective settings
    std::string text;      ///< the suite file as it was read
    std::string settings;  ///< JSON: effective settings, all defaults written out
};

struct ProvenanceRecord {
    std::map<std::string, std::string>
        values;  ///< host, device, versions, profile, environment, command line, ...
};

/// What a learned schedule was placed with.
struct LearnedRecord {
    std::string cost;                ///< completed spec
    std::string placement;           ///< "equal-arc", "dynamic-programme"
    std::vector<double> grid;        ///< [G] levels at which the cost is known
    std::vector<double> cost_curve;  ///< [G] or empty
    std::vector<double> cost_se;     ///< [G] standard errors, or empty
    std::string training = "{}";     ///< JSON: sample counts, seeds, seconds, warnings
};

struct ScheduleRecord {
    Schedule schedule;  ///< its id is schedule.hash()
    std::optional<LearnedRecord> learned{};
};

struct ModelRecord {
    std::string id, spec;
    std::string sha256;          ///< of the weight file; "" where there is none
    std::string process;         ///< completed spec of the noise process
    std::vector<int64_t> shape;  ///< of one sample
    std::string details = "{}";  ///< JSON: architecture, licence, source
};

struct DataRecord {
    std::string id, spec, sha256;
    std::vector<int64_t> shape;  ///< [N, C, H, W]
    int64_t classes = 0;
};

struct ExtractorRecord {
    std::string id, spec, sha256;
    std::string pipeline;               ///< how uint8 images become its input
    int64_t dim = 0;                    ///< features an image
    std::string precision = "float32";  ///< of its arithmetic
    double deviation = 0;  ///< from its features in float32, rms over rms on fixed images; 0 in float32
};

/// Sums over a reference set, so that parts can be added: sum = sum (f - shift), outer = sum (f - shift)(f -
/// shift)^T.
struct ReferenceRecord {
    std::string id;
    std::string data, extractor;  ///< ids
    int64_t n = 0;
    std::vector<double> shift, sum;  ///< [d]
    std::vector<double> outer;       ///< [d, d], row-major
    std::vector<float> features{};   ///< [n, d] or empty
    int64_t dim() const { return static_cast<int64_t>(sum.size()); }
};

/// A named array with its meaning.
struct NamedArray {
    std::vector<int64_t> shape;
    std::vector<double> values;
    std::string units = "1";
    std::string axes;  ///< one name an axis: "level,clip"
    bool single = false;  ///< written as float32; not known after reading
};

/// Denoising statistics, and any other set of named arrays.
struct StatisticsRecord {
    std::string id;
    std::map<std::string, std::string> texts{};  ///< attributes: model, data, clip rules, decoder, ...
    std::map<std::string, int64_t> integers{};   ///< attributes: n, seed, ...
    std::map<std::string, double> reals{};       ///< attributes
    std::map<std::string, NamedArray> arrays{};  ///< M_t, N_t and friends, with their errors
};

/// A table of bits/dim (equal-length columns; a text column is one of labels or of paths as JSON), and arrays
/// such as bits/dim per image.
struct LikelihoodRecord {
    std::string id;
    std::map<std::string, std::string> texts{};  ///< attributes: model, data, statistics id, ...
    std::map<std::string, int64_t> integers{};
    std::map<std::string, double> reals{};
    std::map<std::string, std::vector<std::string>>
        text_columns{};                                    ///< stride, variance, decoder, clip, split, path
    std::map<std::string, std::vector<double>> columns{};  ///< steps, bits_per_dim, se
    std::map<std::string, NamedArray> arrays{};
};

struct MetricRecord {
    Estimate estimate;
    std::string identity;                  ///< samples + range of ids + extractor + reference
    std::string extractor{}, reference{};  ///< ids; "" where there is none
    std::vector<double> influence{};       ///< [n] of the samples, in sample order
    std::vector<double> influence_ref{};   ///< [m] of the reference
};

/// One row a block of samples, in the order of the samples.
struct TimingRecord {
    std::vector<int64_t> first_id, rows, rank;  ///< first sample of the block, how many, made by which rank
    std::vector<int64_t> network_calls;         ///< batched calls in the block
    std::vector<double> seconds, network_seconds;
};

struct CellRecord {
    std::string id;                              ///< the samples identity (not n)
    std::string schedule, sampler, model, data;  ///< schedule, model, data: ids; sampler: completed spec
    std::string status = "complete";             ///< or why not
    std::string settings = "{}";                 ///< JSON: everything the identity was taken over
    int64_t steps = 0, nfe = 0, budget = 0;      ///< budget 0: steps were asked for
    uint64_t seed = 0;
    std::vector<int64_t> sample_ids;     ///< [n] rising
    std::vector<int64_t> labels{};       ///< [n] or empty
    std::vector<int64_t> image_shape{};  ///< {C, H, W}; empty if no images are kept
    std::vector<uint8_t> images{};       ///< [n, C, H, W] or empty
    std::string extractor{};             ///< id of the extractor of `features`
    int64_t feature_dim = 0;
    std::vector<float> features{};         ///< [n, feature_dim] or empty
    std::vector<int64_t> preview_shape{};  ///< {H, W, C} of the preview grid; empty if there is none
    std::vector<uint8_t> preview{};
    TimingRecord timing{};
    std::map<std::string, MetricRecord> metrics{};  ///< by the name that the harness gives
    int64_t count() const { return static_cast<int64_t>(sample_ids.size()); }
};

/// How much of a cell is read. Tables need no more than the summary.
enum class CellParts {
    summary,   ///< no images, no features; metrics without influence values
    metrics,   ///< summary and influence values
    features,  ///< metrics and features
    all,       ///< and images
};

}  // namespace schedbench
