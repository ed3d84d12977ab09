// Extractor: uint8 images -> features. Every Frechet distance is a distance *under* an extractor, so it
// carries an id, the hash of its weights and the name of its input pipeline, and all three are stored.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"

namespace schedbench {

/// One feature vector among those that a pass gives: columns [begin, begin + dim) of each row. Its id names
/// it as if it were alone.
struct FeatureLayer {
    std::string role;  ///< "features" (of distances), "logits" (of the Inception score), "spatial" (of sFID)
    std::string id, frechet_name;
    int64_t begin = 0, dim = 0;
};

class Extractor {
  public:
    virtual ~Extractor() = default;
    /// pixels: uint8 [B, C, H, W] on any device -> float32 [B, dim()] on the CPU. Error("shape") if it cannot
    /// take such images.
    virtual at::Tensor features(const at::Tensor& pixels) const = 0;
    /// features() in two halves, so that images of several sizes can share a pass: prepare() brings each
    /// image by itself to the one shape that network() takes.
    virtual at::Tensor prepare(const at::Tensor& pixels) const { return pixels; }
    virtual at::Tensor network(const at::Tensor& prepared) const { return features(prepared); }
    /// What the columns are; several only where the spec asked for several.
    virtual std::vector<FeatureLayer> layers() const {
        return {{"features", id(), frechet_name(), 0, dim()}};
    }
    /// Arithmetic of the network: features of another precision are other features.
    virtual std::string precision() const { return "float32"; }
    /// How far its features are from those in float32, rms over rms, on a few fixed images; 0 in float32.
    virtual double deviation() const { return 0; }
    virtual int64_t dim() const = 0;
    virtual std::string id() const = 0;        ///< "fashion32", "pixels"
    virtual std::string pipeline() const = 0;  ///< what happens to the pixels before the network
    virtual std::string spec() const = 0;      ///< completed spec
    virtual std::string weights_hash() const {
        return "";
    }  ///< SHA-256 of the weight file; "" where there is none
    /// The name of the Frechet distance under this extractor. Only the 2015 Inception network may call it
    /// fid.
    virtual std::string frechet_name() const { return "fd-" + id(); }
    /// Images of one pass of a network with its own limit; features() pads to it. 0: any number.
    virtual int64_t block() const { return 0; }
};

/// classifier:file=F   pixels:size=32,channels=1
/// inception:file=F,pipeline=tf1|pytorch-fid|clean|antialiased[,layer=pool3|spatial|logits|all]
///     [,precision=float32|bf16]
/// dinov2:file=F,pipeline=edm2|dgm-eval   torchscript:file=F[,...] (torchscript_extractor.h)
const std::vector<SpecEntry>& extractor_entries();

/// `device`: where the network runs. Images are resized on the CPU, but for the pipeline tf1, whose
/// arithmetic has the same bits everywhere. Error("spec") for an unknown name or key, Error("file") for
/// weights that cannot be read.
std::unique_ptr<Extractor> make_extractor(const Spec& spec, const std::string& where = "--extractor",
                                          at::Device device = at::kCPU);

/// Features of all images, uint8 [N, C, H, W] -> float32 [N, d], in full blocks of `batch` consecutive images
/// with the last one padded: so an image's features do not depend on how many others there are. An
/// extractor's own block() goes before a larger `batch`.
at::Tensor extract_features(const Extractor& extractor, const at::Tensor& pixels, int64_t batch = 128);

}  // namespace schedbench
