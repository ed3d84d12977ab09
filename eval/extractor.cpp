#include "eval/extractor.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "eval/classifier.h"
#include "eval/dinov2_extractor.h"
#include "eval/feature_blocks.h"
#include "eval/inception.h"
#include "eval/resize.h"
#include "eval/torchscript_extractor.h"

namespace schedbench {

namespace {

class ClassifierExtractor final : public Extractor {
  public:
    ClassifierExtractor(Spec spec, const std::string& path, at::Device device)
        : spec_(std::move(spec)), hash_(sha256_file(path)), classifier_(Classifier::load(path)) {
        classifier_.move_to(device);
        const auto id = classifier_.metadata().find("id");
        if (id == classifier_.metadata().end() || id->second.empty()) {
            throw Error("file", "the metadata lack the classifier's id", path,
                        "make it again with train-features");
        }
        id_ = id->second;
    }
    at::Tensor features(const at::Tensor& pixels) const override {
        return classifier_(pixels).features.to(at::kCPU);
    }
    int64_t dim() const override { return classifier_.architecture().features; }
    std::string id() const override { return id_; }
    std::string pipeline() const override { return "x/127.5-1"; }
    std::string spec() const override { return spec_.print(); }
    std::string weights_hash() const override { return hash_; }

  private:
    Spec spec_;
    std::string hash_, id_;
    Classifier classifier_;
};

/// The 2015 Inception network behind one of its four pipelines. The pipeline is part of the distance's name:
/// "fid[tf1]" and "fid[clean]" are different numbers.
class InceptionExtractor final : public Extractor {
  public:
    InceptionExtractor(Spec spec, const std::string& path, at::Device device)
        : spec_(std::move(spec)),
          layer_(spec_.text("layer")),
          bf16_(spec_.text("precision") == "bf16"),
          pipeline_(parse_pipeline(spec_.text("pipeline"), "inception")),
          network_(load(path, bf16_, device)),
          deviation_(bf16_ ? measured_deviation(path) : 0) {}
    at::Tensor features(const at::Tensor& pixels) const override { return network(prepare(pixels)); }
    at::Tensor prepare(const at::Tensor& pixels) const override {
        return scale_for(pipeline_, resize_for(pipeline_, pixels, Inception::kSize));
    }
    at::Tensor network(const at::Tensor& prepared) const override {
        return features_in_blocks(prepared, block(), dim(), [&](const at::Tensor& x) {
            const Inception::Output o = network_(x);
            return layer_ == "pool3"    ? o.pool3
                   : layer_ == "logits" ? o.logits
                   : layer_ == "all"    ? at::cat({o.pool3, o.logits, o.spatial}, 1)
                                        : o.spatial;
        });
    }
    int64_t dim() const override {
        int64_t total = 0;
        for (const FeatureLayer& layer : layers()) total += layer.dim;
        return total;
    }
    std::string id() const override { return id_of(layer_); }
    std::string pipeline() const override { return pipeline_name(pipeline_); }
    std::string spec() const override { return spec_.print(); }
    std::string weights_hash() const override { return network_.weights_hash(); }
    std::string frechet_name() const override { return layers()[0].frechet_name; }
    std::vector<FeatureLayer> layers() const override {
        std::vector<FeatureLayer> out;
        int64_t begin = 0;
        const auto add = [&](const char* role, const char* layer, const std::string& kind, int64_t size) {
            if (layer_ != layer && layer_ != "all") return;
            out.push_back(
                {role, id_of(layer), kind + (bf16_ ? "-bf16[" : "[") + pipeline() + "]", begin, size});
            begin += size;
        };
        add("features", "pool3", "fid", Inception::kPool3);
        add("logits", "logits", "fd-inception-logits", Inception::kLogits);
        add("spatial", "spatial", "sfid", Inception::kSpatial);
        return out;
    }
    std::string precision() const override { return bf16_ ? "bf16" : "float32"; }
    double deviation() const override { return deviation_; }
    int64_t block() const override { return Inception::kBlock; }

  private:
    static Inception load(const std::string& path, bool bf16, at::Device device) {
        if (bf16 && device.is_cpu()) require_bf16("inception, key precision");
        return Inception::load(path, bf16 ? InceptionPrecision::bf16 : InceptionPrecision::float32, device);
    }
    std::string id_of(const std::string& layer) const {
        return (layer == "pool3" ? "inception" : "inception-" + layer) + (bf16_ ? "-bf16" : "");
    }
    /// Over a few smooth images of several frequencies: rms(bf16 - float32)/rms(float32) of pool3.
    double measured_deviation(const std::string& path) const {
        constexpr int64_t kImages = 4, kSide = Inception::kSize;
        const c10::NoGradGuard no_gradients;
        const at::Tensor wave = at::arange(kSide, at::kFloat) * (2 * 3.14159265 / kSide);
        std::vector<at::Tensor> planes;
        for (int64_t i = 0; i < kImages * 3; ++i)
            planes.push_back((wave * static_cast<double>(i + 1)).sin().unsqueeze(1) *
                             (wave * static_cast<double>(13 - i)).cos().unsqueeze(0));
        const at::Tensor x = at::stack(planes).reshape({kImages, 3, kSide, kSide}) * 0.99;
        const at::Tensor exact = Inception::load(path)(x).pool3;
        return ((network_(x).pool3.to(at::kCPU) - exact).norm() / exact.norm()).item<double>();
    }

