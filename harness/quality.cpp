#include "harness/quality.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "eval/feature_pass.h"
#include "harness/metric_input.h"

namespace schedbench {

namespace {

std::vector<double> doubles(const at::Tensor& tensor) {
    const at::Tensor dense = tensor.to(at::kDouble).contiguous();
    const double* data = dense.const_data_ptr<double>();
    return {data, data + dense.numel()};
}

}  // namespace

std::unique_ptr<Quality> Quality::make(const Suite& suite, const std::string& run_path,
                                       const CacheSettings& cache, at::Device device) {
    if (suite.extractor.name == "none") return nullptr;
    auto out = std::make_unique<Quality>();
    out->suite_ = &suite;
    out->run_path_ = run_path;
    out->cache_ = cache;
    for (const Spec& spec : suite.effective_metrics()) {
        out->metrics_.emplace_back(spec, suite.path + ", key metric");
        out->metrics_.back().check_count(suite.images, suite.path + ", key images");
    }
    const std::string where = suite.path + ", key extractor";
    out->extractor_ = make_extractor(extractor_for(suite.extractor, out->metrics_), where, device);
    out->layers_ = out->extractor_->layers();
    out->names_ = names_of(*out->extractor_, suite.extractor);
    std::vector<std::string> offered;
    for (const FeatureLayer& layer : out->layers_) offered.push_back(layer.role);
    roles_of(out->metrics_, offered, out->extractor_->id());
    out->data_ = load_dataset(suite.reference, suite.path + ", key reference", suite.reference_images);
    return out;
}

std::string Quality::extractor_id() const {
    return extractor_hash(*extractor_);
}

std::string Quality::layer_id(const FeatureLayer& layer) const {
    return extractor_hash(*extractor_, layer.id);
}

const FeatureLayer& Quality::layer_of(const Metric& metric) const {
    const auto found = std::find_if(layers_.begin(), layers_.end(),
                                    [&](const FeatureLayer& layer) { return layer.role == metric.role(); });
    return found == layers_.end() ? layers_[0] : *found;
}

std::string Quality::reference_id(const FeatureLayer& layer) const {
    return short_hash(data_.hash + "|" + std::to_string(data_.count) + "|" + layer_id(layer));
}

std::string Quality::identity(const Metric& metric, const std::string& cell, int64_t n) const {
    const FeatureLayer& layer = layer_of(metric);
    std::string text = cell + "|0.." + std::to_string(n - 1) + "|" + layer_id(layer) + "|" +
                       (metric.needs_reference() ? reference_id(layer) : "");
    // The plain Frechet distance came first, and its identity says nothing of the metric.
    if (!(metric.spec() == complete_metric(Spec::parse("frechet"), "metric")))
        text += "|" + metric.spec().print();
    return short_hash(text);
}

const MetricReference& Quality::reference() {
    if (reference_) return *reference_;
    MetricSide side;
    side.name = data_.spec;
    std::vector<FeatureLayer> wanted, absent;
    for (const Metric& metric : metrics_) {
        const FeatureLayer& layer = layer_of(metric);
        const auto same = [&](const FeatureLayer& other) { return other.role == layer.role; };
        if (metric.needs_reference() && std::none_of(wanted.begin(), wanted.end(), same))
            wanted.push_back(layer);
    }
    for (const FeatureLayer& layer : wanted) {
        ReferenceRecord record;
        if (std::filesystem::exists(run_path_)) {
            const RunFile run = RunFile::open(run_path_);
            if (run.has("reference", reference_id(layer))) record = run.reference(reference_id(layer));
        }
        if (record.features.empty()) {
            absent.push_back(layer);
            continue;
        }
        side.features[layer.role] = at::tensor(record.features, at::kFloat).reshape({record.n, record.dim()});
        records_.push_back(std::move(record));
    }
    if (!absent.empty()) {
        std::vector<std::string> roles;
        for (const FeatureLayer& layer : absent) roles.push_back(layer.role);
        FeaturePassOptions options;
        options.cache = cache_;
        options.label = "features of the reference";
        std::vector<uint8_t> pixels = std::move(data_.pixels);
        Dataset images = data_;
        images.pixels = std::move(pixels);
        const auto made = run_feature_pass(*extractor_, *images_of(std::move(images)), roles, options);
        for (const FeatureLayer& layer : absent) {
            const at::Tensor features = made.at(layer.role);
            const FeatureSums sums = feature_sums(features);
            const float* data = features.const_data_ptr<float>();
            records_.push_back({reference_id(layer),
                                short_hash(data_.hash),
                                layer_id(layer),
                                sums.n(),
                                doubles(sums.shift()),
                                doubles(sums.sum()),
                                doubles(sums.outer()),
                                {data, data + features.numel()}});
            side.features[layer.role] = features;
        }
    }
    reference_ = std::make_unique<MetricReference>(std::move(side));
    return *reference_;
}

std::vector<std::string> Quality::missing(const std::string& cell, int64_t n,
                                          const std::map<std::string, MetricRecord>& stored) const {
    std::vector<std::string> out;
    for (const Metric& metric : metrics_)
        for (const std::string& name : metric.names(names_)) {
            const auto found = stored.find(name);
            if (found == stored.end() || found->second.identity != identity(metric, cell, n))
                out.push_back(name);
        }
    return out;
}

std::map<std::string, MetricRecord> Quality::metrics(const std::string& cell, const at::Tensor& features,
                                                     const std::map<std::string, MetricRecord>& stored,
                                                     std::vector<std::string>& failures) {
    const int64_t n = features.size(0);
    MetricSide side;
    side.name = "cell " + cell;
    for (const FeatureLayer& layer : layers_)
        side.features[layer.role] = features.narrow(1, layer.begin, layer.dim).contiguous();
    const std::vector<std::string> wanted = missing(cell, n, stored);
    std::map<std::string, MetricRecord> out;
    for (const Metric& metric : metrics_) {
        const std::vector<std::string> names = metric.names(names_);
        const auto needed = [&](const std::string& name) {
            return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
        };
        if (std::none_of(names.begin(), names.end(), needed)) continue;
        try {
            const FeatureLayer& layer = layer_of(metric);
            const bool compares = metric.needs_reference();
            for (NamedMetric& m : metric.compute(side, compares ? &reference() : nullptr, names_))
                out.emplace(m.name, MetricRecord{std::move(m.estimate), identity(metric, cell, n),
                                                 layer_id(layer), compares ? reference_id(layer) : "",
                                                 std::move(m.influence), std::move(m.influence_ref)});
        } catch (const Error& e) {
            failures.push_back("cell " + cell + ", metric " + metric.spec().print() + ": " + e.what());
        }
    }
    return out;
}

void Quality::put_records(RunEdit& run) {
    reference();
    const auto put = [&](const std::string& id, int64_t dim) {
        run.put(ExtractorRecord{id, extractor_->spec(), extractor_->weights_hash(), extractor_->pipeline(),
                                dim, extractor_->precision(), extractor_->deviation()});
    };
    put(extractor_id(), extractor_->dim());
    if (layers_.size() > 1)
        for (const FeatureLayer& layer : layers_) put(layer_id(layer), layer.dim);
    run.put(DataRecord{short_hash(data_.hash),
                       data_.spec,
                       data_.hash,
                       {data_.count, data_.channels, data_.height, data_.width},
                       data_.classes});
    for (const ReferenceRecord& record : records_) run.put(record);
}

}  // namespace schedbench
