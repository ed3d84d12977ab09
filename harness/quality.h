// Quality of a cell: features of its samples against a reference, as metrics with their influence values.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"
#include "eval/extractor.h"
#include "eval/frechet.h"
#include "harness/suite.h"
#include "store/run_file.h"

namespace schedbench {

/// The extractor and the reference's features, made once a process, or taken from the run file where they are
/// stored.
class Quality {
  public:
    /// Null if the suite names no extractor. `run_path`: looked at for a stored reference (may not exist
    /// yet).
    static std::unique_ptr<Quality> make(const Suite& suite, const std::string& run_path);

    const Extractor& extractor() const { return *extractor_; }
    std::string extractor_id() const;  ///< short hash of id, weights and pipeline
    std::string reference_id() const { return reference_id_; }
    std::string metric_identity(const std::string& cell, int64_t n) const;

    /// features [n, d] of samples 0..n-1 -> metrics "<frechet name>" and "<frechet name>-debiased".
    std::map<std::string, MetricRecord> metrics(const std::string& cell, const at::Tensor& features);
    void put_records(RunEdit& run);  ///< extractor, reference data and reference

  private:
    const FrechetReference& reference();  ///< computed or read when first needed

    const Suite* suite_ = nullptr;
    std::string run_path_, reference_id_;
    std::unique_ptr<Extractor> extractor_;
    Dataset data_;
    std::unique_ptr<FrechetReference> reference_;
    ReferenceRecord record_;
};

}  // namespace schedbench
