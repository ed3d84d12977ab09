#include "eval/feature_pass.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/progress.h"

namespace schedbench {

namespace {

/// Where the rows of one layer go: an entry of the cache, or memory alone.
class LayerSink {
  public:
    LayerSink(const FeatureLayer& layer, const FeatureKey& key, const std::string& folder,
              const FeatureEntry::Note& note)
        : layer_(layer), block_rows_(key.block_rows) {
        if (folder.empty())
            memory_ = at::empty({key.images, key.dim}, at::kFloat);
        else
            entry_ = std::make_unique<FeatureEntry>(folder, key, note);
    }
    bool lacks(int64_t block) const { return !entry_ || !entry_->has(block); }
    /// rows: of the whole pass, all layers side by side.
    void put(int64_t block, const at::Tensor& rows) {
        const at::Tensor own = rows.narrow(1, layer_.begin, layer_.dim);
        if (!entry_)
            memory_.narrow(0, block * block_rows_, own.size(0)).copy_(own);
        else if (!entry_->has(block))
            entry_->put(block, own.contiguous());
    }
    at::Tensor features() const { return entry_ ? entry_->features() : memory_; }
    const FeatureLayer& layer() const { return layer_; }

  private:
    FeatureLayer layer_;
    int64_t block_rows_;
    at::Tensor memory_;
    std::unique_ptr<FeatureEntry> entry_;
};

at::Tensor tensor_of(const Image& image) {
    return at::tensor(at::ArrayRef<uint8_t>(image.pixels), at::kByte)
        .reshape({1, image.channels, image.height, image.width});
}

std::string size_of(const Image& image) {
    return std::to_string(image.height) + "x" + std::to_string(image.width) +
           (image.channels == 1 ? " gray" : "");
}

/// Features of images [first, first + count), padded to a full block of `batch`.
at::Tensor block_features(const Extractor& extractor, const ImageSource& source, int64_t first, int64_t count,
                          int64_t batch) {
    const std::vector<Image> images = source.read(first, count);
    const auto same_size = [&](const Image& a, const Image& b) {
        return a.channels == b.channels && a.height == b.height && a.width == b.width;
    };
    const bool uniform = std::all_of(images.begin(), images.end(),
                                     [&](const Image& image) { return same_size(image, images[0]); });
    std::vector<at::Tensor> parts;
    for (size_t i = 0; i < images.size(); ++i) {
        if (uniform) {
            parts.push_back(tensor_of(images[i]));
            continue;
        }
        try {
            parts.push_back(extractor.prepare(tensor_of(images[i])));
        } catch (const Error& e) {
            throw Error(e.kind(), e.message(), source.image_name(first + static_cast<int64_t>(i)), e.hint());
        }
        if (parts.back().sizes() != parts[0].sizes())
            throw Error("shape",
                        "the image is " + size_of(images[i]) + ", others are " + size_of(images[0]) +
                            ", and the extractor " + extractor.id() + " does not bring them to one size",
                        source.image_name(first + static_cast<int64_t>(i)),
                        "take them as folder:path=DIR,size=S, which crops and resizes");
    }
    at::Tensor x = at::cat(parts);
    if (uniform) {
        try {
            x = extractor.prepare(x);
        } catch (const Error& e) {
            throw Error(e.kind(), e.message(), source.image_name(first), e.hint());
        }
    }
    if (count < batch) {
        auto shape = x.sizes().vec();
        shape[0] = batch - count;
        x = at::cat({x, at::zeros(shape, x.options())});
    }
    at::Tensor features;
    try {
        features = extractor.network(x).narrow(0, 0, count);
    } catch (const Error& e) {
        throw Error(e.kind(), e.message(), source.name(), e.hint());
    }
    const at::Tensor good = at::isfinite(features).all(1);
    if (!good.all().item<bool>()) {
        const int64_t bad = first + good.logical_not().nonzero()[0][0].item<int64_t>();
        throw Error("number", "its features under " + extractor.id() + " are NaN or infinite",
                    source.image_name(bad), "check the weights of the extractor");
    }
    return features;
}

void say(const std::string& text) {
    std::fprintf(stderr, "schedbench: note: %s\n", text.c_str());
}

}  // namespace

std::map<std::string, at::Tensor> run_feature_pass(const Extractor& extractor, const ImageSource& images,
                                                   const std::vector<std::string>& roles,
                                                   const FeaturePassOptions& options) {
    const c10::NoGradGuard no_gradients;
    SCHEDBENCH_ASSERT(options.batch > 0);
    const int64_t n = images.count();
    const int64_t batch = extractor.block() > 0 ? std::min(options.batch, extractor.block()) : options.batch;
    const FeatureEntry::Note note = options.note ? options.note : say;
    const std::string data_hash = options.cache.folder.empty() ? "" : images.hash();

    // In the order of layers, which all processes share: two that need several entries cannot wait for each
    // other.
    std::vector<std::unique_ptr<LayerSink>> sinks;
    std::string folder = options.cache.folder;
    for (const FeatureLayer& layer : extractor.layers()) {
        if (std::find(roles.begin(), roles.end(), layer.role) == roles.end()) continue;
        const FeatureKey key{
            data_hash, layer.id, extractor.weights_hash(), extractor.pipeline(), extractor.precision(), n,
            layer.dim, batch};
        try {
            sinks.push_back(std::make_unique<LayerSink>(layer, key, folder, note));
        } catch (const Error& e) {
            if (!options.cache.is_default || folder.empty()) throw;
            note("no feature cache: " + e.message() + " (" + e.where() + ")");
            folder.clear();
            sinks.push_back(std::make_unique<LayerSink>(layer, key, folder, note));
        }
    }
    SCHEDBENCH_ASSERT(sinks.size() == roles.size());

    std::vector<int64_t> missing;
    int64_t to_do = 0, done = 0;
    for (int64_t b = 0; b * batch < n; ++b)
        if (std::any_of(sinks.begin(), sinks.end(), [&](const auto& sink) { return sink->lacks(b); })) {
            missing.push_back(b);
            to_do += std::min(batch, n - b * batch);
        }
    Progress progress(options.label, to_do, "images");
    for (const int64_t b : missing) {
        const int64_t first = b * batch, count = std::min(batch, n - first);
        const at::Tensor rows = block_features(extractor, images, first, count, batch);
        for (auto& sink : sinks) sink->put(b, rows);
        done += count;
        progress.update(done);
    }
    progress.finish();
    std::map<std::string, at::Tensor> out;
    for (const auto& sink : sinks) out[sink->layer().role] = sink->features();
    if (!folder.empty()) {
        const CacheSize removed = trim_feature_cache(folder, options.cache.limit);
        if (removed.entries > 0) {
            char text[160];
            std::snprintf(text, sizeof text,
                          "the feature cache was above its limit: %lld least recently used entries "
                          "(%.3g GB) removed (--cache-limit)",
                          static_cast<long long>(removed.entries), static_cast<double>(removed.bytes) * 1e-9);
            note(text);
        }
    }
    return out;
}

}  // namespace schedbench
