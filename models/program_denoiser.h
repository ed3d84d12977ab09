// Any network as a Denoiser, out of a compiled program: image and time, or image, time and label, each with a
// batch axis, on float32, in one tensor out. What such a program predicts is said beside it.
//
// On a table of T levels the network is told the variance-preserving image y = x / sqrt(1 + sigma^2) and the
// index t = 0 .. T-1 (or t 1000/T), as Ho et al. 2020 train; on a range of levels the image x itself and
// sigma, as the wrappers of Karras et al. 2022 take it. With alpha = 1/sqrt(1 + sigma^2) and s = sigma alpha,
// x0hat is
//
//               table (of y)                    range (of x)
//     x0        N                               N
//     eps       x - sigma N                     x - sigma N
//     v         alpha y - s N                   -                  (Salimans & Ho 2022, arXiv 2202.00512)
//     score     (y + s^2 N) / alpha             x + sigma^2 N      (Song et al. 2021, arXiv 2011.13456)
//     edm       -                               c_skip x + c_out N, N of (c_in x, ln(sigma)/4)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

struct NetworkProgram {
    /// (image [B, channels, size, size], time [B], perhaps labels [B] int64 or one-hot rows) -> like the
    /// image, or with twice as many channels.
    std::function<at::Tensor(const std::vector<at::Tensor>&)> call;
    int64_t channels = 0, size = 0, classes = 0;
    bool differentiable = false;
    std::string path, hash;
    at::Device device = at::kCPU;
    /// The same program on another device; empty: it cannot leave its own.
    std::function<NetworkProgram(at::Device)> moved{};
};

/// Keys of a spec that say what a program predicts: prediction, process, range, labels, rescale and
/// sigma-data.
std::vector<SpecParam> program_params();

/// Calls the program once. Error("spec") for keys that contradict each other, Error("model") for another
/// shape.
std::shared_ptr<const Denoiser> make_program_denoiser(const Spec& completed, NetworkProgram program,
                                                      const std::string& where);

}  // namespace schedbench
