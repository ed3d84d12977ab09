// Likelihood by the probability-flow ODE: Song et al. 2021 (arXiv 2011.13456, section 4.3 and appendix D.2),
// in the variance-exploding form of Karras et al. 2022 (arXiv 2206.00364, eq. 1 with s = 1, sigma(t) = t):
//
//     dx/dsigma = (x - D(x; sigma)) / sigma,                                   x(sigma_min) = x0,
//     ln p(x0) = ln p_T(x(sigma_max)) + integral of div over [sigma_min, sigma_max],  div = (d - tr dD/dx) /
//     sigma
//
// It is the density of the model's flow at level sigma_min, not at 0: for exact models the data density
// blurred by sigma_min. What is integrated is the same flow in other variables, u = ln sigma and z = x / s,
// s^2 = 1 + sigma^2 (the variance-preserving state, of order one at all levels):
//
//     dz/du = z / s^2 - D / s,      div_z = d / s^2 - tr dD/dx,
//     integral of div = integral of div_z du + d ln(s(sigma_max) / s(sigma_min)).
//
// Bytes. Uniform dequantisation (Theis et al. 2016, arXiv 1511.01844, section 3.1): -log2 P(byte) is at most
// the mean over u of -log2 p(x) - log2(bin width), by Jensen, if x is uniform over the byte's bin. So, per
// dimension,
//     bits/dim = -ln p(x) / (d ln 2) + offset,     offset = -log2(bin width):
//   of256:   x = (byte + u) / 128 - 1, bins of 1/128 that tile [-1, 1]: offset 7. The published rule (Song et
//   al.);
//            its bins are not centred on byte / 127.5 - 1, where our networks saw the byte in training.
//   centred: x = (byte + u - 1/2) / 127.5 - 1, bins of 1/127.5 around them: offset log2(127.5) = 6.99435.
//   none:    x as it is: differential bits/dim of continuous data, offset 0.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "likelihood/dormand_prince.h"
#include "likelihood/probe_source.h"

namespace schedbench {

enum class Dequantisation { none, of256, centred };
enum class DivergenceRule { automatic, exact, hutchinson };  ///< automatic: exact up to 16 dimensions

Dequantisation parse_dequantisation(const std::string& name,
                                    const std::string& where);  ///< none, 256, centred
std::string dequantisation_name(Dequantisation rule);
double dequantisation_offset(Dequantisation rule);  ///< bits/dim
DivergenceRule parse_divergence(const std::string& name,
                                const std::string& where);  ///< auto, exact, hutchinson

/// The density at sigma_max: N(0, (sigma_max^2 + second_moment) I), or the exact target's own.
struct LatentPrior {
    /// Negative: 1 for a table, which is N(0, I) of the variance-preserving state; 0 for a continuous
    /// process, as Song et al. have it for the variance-exploding form.
    double second_moment = -1;
    bool exact = false;  ///< log_density() of an ExactTarget; Error("option") for other models
};

struct OdeLikelihoodOptions {
    double sigma_min = 0, sigma_max = 0;  ///< 0: the ends of the model's process
    LatentPrior prior;
    StepControl control;  ///< of z, and of each probe's integral of div_z per dimension (nats)
    DivergenceRule divergence = DivergenceRule::automatic;
    int probes = 5;           ///< Rademacher probes, at least 5; each is held over a whole trajectory
    int dequantisations = 1;  ///< draws of u an image; of continuous data 1
    Dequantisation rule = Dequantisation::of256;
    int64_t batch = 16;  ///< trajectories a call
    uint64_t seed = 0;
};

/// Trajectories of given points.
struct OdeTrajectories {
    at::Tensor latent;                 ///< [B, shape...] float64, x at sigma_max
    at::Tensor log_prior;              ///< [B] nats, of the latent
    at::Tensor divergence;             ///< [B, P] nats, integral of div by each probe; exact: [B, 1]
    at::Tensor log_density;            ///< [B, P] nats
    std::vector<int64_t> evaluations;  ///< [B] of the model, counted where it is called
    int64_t products = 0;              ///< vector-Jacobian products, in calls
};

/// ln p of x [B, shape...] float64; probes [B, P, d], or undefined for the exact divergence.
OdeTrajectories integrate_flow(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& labels,
                               const at::Tensor& probes, const OdeLikelihoodOptions& options);

struct OdeImage {
    int64_t id = 0;
    double bits_per_dim = 0;  ///< mean over probes and dequantisations
    double log_density = 0;   ///< nats, the same mean, before the offset
    double probe_se =
        0;  ///< bits/dim: of the mean, from the spread between probes; 0 for the exact divergence
    int64_t evaluations = 0;  ///< of all its trajectories
};

struct OdeLikelihood {
    std::vector<OdeImage> images;
    Estimate bits_per_dim;  ///< se over images; the error by probes and dequantisation is part of it
    double probe_se = 0;    ///< the part of that se which comes from the probes
    double offset = 0;      ///< bits/dim
    bool exact_divergence = false;
    int probes = 0;  ///< 0 for the exact divergence
    double sigma_min = 0, sigma_max = 0;
    std::string prior;     ///< in words
    int64_t calls = 0;     ///< batched evaluations, by CountingDenoiser
    int64_t products = 0;  ///< batched vector-Jacobian products
    double seconds = 0;    ///< in the model, forward
};

/// Images `first` to `first + count - 1` of the source. u and the probes are draws of purpose `probe` of
/// (seed, image id): draw 65536 k is u of dequantisation k, draw 65536 k + 1 + p probe p of its trajectory,
/// so an image's value does not depend on the other images. `progress` gets the number of images done.
/// Error("option") for a model without derivatives, Error("number") for options out of range.
OdeLikelihood measure_ode_likelihood(const std::shared_ptr<const Denoiser>& denoiser,
                                     const ProbeSource& source, int64_t first, int64_t count,
                                     const OdeLikelihoodOptions& options,
                                     const std::function<void(int64_t)>& progress = nullptr);

}  // namespace schedbench
