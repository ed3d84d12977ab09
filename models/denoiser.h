// Denoiser: the one thing a sampler, a learner or a likelihood asks of a model.
//
//     x = x0 + sigma n  (n standard normal)   ->   x0hat = E[x0 | x]
//
// in the variance-exploding form for every model; a variance-preserving network is wrapped, and the wrapper
// scales. Data are images in [-1, 1] (or vectors). Implementations are const and may be called from several
// threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "schedules/noise_process.h"

namespace schedbench {

struct DenoiserOutput {
    at::Tensor x0;        ///< [B, ...] like x; same dtype as x for exact targets, float32 for networks
    at::Tensor variance;  ///< raw variance channels o in about [-1, 1] (v = (o+1)/2), like x0; undefined if
                          ///< there are none
};

class Denoiser {
  public:
    virtual ~Denoiser() = default;
    /// x [B, shape...] in the VE form; levels [B] float64 > 0; model_time [B] float64 (NoiseProcess::locate);
    /// labels [B] int64, or undefined for an unconditional model.
    virtual DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels,
                                      const at::Tensor& model_time, const at::Tensor& labels) const = 0;
    virtual const NoiseProcess& process() const = 0;
    virtual std::vector<int64_t> shape() const = 0;  ///< of one sample: {C, H, W}, or {d} for vectors
    virtual int64_t classes() const { return 0; }    ///< 0 = unconditional
    virtual bool has_variance() const { return false; }
    virtual bool differentiable() const { return false; }
    /// Where its parameters lie, and so where x, levels, times and labels must.
    virtual at::Device device() const { return at::kCPU; }
    /// The same model with its parameters on another device; see on_device(). Error("device") for a model
    /// that cannot leave the CPU.
    virtual std::shared_ptr<const Denoiser> moved_to(at::Device device) const;
    virtual std::string spec() const = 0;  ///< identity: completed spec, file names replaced by their hash
    virtual std::string weights_hash() const {
        return "";
    }  ///< SHA-256 of the weight file; "" where there is none
};

/// A model that changes how or what another one answers, and passes everything else on.
class WrappedDenoiser : public Denoiser {
  public:
    explicit WrappedDenoiser(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return inner_->classes(); }
    bool has_variance() const override { return inner_->has_variance(); }
    bool differentiable() const override { return inner_->differentiable(); }
    at::Device device() const override { return inner_->device(); }
    std::string spec() const override { return inner_->spec(); }
    std::string weights_hash() const override { return inner_->weights_hash(); }

  protected:
    std::shared_ptr<const Denoiser> inner_;
};

/// Counts network evaluations and the time in them; everything else is passed on. NFE is read here and
/// nowhere else.
class CountingDenoiser final : public WrappedDenoiser {
  public:
    explicit CountingDenoiser(std::shared_ptr<const Denoiser> inner);
    ~CountingDenoiser() override;
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;

    int64_t calls() const { return calls_; }  ///< batched calls
    /// In the model. On a device it is the device's time, for which this waits until the device is done.
    double seconds() const;
    void reset();

  private:
    struct DeviceClock;

    mutable std::atomic<int64_t> calls_{0}, nanoseconds_{0};
    std::unique_ptr<DeviceClock> clock_;  ///< null on the CPU
};

/// The model itself if it is on that device, else moved there.
std::shared_ptr<const Denoiser> on_device(std::shared_ptr<const Denoiser> model, at::Device device);

/// A model on whatever device, asked and answered in host memory: for learners and likelihoods, whose own
/// arithmetic is the host's. The model itself if it is on the CPU.
std::shared_ptr<const Denoiser> host_denoiser(std::shared_ptr<const Denoiser> model);

/// x0hat clipped to [-1, 1] (spec "clip:{inner}"): named, because clipping changes every number.
std::shared_ptr<const Denoiser> clip_denoiser(std::shared_ptr<const Denoiser> inner);

/// Dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, section 2.3): of every sample by itself,
/// s = max(quantile of |x0hat| over its elements, limit), and x0hat is clamped to [-s, s] and divided by s /
/// limit. The quantile is linear between order statistics. Spec
/// "threshold:inner={inner},max=limit,quantile=quantile". Error("spec") unless 0 < quantile <= 1 and 0 <
/// limit < infinity.
std::shared_ptr<const Denoiser> threshold_denoiser(std::shared_ptr<const Denoiser> inner, double quantile,
                                                   double limit, const std::string& where = "threshold");

/// Calls with one level for the whole batch.
DenoiserOutput denoise_at(const Denoiser& denoiser, const at::Tensor& x, const LocatedLevel& level,
                          const at::Tensor& labels = {});

}  // namespace schedbench
