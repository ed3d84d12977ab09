// Sampler: (denoiser, schedule, noise, block of sample ids) -> x at the last level.
//
// Samplers work on x in the variance-exploding form, float64 (the arithmetic costs nothing beside the
// network), from latents z ~ N(0, I): x starts as sigma_0 z. A schedule that ends at 0 gives x0. History is
// the sampler's own state, inside one call of sample(). NFE is what the model wrapper counts.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/normal_draws.h"
#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"
#include "schedules/schedule.h"

namespace schedbench {

/// Noise for a block of samples. latent(): draw 0 of purpose `latent`; step(i): draw i of purpose `step`, so
/// that two schedules share noise where step indices agree. Both return float64 [B, shape...], on the device that
/// the noise was made for: the model's.
class BlockNoise {
  public:
    virtual ~BlockNoise() = default;
    virtual at::Tensor latent() const = 0;
    virtual at::Tensor step(uint32_t draw) const = 0;
    /// The k-th further draw of a step, k = 1..4095, for samplers that need more than one. Error("option") if the
    /// policy cannot give it.
    virtual at::Tensor extra(uint32_t step, uint32_t k) const = 0;
    /// Classes of the block for a model of `classes` classes, [B] int64; undefined for an unconditional
    /// model.
    virtual at::Tensor labels(int64_t /*classes*/) const { return {}; }
};

/// The counter-based policy (core/noise.h): value = g(seed, purpose, sample id, draw, element).
class PhiloxNoise final : public BlockNoise {
  public:
    PhiloxNoise(uint64_t seed, std::vector<int64_t> sample_ids, std::vector<int64_t> shape,
                at::Device device = at::kCPU);
    at::Tensor latent() const override;
    at::Tensor step(uint32_t draw) const override;
    at::Tensor extra(uint32_t step, uint32_t k) const override;
    at::Tensor labels(int64_t classes) const override;

  private:
    uint64_t seed_;
    std::vector<int64_t> ids_;
    NormalDraws draws_;
};

/// The policy of EDM's generate.py, to replay published seeds: one ATen generator a sample on the device, seeded with
/// (seed + id) mod 2^32 (so the numbers are those of the same type of device); draws in its order: latent (float32), label if the model has classes, then one draw
/// a step (float64), also for steps that do not use it.
class EdmNoise final : public BlockNoise {
  public:
    EdmNoise(uint64_t seed, std::vector<int64_t> sample_ids, std::vector<int64_t> shape, int64_t classes,
             at::Device device = at::kCPU);
    at::Tensor latent() const override { return latent_; }
    at::Tensor step(uint32_t draw) const override;
    at::Tensor extra(uint32_t step, uint32_t k) const override;  ///< Error: EDM draws once a step
    at::Tensor labels(int64_t classes) const override;

  private:
    at::Tensor normals(at::Generator& generator, at::ScalarType dtype) const;

    std::vector<int64_t> sizes_;
    at::Device device_;
    at::Tensor latent_, labels_;
    mutable std::vector<at::Generator> generators_;
    mutable uint32_t next_draw_ = 0;
    mutable at::Tensor last_;  ///< of draw next_draw_ - 1
};

/// "philox" or "edm"; Error("spec") for another name.
std::unique_ptr<BlockNoise> make_block_noise(const std::string& policy, uint64_t seed,
                                             std::vector<int64_t> sample_ids, std::vector<int64_t> shape,
                                             int64_t classes, const std::string& where,
                                             at::Device device = at::kCPU);

/// Labels of a block of samples, from purpose `label`: label = index(seed, sample id) in [0, classes).
at::Tensor block_labels(uint64_t seed, std::span<const int64_t> sample_ids, int64_t classes);

/// Told x (float64 [B, shape...], VE form; not to be kept without a clone) at knot 0, before the first step, and
/// after each step at knots 1..N.
using StepObserver = std::function<void(int knot, const at::Tensor& x)>;

/// What a sampler asks of a model and of the noise: the compatibility matrix, checked before a sweep starts.
struct SamplerNeeds {
    bool variance = false;     ///< the learned variance of the model
    bool extra_draws = false;  ///< draws noise more than once a step (not with noise=edm)
    bool table = false;        ///< a model with a noise table (a discrete process)
    int least_levels = 1;      ///< positive levels of the schedule
    double sigma_min = 0, sigma_max = HUGE_VAL;  ///< levels at which it knows what to do
};

class Sampler {
  public:
    virtual ~Sampler() = default;
    /// Returns x at the schedule's last level, float64 [B, shape...].
    virtual at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                              const at::Tensor& labels = {}, const StepObserver& observer = {}) const = 0;
    virtual const Spec& spec() const = 0;              ///< completed
    virtual bool stochastic() const { return false; }  ///< draws step noise
    virtual SamplerNeeds needs() const { return {}; }
    /// Error("option") at `where` if it cannot run on this model: what check_fit() asks beside needs().
    virtual void check_model(const Denoiser& /*denoiser*/, const std::string& /*where*/) const {}
    /// Error at `where` if it cannot run on these knots; sample() would throw the same.
    virtual void check_schedule(const Schedule& /*schedule*/, const std::string& /*where*/) const {}
};

/// Error("option") that names the sampler and the model if it cannot run on it under this noise policy.
void check_fit(const Sampler& sampler, const Denoiser& denoiser, const std::string& noise_policy,
               const std::string& where);

const std::vector<SpecEntry>& sampler_entries();
std::unique_ptr<Sampler> make_sampler(const Spec& spec, const std::string& where = "sampler");

/// The largest N whose counted NFE is at most `budget`, found by running the sampler on a null denoiser
/// (shape {1}). Error("number") if even N = 1 needs more. `nfe` receives the NFE really used. `end_rule` is
/// the schedule's (all but "sigma-min" end at 0): a step to 0 may cost less.
int steps_within_budget(const Sampler& sampler, int budget, int* nfe, const std::string& where,
                        const std::string& end_rule = "zero");

}  // namespace schedbench
