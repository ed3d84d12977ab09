// A small convolutional classifier whose penultimate layer serves as a feature extractor: for data on which
// the 2015 Inception network says little (Fashion-MNIST), and for machines without its weights.
//
//     uint8 [B, C, S, S] -> x / 127.5 - 1 -> (3x3 convolution, ReLU) per stage -> mean over the image
//       -> linear: features [B, d] (plain, may be negative) -> ReLU -> linear: logits [B, classes]
//
// The features are taken before the ReLU: the Frechet distance treats them as Gaussian, and clipped ones are
// less so. This is the network as it is used: batch norm, which exists only while it is trained, is folded
// into the convolutions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace schedbench {

struct ConvolutionStage {
    int64_t width = 0;   ///< output channels
    int64_t stride = 1;  ///< 1 or 2; padding 1
    bool operator==(const ConvolutionStage&) const = default;
};

struct ClassifierArchitecture {
    int64_t channels = 1;   ///< of the image
    int64_t size = 32;      ///< height and width of the image
    int64_t features = 32;  ///< d
    int64_t classes = 10;
    std::vector<ConvolutionStage> stages = {{32, 2}, {48, 2}, {48, 1}, {96, 2}, {96, 1}};

    /// "32/2,32,64/2,64": width, and the stride where it is 2.
    std::string print_stages() const;
    /// Inverse of print_stages(); Error("spec").
    static std::vector<ConvolutionStage> parse_stages(std::string_view text, const std::string& where);
    int64_t multiply_adds() const;  ///< of one image
    bool operator==(const ClassifierArchitecture&) const = default;
};

class Classifier {
  public:
    /// Tensors by name: "conv<i>.weight" [out, in, 3, 3], "conv<i>.bias", "features.weight" [d, width],
    /// "features.bias", "logits.weight" [classes, d], "logits.bias". A wrong shape is an Error("shape") that
    /// names the tensor and `where`.
    Classifier(ClassifierArchitecture architecture, std::map<std::string, at::Tensor> tensors,
               std::map<std::string, std::string> metadata, const std::string& where);

    /// Reads a file that save() wrote; a damaged or foreign one is an Error("file").
    static Classifier load(const std::string& path);
    /// Writes safetensors, weights in half precision; the metadata gets the architecture added.
    void save(const std::string& path) const;
    /// The same network with weights rounded to half precision, which is what a file holds.
    Classifier rounded_to_half() const;

    struct Output {
        at::Tensor features;  ///< float32 [B, d]
        at::Tensor logits;    ///< float32 [B, classes]
    };
    /// pixels: uint8 [B, channels, size, size] on any device; the output is where the weights are.
    /// Error("shape") otherwise.
    Output operator()(const at::Tensor& pixels) const;

    /// Its weights are on the CPU at first.
    void move_to(at::Device device);

    const ClassifierArchitecture& architecture() const { return architecture_; }
    const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
    /// What is known of its origin: "id", "data", "data_hash", "accuracy", "seed", "command", ...
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }

  private:
    ClassifierArchitecture architecture_;
    std::map<std::string, at::Tensor> tensors_;  ///< float32
    std::map<std::string, std::string> metadata_;
};

/// The names and shapes of the tensors of an architecture, in a fixed order.
std::vector<std::pair<std::string, std::vector<int64_t>>> classifier_tensor_shapes(
    const ClassifierArchitecture& a);

}  // namespace schedbench
