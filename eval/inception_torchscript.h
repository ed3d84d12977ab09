// The weights of the 2015 Inception network out of the TorchScript file that NVIDIA's tools use
// (inception-2015-12-05.pt; StyleGAN2-ADA, StyleGAN3, EDM). Only its tensors are taken, the network is our
// own: so all four pipelines, sFID and the Inception score come from it as from a safetensors file.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "core/torchscript.h"

namespace schedbench {

/// The file's name of a layer: TensorFlow's scope with dots, flattened with underscores in the two last
/// blocks. "Mixed_5b.branch5x5_1" -> "layers.mixed.tower.conv".
std::string nvidia_layer_name(const std::string& layer);

/// The 472 tensors of inception_shapes(). Its layers hold weight, beta, mean and var: there is no gamma,
/// which is thereby 1. Every missing and extra tensor is named in one Error("file"); shapes are checked by
/// Inception.
std::map<std::string, at::Tensor> inception_tensors(const TorchScript& file);

}  // namespace schedbench
