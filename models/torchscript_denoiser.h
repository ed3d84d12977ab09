// Any network as a Denoiser, out of a TorchScript file: forward(image, time) or forward(image, time, label),
// each with a batch axis, on float32.
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
//
// Such a file is a program: it is run with the rights of the user, as a script would be.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

const std::vector<SpecEntry>& torchscript_entries();

/// Error("spec") for keys that contradict each other, Error("file") for a file that is no program or takes
/// another number of inputs.
std::shared_ptr<const Denoiser> load_torchscript(const Spec& completed, const std::string& where);

}  // namespace schedbench
