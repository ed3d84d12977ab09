// The four ways in which public tools bring an image to the 299 x 299 pixels of the 2015 Inception network,
// reproduced with their quirks: a Frechet distance depends on the resizer by more than most models differ.
//
//   tf1          TensorFlow 1 bilinear without half pixels (align_corners = false): output j looks at source
//                coordinate j in/out, so the image moves by up to half a source pixel. float32, every
//                operation rounded by itself.                                       TTUR, torch-fidelity,
//                NVIDIA, ADM
//   pytorch-fid  torch bilinear with half pixels, no antialiasing, on pixels / 255         pytorch-fid,
//   dgm-eval clean        Pillow's antialiased bicubic (a = -0.5) on each channel as float32, clipped to
//   0..255, not
//                rounded                                                                           clean-fid
//   antialiased  torch bilinear with antialiasing and half pixels                     torchmetrics since 1.8
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace schedbench {

enum class Pipeline { tf1, pytorch_fid, clean, antialiased };

/// "tf1", "pytorch-fid", "clean", "antialiased", in the order of the enumeration.
const std::vector<std::string>& pipeline_names();
/// Inverse of pipeline_names(); Error("spec").
Pipeline parse_pipeline(const std::string& name, const std::string& where);
const std::string& pipeline_name(Pipeline pipeline);

/// uint8 [B, C, H, W], C = 1 (repeated to three) or 3, any H and W -> float32 [B, 3, size, size] on the scale
/// 0..255, except pytorch-fid, whose scale is 0..1. Error("shape") for anything else.
at::Tensor resize_for(Pipeline pipeline, const at::Tensor& pixels, int64_t size);

/// What resize_for() gave -> the network's input: (x - 128)/128 (so white is 0.9921875), for pytorch-fid
/// 2x - 1.
at::Tensor scale_for(Pipeline pipeline, const at::Tensor& resized);

/// Two more bicubic resizers (a = -0.5, antialiased), of DINOv2's tools; uint8 [B, 1 or 3, H, W] -> float32
/// [B, 3, size, size] on the scale 0..255. pillow8 is Pillow's on 8-bit images: weights as integers of 22
/// fractional bits, rounded and clipped to bytes after each of the two passes. torch_bicubic is torch's on
/// floats, neither rounded nor clipped.
at::Tensor resize_pillow8(const at::Tensor& pixels, int64_t size);
at::Tensor resize_torch_bicubic(const at::Tensor& pixels, int64_t size);

}  // namespace schedbench
