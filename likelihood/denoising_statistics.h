// DenoisingStatistics: one pass of T evaluations an image, after which the bits/dim of every path and budget
// are known (notation of schedules/elbo_cost.h):
//
//     M_t = E |x0 - x0hat(x_t, t)|^2 / d,    N_t = -E ln p(x0 | x_t) / d,    m2 = E |x0|^2 / d
//     Gamma_t = E |(x_t - x0hat) / sigma_t|^2 / d      (of the predicted noise; Bao et al. 2022, arXiv 2201.06503)
//
// with x_t = x0 + sigma_t z, one draw of z per image and t (purpose `probe`, sample = image id, draw = t),
// x0hat after clipping where that is asked for. N_t uses the decoder variance that depends on t only
// (table_decoder_variance).
//
// The pass is made in blocks of images, in order; statistics of consecutive blocks are appended to one
// another, so a pass that was stopped goes on at `images` and gives the same bits. All fields are plain
// vectors that a store can keep.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "likelihood/decoder.h"
#include "likelihood/probe_source.h"
#include "models/denoiser.h"
#include "schedules/elbo_cost.h"
#include "schedules/noise_process.h"

namespace schedbench {

struct StatisticsOptions {
    bool clip = true;  ///< x0hat clipped to [-1, 1]
    DecoderKind decoder = DecoderKind::tanh;
    uint64_t seed = 0;
    int64_t batch = 64;     ///< images a block; the last block may be smaller
    bool per_image = true;  ///< keep [n, T] terms, without which paths have no error bar
};

struct DenoisingStatistics {
    // What was measured; append() refuses blocks that differ in any of these.
    std::string model, weights, data, data_hash;
    std::string chain_name;     ///< completed spec of the chain, or how its grid was made
    std::vector<double> betas;  ///< [T] of the chain, from which it can be built again
    bool clip = true;
    DecoderKind decoder = DecoderKind::tanh;
    uint64_t seed = 0;

    int64_t images = 0;              ///< images 0 .. images - 1 are in
    std::vector<RunningMean> error;  ///< [T+1] of per-image squared errors (per dimension); entry 0 unused
    std::vector<RunningMean> decoder_nats;  ///< [T+1] of per-image decoder costs, nats per dimension
    std::vector<RunningMean> gamma;  ///< [T+1] of per-image Gamma, or empty: those of earlier versions lack it
    std::vector<double> second_moment;      ///< [n] mean of x0^2 of each image
    std::vector<float> image_error;         ///< [n, T] per-image squared errors, or empty
    std::vector<float> image_decoder;       ///< [n, T] per-image decoder costs, or empty

    int levels() const { return static_cast<int>(error.size()) - 1; }  ///< T
    NoiseProcess chain() const;                                        ///< the discrete chain
    double m2() const;                                                 ///< mean of second_moment
    /// The bound of the mean statistics: edges, priors, optimal paths. Error("run") if there are no images
    /// yet.
    ElboChain elbo() const;
    /// Takes the block that follows this one. Error("run") if it measured something else.
    void append(const DenoisingStatistics& next);
    /// What was measured, for hashes and stores: everything but the numbers.
    nlohmann::json identity() const;
};

/// The chain on which a model is measured: its own table, or, for a continuous model, `grid` levels uniform
/// in ln sigma over its range (`name` then says so).
struct StatisticsChain {
    NoiseProcess process;
    std::string name;
};
StatisticsChain statistics_chain(const NoiseProcess& model, int grid = 1000);

/// M, N and Gamma of each image at entry t: x0 [B, ...] float64, x = x0 + sigma_t z.
struct DenoisingTerms {
    at::Tensor error, decoder, gamma;  ///< [B] float64
    at::Tensor x0hat;           ///< [B, ...] float64, clipped if asked for
};
DenoisingTerms denoising_terms(const Denoiser& denoiser, const NoiseProcess& chain, int t,
                               const at::Tensor& x0, const at::Tensor& x, const at::Tensor& labels,
                               const StatisticsOptions& options);

/// Statistics of nothing, to which blocks are appended. Error("option") for an 8-bit decoder on other data.
DenoisingStatistics empty_statistics(const Denoiser& denoiser, const StatisticsChain& chain,
                                     const ProbeSource& source, const StatisticsOptions& options);

/// Called after every block with the number of images done; false stops the pass (statistics so far come
/// back).
using StatisticsProgress = std::function<bool(const DenoisingStatistics& so_far)>;

/// Goes on from `statistics.images` to `images` (0 = all of the source).
void measure_statistics(DenoisingStatistics& statistics, const Denoiser& denoiser, const ProbeSource& source,
                        const StatisticsOptions& options, int64_t images = 0,
                        const StatisticsProgress& progress = {});

}  // namespace schedbench
