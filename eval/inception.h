// The 2015 Inception network under the Frechet inception distance (Heusel et al. 2017, arXiv 1706.08500): the
// variant of Inception v3 (Szegedy et al. 2015, arXiv 1512.00567) whose graph TensorFlow published in
// December 2015. It departs from the later public ones in two ways: stride-1 average pools do not count
// padded zeros, and the pool branch of the last block takes the maximum. Inference only; batch norm (epsilon
// 1e-3) is folded into the convolutions in double precision when the weights are read.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "core/profile.h"
#include "models/parameters.h"

namespace schedbench {

/// The 472 tensors of a weight file under the names that pytorch-fid and torch-fidelity use: conv.weight
/// [out, in, kh, kw], bn.weight, bn.bias, bn.running_mean and bn.running_var of 94 layers, fc.weight
/// [1008, 2048], fc.bias.
ParameterShapes inception_shapes();

/// bf16: weights and activations of 8 significant bits with sums in float32, for CPUs that have instructions
/// for it. Its features differ from float32's by about half a percent: they are other features, for quick
/// looks.
enum class InceptionPrecision { float32, bf16 };

class Inception {
  public:
    static constexpr int64_t kSize = 299;      ///< height and width of the input
    static constexpr int64_t kPool3 = 2048;    ///< features of FID, KID, precision and recall
    static constexpr int64_t kLogits = 1008;   ///< of the Inception score
    static constexpr int64_t kSpatial = 2023;  ///< 17 x 17 x 7: features of sFID
    /// Images of one pass for which it is laid out; any number works. Its activations take about 15 MB an
    /// image, and fewer images cost more time each.
    static constexpr int64_t kBlock = 16;

    /// `tensors`: those of inception_shapes(); entries named *.num_batches_tracked may be there too. Every
    /// missing, extra and misshapen tensor is named in one Error("file"); a negative variance is an
    /// Error("number").
    Inception(const std::map<std::string, at::Tensor>& tensors, const std::string& where,
              InceptionPrecision precision = InceptionPrecision::float32, at::Device device = at::kCPU);

    /// Reads a safetensors file, as scripts/convert_checkpoint.py makes it, or (name ending in .pt) NVIDIA's
    /// TorchScript file, which is a program (core/torchscript.h). Error("file") that says how to get the
    /// weights where there is none.
    static Inception load(const std::string& path, InceptionPrecision precision = InceptionPrecision::float32,
                          at::Device device = at::kCPU);

    struct Output {
        at::Tensor pool3;    ///< [B, 2048], mean over 8 x 8
        at::Tensor logits;   ///< [B, 1008], without the bias
        at::Tensor spatial;  ///< [B, 2023]: first 7 channels of Mixed_6d.branch1x1, index (y 17 + x) 7 + c
    };
    /// x: float32 [B, 3, 299, 299] after scale_for(), on any device -> float32 on the network's.
    /// Error("shape") otherwise.
    Output operator()(const at::Tensor& x) const;

    const std::string& weights_hash() const { return hash_; }  ///< SHA-256 of the file; "" without one
    /// What the weights are known to be, by hash: "the published network (...)", "synthetic test weights", or
    /// "unknown weights".
    const std::string& origin() const { return origin_; }

  private:
    struct Layer {
        at::Tensor weight, bias;
        int64_t stride = 1, pad_y = 0, pad_x = 0;
    };
    at::Tensor convolve(const std::string& name, const at::Tensor& x, bool relu = true) const;
    at::Tensor pooled(const std::string& name, const at::Tensor& x) const;
    at::Tensor block_a(const std::string& name, const at::Tensor& x) const;
    at::Tensor block_b(const std::string& name, const at::Tensor& x) const;
    at::Tensor block_c(const std::string& name, const at::Tensor& x, at::Tensor* first = nullptr) const;
    at::Tensor block_d(const std::string& name, const at::Tensor& x) const;
    at::Tensor block_e(const std::string& name, const at::Tensor& x, bool max_pool) const;

    InceptionPrecision precision_;
    at::Device device_;
    bool fused_;  ///< oneDNN's weights and convolutions
    std::map<std::string, Layer> layers_;
    at::Tensor classes_;  ///< fc.weight
    std::string hash_, origin_;
};

}  // namespace schedbench
