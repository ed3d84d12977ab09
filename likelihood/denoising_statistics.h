// DenoisingStatistics: one pass of T evaluations an image, after which the bits/dim of every path, budget and
// reverse variance are known (notation of schedules/elbo_cost.h). At every level t, over images and noise,
// per dimension:
//
//     M_t = E |x0 - x0hat(x_t, t)|^2      N_t = -E ln p(x0 | x_t)      Gamma_t = E |(x_t - x0hat) /
//     sigma_t|^2 the law of x0 - x0hat, from which N_t of the 8-bit decoders follows for every variance
//     (error_law.h) phi_t, psi_t, E v of networks with variance channels (schedules/learned_variance.h)
//
// and m2 = E |x0|^2, with x_t = x0 + sigma_t z, one draw of z per image and t (purpose `probe`, sample =
// image id, draw = t). Each clip rule has statistics of its own, but one evaluation serves both: x0hat is
// clipped afterwards. N_t has the decoder variance that depends on t only (table_decoder_variance); for a
// learned variance there is a second N_t with exp(v ln b_t + (1 - v) ln btil(1,2)) instead.
//
// Images are measured in blocks of `batch` consecutive ids. Block k belongs to lane k mod 16; sums are kept
// lane by lane, each in the order of its blocks, and added up in the order of lanes. So a pass that was
// stopped goes on with the same bits, and so do ranks, which take whole lanes. Lanes are also the groups from
// which the error of a bound with learned variance is taken, whose terms of each image would be too many to
// keep (49 numbers an image and level).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "core/rank.h"
#include "likelihood/decoder.h"
#include "likelihood/error_law.h"
#include "likelihood/probe_source.h"
#include "models/denoiser.h"
#include "schedules/elbo_cost.h"
#include "schedules/noise_process.h"

namespace schedbench {

struct StatisticsOptions {
    bool clip = true;  ///< x0hat clipped to [-1, 1]
    DecoderKind decoder = DecoderKind::tanh;
    uint64_t seed = 0;
    int64_t batch = 16;     ///< images a block; the last block may be smaller
    bool per_image = true;  ///< keep [n, T] terms, without which paths have no error bar
};

constexpr int kStatisticsLanes = 16;

/// Sums over the images of some blocks.
struct StatisticsLane {
    int64_t images = 0;
    RunningMean second_moment;
    std::vector<RunningMean> error, decoder_nats, gamma;  ///< [T+1]; entry 0 unused
    // Networks with variance channels only, else empty:
    std::vector<RunningMean> learned_decoder_nats;  ///< [T+1]
    std::vector<LaplaceValues> phi, psi;            ///< [T+1] sums over images
    std::vector<double> v;                          ///< [T+1] sums over images
};

struct DenoisingStatistics {
    // What was measured; join_statistics() refuses parts that differ in any of these.
    std::string model, weights, data, data_hash;
    std::string chain_name;     ///< completed spec of the chain, or how its grid was made
    std::vector<double> betas;  ///< [T] of the chain, from which it can be built again
    bool clip = true;
    DecoderKind decoder = DecoderKind::tanh;
    uint64_t seed = 0;

    int64_t images = 0;              ///< images 0 .. images - 1 are in (of a rank: as many of its own)
    int64_t batch = 0;               ///< images a block; 0: not known
    std::vector<RunningMean> error;  ///< [T+1] of per-image squared errors (per dimension); entry 0 unused
    std::vector<RunningMean> decoder_nats;  ///< [T+1] of per-image decoder costs, nats per dimension
    std::vector<RunningMean> gamma;         ///< [T+1] of per-image Gamma, or empty: earlier versions lack it
    std::vector<RunningMean> learned_decoder_nats;     ///< [T+1] with learned variance, or empty
    std::optional<LearnedVarianceStatistics> learned;  ///< of networks with variance channels
    std::vector<ErrorLaw> law;                 ///< [T+1] of 8-bit data, or empty: earlier versions lack it
    std::vector<StatisticsLane> lanes;         ///< [16], or empty: earlier versions lack them
    std::vector<double> second_moment;         ///< [n] mean of x0^2 of each image
    std::vector<float> image_error;            ///< [n, T] per-image squared errors, or empty
    std::vector<float> image_decoder;          ///< [n, T] per-image decoder costs, or empty
    std::vector<float> image_learned_decoder;  ///< [n, T] or empty

