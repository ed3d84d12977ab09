#include "eval/torchscript_extractor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/torchscript.h"
#include "eval/feature_blocks.h"
#include "eval/resize.h"

namespace schedbench {

namespace {

/// What the file is called, without folder and ending, in characters that a metric's name may have.
std::string name_of(const Spec& spec, const std::string& where) {
    std::string name = spec.text("name");
    const bool given = !name.empty();
    if (!given) name = std::filesystem::path(spec.text("file")).stem().string();
    for (char& c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || c == '.';
        if (plain) continue;
        if (given)
            throw Error("spec", "a name is made of letters, digits and -_. only", where + ", key name");
        c = '-';
    }
    return name;
}

/// "a,!b" -> a on, b off.
std::map<std::string, bool> flags_of(const Spec& spec) {
    std::map<std::string, bool> out;
    const std::string text = spec.text("flags");
    for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        const bool off = text[start] == '!';
        const std::string flag = text.substr(start + (off ? 1 : 0), end - start - (off ? 1 : 0));
        if (!flag.empty()) out[flag] = !off;
        start = end + 1;
    }
    return out;
}

class TorchScriptExtractor final : public Extractor {
  public:
    TorchScriptExtractor(const Spec& spec, const std::string& where, at::Device device)
        : spec_(spec),
          name_(name_of(spec, where)),
          size_(spec.integer("size")),
          resize_(parse_pipeline(spec.text("resize"), where + ", key resize")),
          range_(spec.numbers("range")),
          flags_(flags_of(spec)),
          network_(TorchScript::load(spec.text("file"), device)) {
        if (size_ < 0 || size_ > 4096) throw Error("spec", "size is 0 to 4096 pixels", where + ", key size");
        if (range_.size() != 2 || !(range_[0] < range_[1]))
            throw Error("spec", "range is [LOW,HIGH] with LOW < HIGH", where + ", key range");
        mean_ = channels(spec, "mean", where);
        std_ = channels(spec, "std", where);
        if (!(std_ > 0).all().item<bool>())
            throw Error("spec", "needs three numbers above 0", where + ", key std");
        const int64_t side = size_ > 0 ? size_ : kProbe;
        const at::Tensor probe = run(prepare(at::zeros({2, 3, side, side}, at::kByte)));
        dim_ = probe.size(1);
    }
    at::Tensor features(const at::Tensor& pixels) const override { return network(prepare(pixels)); }
    at::Tensor prepare(const at::Tensor& pixels) const override {
        at::Tensor x;
        if (size_ > 0) {
            x = resize_for(resize_, pixels, size_);
            if (resize_ == Pipeline::pytorch_fid) x = x * 255;
        } else {
            if (pixels.dim() != 4 || pixels.scalar_type() != at::kByte ||
                (pixels.size(1) != 1 && pixels.size(1) != 3))
                throw Error("shape", "needs uint8 images [B, 1 or 3, H, W]", spec());
            x = pixels.to(at::kCPU, at::kFloat)
                    .expand({pixels.size(0), 3, pixels.size(2), pixels.size(3)})
                    .contiguous();
        }
        if (range_[0] != 0 || range_[1] != 255) x = x * ((range_[1] - range_[0]) / 255) + range_[0];
        return (x - mean_) / std_;
    }
    at::Tensor network(const at::Tensor& prepared) const override {
        return features_in_blocks(prepared, kBlock, dim_, [&](const at::Tensor& block) {
            at::Tensor rows = run(block);
            if (rows.size(1) != dim_)
                throw Error("shape",
                            "gives " + std::to_string(rows.size(1)) + " features for this size of image, " +
                                std::to_string(dim_) + " for others",
                            network_.path(), "set size");
            return rows;
        });
    }
    int64_t dim() const override { return dim_; }
    std::string id() const override { return "torchscript-" + name_; }
    std::string pipeline() const override {
        std::string out = size_ > 0 ? pipeline_name(resize_) + "-" + std::to_string(size_) : "own-size";
        for (const char* key : {"range", "mean", "std", "flags"})
            if (const SpecValue* value = spec_.find(key))
                out += std::string(",") + key + "=" + value->print();
        return out;
    }
    std::string spec() const override { return spec_.print(); }
    std::string weights_hash() const override { return network_.hash(); }
    int64_t block() const override { return kBlock; }

    static constexpr int64_t kBlock = 16;
    /// Side of the image that tells the number of features where the network takes any.
    static constexpr int64_t kProbe = 299;

  private:
    static at::Tensor channels(const Spec& spec, const char* key, const std::string& where) {
        const std::vector<double> values = spec.numbers(key);
        if (values.size() != 3) throw Error("spec", "needs three numbers", where + ", key " + key);
        return at::tensor(values, at::kDouble).to(at::kFloat).reshape({1, 3, 1, 1});
    }
    at::Tensor run(const at::Tensor& x) const {
        const at::Tensor rows = network_.call({x.to(network_.device())}, flags_);
        if (rows.dim() < 2 || rows.size(0) != x.size(0) || !rows.is_floating_point())
            throw Error("model", "gives no floating-point row of features for each image", network_.path(),
                        "a network that gives classes may have a flag for features: flags=return_features");
        return rows.reshape({rows.size(0), -1}).to(at::kFloat);
    }

    Spec spec_;
    std::string name_;
    int64_t size_, dim_ = 0;
    Pipeline resize_;
    std::vector<double> range_;
    std::map<std::string, bool> flags_;
    TorchScript network_;
    at::Tensor mean_, std_;
};

}  // namespace

const SpecEntry& torchscript_extractor_entry() {
    using Type = SpecParam::Type;
    static const SpecEntry entry = {
        "torchscript",
        "any feature network written by torch.jit.save; the file is a program that runs with your rights: "
        "use "
        "only files you trust; the distance is called fd-torchscript-NAME",
        "",
        {{"file", Type::text, "", "TorchScript file", {}, true},
         {"name", Type::text, "", "name in results (default: the file's)"},
         {"size", Type::integer, "0",
          "pixels a side that the images are resized to; 0: as they are, the network "
          "resizes"},
         {"resize", Type::choice, "antialiased", "whose resizing, where size is given", pipeline_names()},
         {"range", Type::numbers, "[0,255]", "what bytes 0 and 255 become"},
         {"mean", Type::numbers, "[0,0,0]", "subtracted after that, a number a channel"},
         {"std", Type::numbers, "[1,1,1]", "divided by after that, a number a channel"},
         {.key = "flags",
          .type = Type::text,
          .fallback = "",
          .help = "boolean inputs to set: NAME on, !NAME off, as in [return_features,!resize]",
          .list_as_text = true}}};
    return entry;
}

std::unique_ptr<Extractor> make_torchscript_extractor(const Spec& spec, const std::string& where,
                                                      at::Device device) {
    return std::make_unique<TorchScriptExtractor>(spec, where, device);
}

}  // namespace schedbench