    Spec spec_;
    std::string layer_;
    bool bf16_;
    Pipeline pipeline_;
    Inception network_;
    double deviation_;
};

/// Means over an 8 x 8 grid of cells, on the 0..255 scale: exact in float32 for cells of 2^k pixels, so that
/// a test can know every feature. Says nothing about image quality.
class PixelExtractor final : public Extractor {
  public:
    PixelExtractor(Spec spec, int64_t size, int64_t channels)
        : spec_(std::move(spec)), size_(size), channels_(channels) {}
    at::Tensor features(const at::Tensor& pixels) const override {
        if (pixels.scalar_type() != at::kByte || pixels.dim() != 4 || pixels.size(1) != channels_ ||
            pixels.size(2) != size_ || pixels.size(3) != size_) {
            throw Error("shape",
                        "needs uint8 images [B, " + std::to_string(channels_) + ", " + std::to_string(size_) +
                            ", " + std::to_string(size_) + "]",
                        spec(), "set size and channels of the pixels extractor");
        }
        const int64_t cell = size_ / kGrid;
        const auto cells =
            pixels.to(at::kCPU, at::kInt).reshape({-1, channels_, kGrid, cell, kGrid, cell}).sum({3, 5});
        return cells.reshape({pixels.size(0), dim()}).to(at::kFloat) / static_cast<double>(cell * cell);
    }
    int64_t dim() const override { return channels_ * kGrid * kGrid; }
    std::string id() const override { return "pixels"; }
    std::string pipeline() const override { return "mean-8x8"; }
    std::string spec() const override { return spec_.print(); }

    static constexpr int64_t kGrid = 8;

  private:
    Spec spec_;
    int64_t size_, channels_;
};

}  // namespace

const std::vector<SpecEntry>& extractor_entries() {
    using Type = SpecParam::Type;
    static const std::vector<SpecEntry> entries = {
        {"classifier",
         "penultimate layer of a classifier made by train-features; the distance is called fd-<its id>",
         "",
         {{"file", Type::text, "", "weight file (.safetensors)", {}, true}}},
        {"inception",
         "the 2015 Inception network, whose distance is called fid[PIPELINE], of layer=spatial "
         "sfid[PIPELINE]",
         "arXiv 1706.08500",
         {{"file",
           Type::text,
           "",
           "weight file: .safetensors made by scripts/convert_checkpoint.py, or NVIDIA's TorchScript file "
           ".pt",
           {},
           true},
          {"pipeline", Type::choice, "",
           "whose resizing: tf1 (TTUR, torch-fidelity, NVIDIA, ADM), pytorch-fid, clean (clean-fid), "
           "antialiased "
           "(torchmetrics)",
           pipeline_names(), true},
          {"layer",
           Type::choice,
           "pool3",
           "features: pool3 (2048), spatial (2023), logits (1008), all of them in one pass",
           {"pool3", "spatial", "logits", "all"}},
          {"precision",
           Type::choice,
           "float32",
           "bf16: about twice as fast on CPUs with such instructions, but other features, whose distance is "
           "called fid-bf16[PIPELINE]",
           {"float32", "bf16"}}}},
        {"pixels",
         "mean pixels of an 8 x 8 grid, exact: for tests, says nothing about quality",
         "",
         {{"size", Type::integer, "32", "height and width of the images, a multiple of 8"},
          {"channels", Type::integer, "1", "channels of the images"}}},
        dinov2_extractor_entry(),
        torchscript_extractor_entry(),
    };
    return entries;
}

std::unique_ptr<Extractor> make_extractor(const Spec& spec, const std::string& where, at::Device device) {
    const SpecEntry& entry = find_entry(extractor_entries(), spec, "extractors", where);
    Spec full = complete(spec, entry, where);
    if (entry.name == "classifier") {
        const std::string path = full.text("file");
        return std::make_unique<ClassifierExtractor>(std::move(full), path, device);
    }
    if (entry.name == "inception") {
        const std::string path = full.text("file");
        return std::make_unique<InceptionExtractor>(std::move(full), path, device);
    }
    if (entry.name == "dinov2") return make_dinov2_extractor(full, device);
    if (entry.name == "torchscript") return make_torchscript_extractor(full, where, device);
    SCHEDBENCH_ASSERT(entry.name == "pixels");
    const int64_t size = full.integer("size"), channels = full.integer("channels");
    if (size < PixelExtractor::kGrid || size % PixelExtractor::kGrid != 0 || size > 4096 || channels < 1 ||
        channels > 16) {
        throw Error("spec", "pixels needs a size that is a multiple of 8 and 1 to 16 channels", where);
    }
    return std::make_unique<PixelExtractor>(std::move(full), size, channels);
}

at::Tensor extract_features(const Extractor& extractor, const at::Tensor& pixels, int64_t batch) {
    SCHEDBENCH_ASSERT(batch > 0 && pixels.dim() == 4);
    if (extractor.block() > 0) batch = std::min(batch, extractor.block());
    const int64_t n = pixels.size(0);
    const at::Tensor out = at::empty({n, extractor.dim()}, at::kFloat);
    for (int64_t start = 0; start < n; start += batch) {
        const int64_t count = std::min(batch, n - start);
        at::Tensor block = pixels.narrow(0, start, count);
        if (count < batch) {
            auto shape = block.sizes().vec();
            shape[0] = batch - count;
            block = at::cat({block, at::zeros(shape, block.options())});
        }
        out.narrow(0, start, count).copy_(extractor.features(block).narrow(0, 0, count));
    }
    return out;
}

}  // namespace schedbench
