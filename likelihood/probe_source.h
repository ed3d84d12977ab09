// ProbeSource: the data that likelihoods and learners look at, asked for by id, so that nothing depends on
// the size of a block: images of a data set, or draws of an exact target.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/denoiser.h"
#include "models/exact.h"

namespace schedbench {

class ProbeSource {
  public:
    virtual ~ProbeSource() = default;
    virtual int64_t count() const = 0;
    virtual at::Tensor images(
        std::span<const int64_t> ids) const = 0;  ///< [n, shape...] float64, bytes as byte/127.5 - 1
    virtual at::Tensor labels(std::span<const int64_t> ids) const = 0;  ///< [n] int64, or undefined
    virtual bool eight_bit() const = 0;  ///< the data are bytes: 8-bit decoders make sense
    virtual std::string spec() const = 0;
    virtual std::string hash() const = 0;  ///< names the data in the store
};

/// The data set must outlive the source. limit > 0: only the first `limit` images.
std::unique_ptr<ProbeSource> dataset_source(const Dataset& dataset, int64_t limit = 0);
/// How many draws of an exact target stand in for a data set where nobody says another number.
constexpr int64_t kExactDraws = 4096;
/// `count` draws of the target's data under this seed, in the target's shape or in another one of as many
/// elements (networks want [d, 1, 1]).
std::unique_ptr<ProbeSource> exact_source(std::shared_ptr<const ExactTarget> target, int64_t count,
                                          uint64_t seed = 0, std::vector<int64_t> shape = {});

/// Error("shape") if the images do not fit the model, Error("option") if it needs labels that the data do not
/// have.
void check_probes(const ProbeSource& source, const Denoiser& denoiser);
/// The labels the model wants: the data's, or none for an unconditional model.
at::Tensor probe_labels(const ProbeSource& source, const Denoiser& denoiser, std::span<const int64_t> ids);
/// x0 + sigma z, z from purpose `probe` of (seed, noise id, draw).
at::Tensor noised(const at::Tensor& x0, double sigma, uint64_t seed, std::span<const int64_t> noise_ids,
                  uint32_t draw);

}  // namespace schedbench
