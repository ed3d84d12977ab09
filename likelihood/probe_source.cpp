#include "likelihood/probe_source.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "core/noise.h"

namespace schedbench {

namespace {

class DatasetSource final : public ProbeSource {
  public:
    DatasetSource(const Dataset& dataset, int64_t limit)
        : dataset_(dataset), count_(limit > 0 ? std::min(limit, dataset.count) : dataset.count) {}
    int64_t count() const override { return count_; }
    at::Tensor images(std::span<const int64_t> ids) const override {
        at::Tensor out =
            at::empty({static_cast<int64_t>(ids.size()), dataset_.channels, dataset_.height, dataset_.width},
                      at::kDouble);
        double* value = out.mutable_data_ptr<double>();
        for (int64_t id : ids) {
            SCHEDBENCH_ASSERT(id >= 0 && id < count_);
            for (uint8_t byte : dataset_.image(id)) *value++ = byte / 127.5 - 1;
        }
        return out;
    }
    at::Tensor labels(std::span<const int64_t> ids) const override {
        if (dataset_.labels.empty()) return {};
        std::vector<int64_t> out;
        for (int64_t id : ids) out.push_back(dataset_.labels[static_cast<size_t>(id)]);
        return at::tensor(out, at::kLong);
    }
    bool eight_bit() const override { return true; }
    std::string spec() const override { return dataset_.spec; }
    std::string hash() const override { return dataset_.hash; }

  private:
    const Dataset& dataset_;
    int64_t count_;
};

class ExactSource final : public ProbeSource {
  public:
    ExactSource(std::shared_ptr<const ExactTarget> target, int64_t count, uint64_t seed,
                std::vector<int64_t> shape)
        : target_(std::move(target)), count_(count), seed_(seed), shape_(std::move(shape)) {
        if (shape_.empty()) shape_ = target_->shape();
    }
    int64_t count() const override { return count_; }
    at::Tensor images(std::span<const int64_t> ids) const override {
        std::vector<int64_t> sizes{static_cast<int64_t>(ids.size())};
        sizes.insert(sizes.end(), shape_.begin(), shape_.end());
        return target_->sample_data({seed_, NoisePurpose::selection}, ids).reshape(sizes);
    }
    at::Tensor labels(std::span<const int64_t>) const override { return {}; }
    bool eight_bit() const override { return false; }
    std::string spec() const override { return target_->spec(); }
    std::string hash() const override { return short_hash(spec() + " seed " + std::to_string(seed_)); }

  private:
    std::shared_ptr<const ExactTarget> target_;
    int64_t count_;
    uint64_t seed_;
    std::vector<int64_t> shape_;
};

}  // namespace

std::unique_ptr<ProbeSource> dataset_source(const Dataset& dataset, int64_t limit) {
    return std::make_unique<DatasetSource>(dataset, limit);
}

std::unique_ptr<ProbeSource> exact_source(std::shared_ptr<const ExactTarget> target, int64_t count,
                                          uint64_t seed, std::vector<int64_t> shape) {
    return std::make_unique<ExactSource>(std::move(target), count, seed, std::move(shape));
}

void check_probes(const ProbeSource& source, const Denoiser& denoiser) {
    if (source.count() < 1) throw Error("shape", "there are no images to look at", source.spec());
    const std::vector<int64_t> first{0}, shape = denoiser.shape();
    const at::Tensor image = source.images(first);
    if (image.sizes().slice(1) != at::IntArrayRef(shape)) {
        std::string have, want;
        for (int64_t size : image.sizes().slice(1)) have += (have.empty() ? "" : "x") + std::to_string(size);
        for (int64_t size : shape) want += (want.empty() ? "" : "x") + std::to_string(size);
        throw Error("shape", "images are " + have + ", but the model " + denoiser.spec() + " wants " + want,
                    source.spec());
    }
    if (denoiser.classes() > 0 && !source.labels(first).defined())
        throw Error("option",
                    "the model " + denoiser.spec() + " is class-conditional, but the data have no labels",
                    source.spec());
}

at::Tensor probe_labels(const ProbeSource& source, const Denoiser& denoiser, std::span<const int64_t> ids) {
    return denoiser.classes() > 0 ? source.labels(ids) : at::Tensor();
}

at::Tensor noised(const at::Tensor& x0, double sigma, uint64_t seed, std::span<const int64_t> noise_ids,
                  uint32_t draw) {
    SCHEDBENCH_ASSERT(x0.size(0) == static_cast<int64_t>(noise_ids.size()));
    at::Tensor z = at::empty(x0.sizes(), at::kFloat);
    const int64_t elements = x0.numel() / std::max<int64_t>(1, x0.size(0));
    float* row = z.mutable_data_ptr<float>();
    for (int64_t id : noise_ids) {
        fill_normals({seed, NoisePurpose::probe}, static_cast<uint64_t>(id), draw,
                     {row, static_cast<size_t>(elements)});
        row += elements;
    }
    return x0 + sigma * z.to(at::kDouble);
}

}  // namespace schedbench