    int levels() const { return static_cast<int>(error.size()) - 1; }  ///< T
    NoiseProcess chain() const;                                        ///< the discrete chain
    double m2() const;                                                 ///< mean of second_moment
    /// The bound of the mean statistics: edges, priors, optimal paths. Error("run") if there are no images
    /// yet, Error("number") for a value that cannot be one. `learned_decoder`: with the decoder of learned
    /// variance. `fitted_on`: where fitted variances come from, Error("run") if it is of another model, chain or
    /// clip rule; null: from these statistics.
    ElboChain elbo(bool learned_decoder = false, const DenoisingStatistics* fitted_on = nullptr) const;
    /// The means and m2 from the lanes.
    void add_up_lanes();
    /// What was measured, for hashes and stores: everything but the numbers.
    nlohmann::json identity() const;
};

/// An empty law of the errors at entry t, fine enough for every decoder variance of a path: btil(t, t+1) and
/// larger.
ErrorLaw empty_law(const NoiseProcess& chain, int t, bool clip);

/// Blocks of a rank: whole lanes.
bool block_is_of(const Rank& rank, int64_t block);

/// Parts of all ranks, in their order, for `images` images: the bits of one process. Error("run") if they
/// measured different things, or do not hold all images.
DenoisingStatistics join_statistics(const std::vector<DenoisingStatistics>& parts, int64_t images);

/// The chain on which a model is measured: its own table, or, for a continuous model, `grid` levels uniform
/// in ln sigma over its range (`name` then says so).
struct StatisticsChain {
    NoiseProcess process;
    std::string name;
};
StatisticsChain statistics_chain(const NoiseProcess& model, int grid = 1000);

/// x0hat and v = (o + 1)/2 of the network at entry t: x [B, ...] float64, x = x0 + sigma_t z. Both float64,
/// x0hat not clipped; v is undefined for networks without variance channels.
struct DenoisedLevel {
    at::Tensor x0hat, v;
};
DenoisedLevel denoise_level(const Denoiser& denoiser, const NoiseProcess& chain, int t, const at::Tensor& x,
                            const at::Tensor& labels = {});

/// Statistics of nothing, to which blocks are added. Error("option") for an 8-bit decoder on other data.
DenoisingStatistics empty_statistics(const Denoiser& denoiser, const StatisticsChain& chain,
                                     const ProbeSource& source, const StatisticsOptions& options);

/// Called after every block with the statistics so far; false stops the pass.
using StatisticsProgress = std::function<bool(const DenoisingStatistics& so_far)>;
using RulesProgress = std::function<bool(const std::vector<DenoisingStatistics>& so_far)>;

/// Goes on from `statistics.images` to `images` (0 = all of the source). Error("run") for statistics that
/// cannot be continued: made by an earlier version, or with another batch.
void measure_statistics(DenoisingStatistics& statistics, const Denoiser& denoiser, const ProbeSource& source,
                        const StatisticsOptions& options, int64_t images = 0,
                        const StatisticsProgress& progress = {});
/// Several clip rules from the same evaluations, or a rank's share of the images. Rules that hold fewer
/// images than the others are measured alone until they have caught up. options.clip is not used.
void measure_statistics(std::vector<DenoisingStatistics>& rules, const Denoiser& denoiser,
                        const ProbeSource& source, const StatisticsOptions& options, int64_t images,
                        const Rank& rank, const RulesProgress& progress = {});

}  // namespace schedbench
