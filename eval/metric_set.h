// The metrics by name: what each needs of the two sets, what its values are called, and all of them at once.
// One list for the command `metrics`, for suites and for `schedbench list metrics`.
//
// Names say everything that decides the number: the extractor and its pipeline ("kid[tf1]", "kd-fashion32"),
// and arguments that differ from the defaults ("is[tf1]:splits=1").
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "core/spec.h"
#include "core/spec_schema.h"
#include "eval/extractor.h"
#include "eval/frechet.h"
#include "eval/metric_direction.h"

namespace schedbench {

/// frechet   fid-infinity   edm-minimum   sfid   kid   kid-blocks   kid-torch-fidelity   is
/// is-torch-fidelity   prdc
const std::vector<SpecEntry>& metric_entries();
/// Completed; Error("spec") for what is not known.
Spec complete_metric(const Spec& metric, const std::string& where);

/// What is known of one set of images under one extractor, by role (FeatureLayer).
struct MetricSide {
    std::string name;                            ///< for error messages
    std::map<std::string, at::Tensor> features;  ///< [n, d]
    /// Of roles without features; where a role has both, the Frechet distance is that of these statistics, as
    /// with ADM's references (of a whole data set, beside 10,000 of its images).
    std::map<std::string, Moments> moments;
    bool has(const std::string& role) const { return features.contains(role) || moments.contains(role); }
};

/// A reference, with what is computed of it once for any number of generated sets.
class MetricReference {
  public:
    explicit MetricReference(MetricSide side) : side_(std::move(side)) {}
    const MetricSide& side() const { return side_; }
    const FrechetReference& frechet(const std::string& role) const;

  private:
    MetricSide side_;
    mutable std::map<std::string, std::shared_ptr<const FrechetReference>> frechet_;
};

/// Names of the distances under an extractor: "fid[tf1]" -> kid[tf1], sfid[tf1], is[tf1], precision[tf1];
/// "fd-fashion32" -> kd-fashion32, precision-fashion32.
class MetricNames {
  public:
    explicit MetricNames(std::string frechet_name) : frechet_(std::move(frechet_name)) {}
    const std::string& frechet() const { return frechet_; }
    std::string of(const std::string& kind) const;

  private:
    std::string frechet_;
};

struct NamedMetric {
    std::string name;
    Estimate estimate;
    std::vector<double> influence{}, influence_ref{};  ///< empty where the metric has none
};

/// One metric spec, completed.
class Metric {
  public:
    Metric(const Spec& spec, const std::string& where) : spec_(complete_metric(spec, where)) {}
    const Spec& spec() const { return spec_; }
    std::string role() const;      ///< of the features it looks at
    bool needs_reference() const;  ///< false: only the generated set
    bool needs_samples() const;    ///< false: statistics of both sets will do
    /// The names of its values, in the order of compute().
    std::vector<std::string> names(const MetricNames& names) const;
    /// Error("option") where `n` samples are too few for it to be computed at all.
    void check_count(int64_t n, const std::string& where) const;
    /// `reference` may be null where it is not needed. Error("option") where a side lacks what the metric
    /// needs (samples where only statistics are known, logits), Error("shape") for features of different
    /// dimension; both name the side.
    std::vector<NamedMetric> compute(const MetricSide& generated, const MetricReference* reference,
                                     const MetricNames& names) const;

  private:
    Spec spec_;
};

/// The extractor that gives what the metrics look at in one pass: of `inception` without a layer of its own,
/// the layers they need.
Spec extractor_for(const Spec& extractor, const std::vector<Metric>& metrics);
/// What the distances under extractor_for(asked, ...) are called.
MetricNames names_of(const Extractor& extractor, const Spec& asked);
/// The roles among those of the extractor that the metrics look at; Error("option") for one it does not have.
std::vector<std::string> roles_of(const std::vector<Metric>& metrics, const std::vector<std::string>& offered,
                                  const std::string& extractor);

/// A Frechet distance at n with the default arguments: "fid[tf1]", "fid-bf16[tf1]", "fd-fashion32"; not its
/// debiased, extrapolated or otherwise modified forms, not sFID.
bool is_plain_frechet(const std::string& metric_name);
/// The stored metric that holds the influence values of this one: a debiased distance shares those of the
/// plain.
std::string influence_metric(const std::string& metric_name);
/// false where the sample is too small for the theory behind the standard error, so that value +- se is no
/// interval: Estimate::warning begins with kUnreliable.
bool interval_reliable(const Estimate& estimate);

}  // namespace schedbench
