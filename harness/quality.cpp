#include "harness/quality.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "core/hash.h"

namespace schedbench {

namespace {

std::vector<double> doubles(const at::Tensor& tensor) {
    const at::Tensor dense = tensor.to(at::kDouble).contiguous();
    const double* data = dense.const_data_ptr<double>();
    return {data, data + dense.numel()};
}

}  // namespace

std::unique_ptr<Quality> Quality::make(const Suite& suite, const std::string& run_path) {
    if (suite.extractor.name == "none") return nullptr;
    auto out = std::make_unique<Quality>();
    out->suite_ = &suite;
    out->run_path_ = run_path;
    out->extractor_ = make_extractor(suite.extractor, suite.path + ", key extractor");
    out->data_ = load_dataset(suite.reference, suite.path + ", key reference", suite.reference_images);
    out->reference_id_ =
        short_hash(out->data_.hash + "|" + std::to_string(out->data_.count) + "|" + out->extractor_id());
    return out;
}

std::string Quality::extractor_id() const {
    return short_hash(extractor_->id() + "|" + extractor_->weights_hash() + "|" + extractor_->pipeline());
}

std::string Quality::metric_identity(const std::string& cell, int64_t n) const {
    return short_hash(cell + "|0.." + std::to_string(n - 1) + "|" + extractor_id() + "|" + reference_id_);
}

const FrechetReference& Quality::reference() {
    if (reference_) return *reference_;
    if (std::filesystem::exists(run_path_)) {
        const RunFile run = RunFile::open(run_path_);
        if (run.has("reference", reference_id_)) record_ = run.reference(reference_id_);
    }
    at::Tensor features;
    if (!record_.features.empty()) {
        features = at::tensor(record_.features, at::kFloat).reshape({record_.n, record_.dim()});
    } else {
        const at::Tensor pixels = at::tensor(at::ArrayRef<uint8_t>(data_.pixels), at::kByte)
                                      .reshape({data_.count, data_.channels, data_.height, data_.width});
        features = extract_features(*extractor_, pixels);
        const FeatureSums sums = feature_sums(features);
        const float* data = features.const_data_ptr<float>();
        record_ = {reference_id_,         short_hash(data_.hash),
                   extractor_id(),        sums.n(),
                   doubles(sums.shift()), doubles(sums.sum()),
                   doubles(sums.outer()), {data, data + features.numel()}};
    }
    reference_ = std::make_unique<FrechetReference>(FrechetReference::of_features(features));
    return *reference_;
}

std::map<std::string, MetricRecord> Quality::metrics(const std::string& cell, const at::Tensor& features) {
    FrechetOptions options;
    options.name = extractor_->frechet_name();
    const FrechetResult result = frechet(features, reference(), options);
    const std::string identity = metric_identity(cell, features.size(0));
    MetricRecord at_n{result.at_n,   identity,         extractor_id(),
                      reference_id_, result.influence, result.influence_ref};
    // The bias is smooth in the sample: both values have the same influence to first order, stored once.
    Estimate without_bias = result.debiased;
    without_bias.name = options.name + "-debiased";
    MetricRecord debiased{without_bias, identity, extractor_id(), reference_id_, {}, {}};
    return {{options.name, std::move(at_n)}, {options.name + "-debiased", std::move(debiased)}};
}

void Quality::put_records(RunEdit& run) {
    reference();
    run.put(ExtractorRecord{extractor_id(), extractor_->spec(), extractor_->weights_hash(),
                            extractor_->pipeline(), extractor_->dim()});
    run.put(DataRecord{short_hash(data_.hash),
                       data_.spec,
                       data_.hash,
                       {data_.count, data_.channels, data_.height, data_.width},
                       data_.classes});
    run.put(record_);
}

}  // namespace schedbench
