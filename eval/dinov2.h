// DINOv2 (Oquab et al. 2023, arXiv 2304.07193): a vision transformer without labels whose class token is the
// feature vector of FD-DINOv2 (Stein et al. 2023, arXiv 2306.04675). Pre-norm blocks with layer scale,
//     x += g1 * attention(norm1(x)),   x += g2 * mlp(norm2(x)),
// layer-norm epsilon 1e-6, heads of 64 channels, exact GELU. Inference only, without registers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "models/parameters.h"

namespace schedbench {

struct DinoV2Size {
    int64_t width = 1024, depth = 24, mlp = 4096;
    int64_t patch = 14;  ///< pixels a side of a patch
    int64_t grid = 37;   ///< patches a side for which positions were learned
    bool operator==(const DinoV2Size&) const = default;
};

class DinoV2 {
  public:
    static constexpr int64_t kHead = 64;    ///< channels of a head, in every published size
    static constexpr int64_t kImage = 224;  ///< height and width of the input for FD-DINOv2

    /// `tensors`: those of dinov2_shapes(); the size is read off their shapes. Every missing, extra and
    /// misshapen tensor is named in one Error("file"); so are files of the variants with registers and of the
    /// giant with its gated layers, which are other networks.
    DinoV2(const std::map<std::string, at::Tensor>& tensors, const std::string& where);

    /// Reads a safetensors file with the official names, as scripts/convert_checkpoint.py makes it.
    /// Error("file") that says how to get the weights where there is none.
    static DinoV2 load(const std::string& path);

    /// x: float32 or float64 [B, 3, H, W] after dinov2_input(), H and W multiples of the patch, on any device
    /// -> [B, width] on the network's: the class token after the last norm. Error("shape") otherwise.
    at::Tensor operator()(const at::Tensor& x) const;

    /// Positions of rows x columns patches, float32 [1 + rows columns, width]: the class token's, then those
    /// of the patches, bicubic (a = -3/4, no antialiasing) from the learned grid. As published, source
    /// coordinates are (i + 1/2) grid/(rows + 0.1) - 1/2: the 0.1 was to keep a size from being rounded down,
    /// and the weights' published results have it.
    at::Tensor positions(int64_t rows, int64_t columns) const;

    /// Its weights are on the CPU at first.
    void move_to(at::Device device);

    const DinoV2Size& size() const { return size_; }
    const std::string& weights_hash() const { return hash_; }  ///< SHA-256 of the file; "" without one

    /// "dinov2-vits14", "-vitb14", "-vitl14" by width and depth; "dinov2-WIDTHxDEPTH" for others.
    std::string name() const;

  private:
    at::Tensor block(const std::string& name, const at::Tensor& x) const;
    at::Tensor normalised(const std::string& name, const at::Tensor& x) const;

    DinoV2Size size_;
    Parameters parameters_;
    std::string hash_;
};

/// The tensors of a weight file under their official names.
ParameterShapes dinov2_shapes(const DinoV2Size& size);

/// Pixels on the scale 0..255 -> the network's input: (p/255 - mean)/std with ImageNet's mean and deviation.
at::Tensor dinov2_input(const at::Tensor& pixels);

}  // namespace schedbench
