// Quality of a cell: features of its samples against a reference, as metrics with their influence values.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "eval/extractor.h"
#include "eval/feature_cache.h"
#include "eval/metric_set.h"
#include "harness/suite.h"
#include "store/run_file.h"

namespace schedbench {

/// The metrics of a suite, their extractor and the reference's features, made once a process, or taken from
/// the run file where they are stored.
class Quality {
  public:
    /// Null if the suite names no extractor. `run_path`: looked at for a stored reference (may not exist
    /// yet). device: where the extractor's network runs. Error("option") for metrics that the extractor
    /// or the number of images does not allow.
    static std::unique_ptr<Quality> make(const Suite& suite, const std::string& run_path,
                                         const CacheSettings& cache = {}, at::Device device = at::kCPU);

    const Extractor& extractor() const { return *extractor_; }
    std::string extractor_id() const;  ///< of all its columns, as cells keep them
    const std::vector<Metric>& metrics() const { return metrics_; }

    /// Names of the metrics that a cell with `n` samples lacks: absent from `stored`, or there with another
    /// identity.
    std::vector<std::string> missing(const std::string& cell, int64_t n,
                                     const std::map<std::string, MetricRecord>& stored) const;
    /// features [n, d] of samples 0..n-1, all columns of the extractor -> the metrics that `stored` lacks.
    /// One that cannot be computed is left out and told in `failures`.
    std::map<std::string, MetricRecord> metrics(const std::string& cell, const at::Tensor& features,
                                                const std::map<std::string, MetricRecord>& stored,
                                                std::vector<std::string>& failures);
    void put_records(RunEdit& run);  ///< extractors, reference data and references

  private:
    /// Ids of one layer of the extractor, as if it were alone: a distance is the same whatever else the pass
    /// gave.
    std::string layer_id(const FeatureLayer& layer) const;
    const FeatureLayer& layer_of(const Metric& metric) const;
    std::string reference_id(const FeatureLayer& layer) const;
    std::string identity(const Metric& metric, const std::string& cell, int64_t n) const;
    const MetricReference& reference();  ///< computed or read when first needed

    const Suite* suite_ = nullptr;
    std::string run_path_;
    CacheSettings cache_;
    std::unique_ptr<Extractor> extractor_;
    std::vector<FeatureLayer> layers_;
    std::vector<Metric> metrics_;
    MetricNames names_{"fd"};
    Dataset data_;  ///< its pixels go once the reference's features are made
    std::unique_ptr<MetricReference> reference_;
    std::vector<ReferenceRecord> records_;  ///< a layer that metrics compare with
};

}  // namespace schedbench
