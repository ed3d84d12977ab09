#include "eval/dinov2_extractor.h"

#include <utility>

#include "eval/dinov2.h"
#include "eval/feature_blocks.h"
#include "eval/resize.h"

namespace schedbench {

namespace {

class DinoV2Extractor final : public Extractor {
  public:
    DinoV2Extractor(const Spec& spec, at::Device device)
        : spec_(spec), pipeline_(spec.text("pipeline")), network_(DinoV2::load(spec.text("file"))) {
        network_.move_to(device);
    }
    at::Tensor features(const at::Tensor& pixels) const override { return network(prepare(pixels)); }
    at::Tensor prepare(const at::Tensor& pixels) const override {
        return dinov2_input(pipeline_ == "edm2" ? resize_torch_bicubic(pixels, DinoV2::kImage)
                                                : resize_pillow8(pixels, DinoV2::kImage));
    }
    at::Tensor network(const at::Tensor& prepared) const override {
        return features_in_blocks(prepared, kBlock, dim(), [&](const at::Tensor& x) { return network_(x); });
    }
    int64_t dim() const override { return network_.size().width; }
    std::string id() const override { return network_.name(); }
    std::string pipeline() const override { return pipeline_; }
    std::string spec() const override { return spec_.print(); }
    std::string weights_hash() const override { return network_.weights_hash(); }
    std::string frechet_name() const override { return "fd-" + id() + "[" + pipeline_ + "]"; }
    int64_t block() const override { return kBlock; }

    static constexpr int64_t kBlock = 16;

  private:
    Spec spec_;
    std::string pipeline_;
    DinoV2 network_;
};

}  // namespace

const SpecEntry& dinov2_extractor_entry() {
    using Type = SpecParam::Type;
    static const SpecEntry entry = {
        "dinov2",
        "DINOv2 without registers (published distances: ViT-L/14), whose distance is called "
        "fd-dinov2-vitl14[PIPELINE]",
        "arXiv 2304.07193, 2306.04675",
        {{"file",
          Type::text,
          "",
          "weight file (.safetensors) made by scripts/convert_checkpoint.py",
          {},
          true},
         {"pipeline",
          Type::choice,
          "",
          "whose bicubic resizing to 224 pixels: edm2 (torch, on floats), dgm-eval (Pillow, on bytes)",
          {"edm2", "dgm-eval"},
          true}}};
    return entry;
}

std::unique_ptr<Extractor> make_dinov2_extractor(const Spec& spec, at::Device device) {
    return std::make_unique<DinoV2Extractor>(spec, device);
}

}  // namespace schedbench
