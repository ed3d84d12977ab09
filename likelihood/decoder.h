// The decoder: -ln p(x0 | x_t) of the last term of the bound, a Gaussian around x0hat, for 8-bit data or as a
// density.
//
// 8-bit (Ho et al. 2020, eq. 13; improved-diffusion): x0 = byte/127.5 - 1, sd = sqrt(v), h = 1/255,
//     P = Phi((x0 - m + h)/sd) - Phi((x0 - m - h)/sd),  lower bin open below, upper bin open above,  P >=
//     1e-12
// `tanh` uses Phi(z) ~ (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))/2, which all published numbers do; `erf` the
// exact Phi. Everything is float64, and upper tails are taken by symmetry: in float32 one pixel in a tail
// moves the result.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace schedbench {

enum class DecoderKind {
    tanh,     ///< 8-bit bins, tanh form of Phi
    erf,      ///< 8-bit bins, exact Phi
    density,  ///< Gaussian density of continuous data; bits/dim then get log2(127.5) for the bins of [-1, 1]
};

std::string decoder_name(DecoderKind kind);
DecoderKind parse_decoder(const std::string& name,
                          const std::string& where);  ///< Error("spec") for another name

/// ln P of one element in nats; byte 0..255. Only for the two 8-bit kinds.
double discrete_log_likelihood(int byte, double mean, double ln_sd, DecoderKind kind);

/// Where a byte lies: the bins of 0 and 255 are open.
enum class BytePlace { lower, inside, upper };
/// -ln P in nats of one element of an 8-bit kind: error = x0 - mean, inverse = 1/sd.
double element_cost(BytePlace place, double error, double inverse, DecoderKind kind);

/// Mean of -ln p over the elements of each sample, nats per dimension, float64 [B]. x0, mean: [B, ...]
/// float64.
at::Tensor decoder_cost(const at::Tensor& x0, const at::Tensor& mean, double variance, DecoderKind kind);
/// The same with a variance of each element, [B, ...] float64 (learned variances).
at::Tensor decoder_cost(const at::Tensor& x0, const at::Tensor& mean, const at::Tensor& variance,
                        DecoderKind kind);

}  // namespace schedbench
