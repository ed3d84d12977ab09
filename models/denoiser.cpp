#include "models/denoiser.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <cmath>
#include <mutex>

#include "core/error.h"

namespace schedbench {

/// Pairs of events on the device's stream around every evaluation: the host goes on and the device takes the
/// time.
struct CountingDenoiser::DeviceClock {
    explicit DeviceClock(at::Device on) : device(on), driver(on.type()) {}
    c10::Event mark() const {
        c10::Event event(device.type(), c10::EventFlag::BACKEND_DEFAULT);
        event.record(driver.getStream(device));
        return event;
    }
    at::Device device;
    c10::impl::VirtualGuardImpl driver;
    std::mutex mutex;
    std::vector<std::pair<c10::Event, c10::Event>> intervals;
};

CountingDenoiser::CountingDenoiser(std::shared_ptr<const Denoiser> inner)
    : WrappedDenoiser(std::move(inner)) {
    if (!inner_->device().is_cpu()) clock_ = std::make_unique<DeviceClock>(inner_->device());
}

CountingDenoiser::~CountingDenoiser() = default;

DenoiserOutput CountingDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                            const at::Tensor& model_time, const at::Tensor& labels) const {
    if (clock_) {
        c10::Event start = clock_->mark();
        DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
        ++calls_;
        const std::lock_guard<std::mutex> guard(clock_->mutex);
        clock_->intervals.emplace_back(std::move(start), clock_->mark());
        return out;
    }
    const auto start = std::chrono::steady_clock::now();
    DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
    nanoseconds_ +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
            .count();
    ++calls_;
    return out;
}

double CountingDenoiser::seconds() const {
    double total = 1e-9 * static_cast<double>(nanoseconds_);
    if (!clock_) return total;
    const std::lock_guard<std::mutex> guard(clock_->mutex);
    for (const auto& [start, end] : clock_->intervals) {
        end.synchronize();
        total += 1e-3 * start.elapsedTime(end);
    }
    return total;
}

void CountingDenoiser::reset() {
    calls_ = 0, nanoseconds_ = 0;
    if (clock_) clock_->intervals.clear();
}

std::shared_ptr<const Denoiser> Denoiser::moved_to(at::Device device) const {
    throw Error("device", "runs on the CPU only, not on " + device.str(), spec(), "use --device cpu");
}

std::shared_ptr<const Denoiser> on_device(std::shared_ptr<const Denoiser> model, at::Device device) {
    return model->device() == device ? model : model->moved_to(device);
}

namespace {

/// A model whose x0hat is changed, element by element of a sample, and nothing else.
class ChangedDenoiser : public WrappedDenoiser {
  public:
    using WrappedDenoiser::WrappedDenoiser;
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
        out.x0 = changed(out.x0);
        return out;
    }

  protected:
    virtual at::Tensor changed(const at::Tensor& x0) const = 0;
};

class ClipDenoiser final : public ChangedDenoiser {
  public:
    using ChangedDenoiser::ChangedDenoiser;
    std::string spec() const override { return "clip:inner={" + inner_->spec() + "}"; }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override {
        return std::make_shared<ClipDenoiser>(on_device(inner_, device));
    }

  private:
    at::Tensor changed(const at::Tensor& x0) const override { return x0.clamp(-1, 1); }
};

class ThresholdDenoiser final : public ChangedDenoiser {
  public:
    ThresholdDenoiser(std::shared_ptr<const Denoiser> inner, double quantile, double limit)
        : ChangedDenoiser(std::move(inner)), quantile_(quantile), limit_(limit) {}
    std::string spec() const override {
        return "threshold:inner={" + inner_->spec() + "},max=" + format_number(limit_) +
               ",quantile=" + format_number(quantile_);
    }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override {
        return std::make_shared<ThresholdDenoiser>(on_device(inner_, device), quantile_, limit_);
    }

  private:
    at::Tensor changed(const at::Tensor& x0) const override {
        std::vector<int64_t> column(static_cast<size_t>(x0.dim()), 1);
        column[0] = x0.size(0);
        const at::Tensor s =
            at::quantile(x0.flatten(1).abs(), quantile_, 1).clamp_min(limit_).reshape(column);
        return at::minimum(at::maximum(x0, -s), s) * (limit_ / s);
    }
    double quantile_, limit_;
};

class HostDenoiser final : public WrappedDenoiser {
  public:
    using WrappedDenoiser::WrappedDenoiser;
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        const at::Device device = inner_->device();
        const DenoiserOutput out = (*inner_)(x.to(device), levels.to(device), model_time.to(device),
                                             labels.defined() ? labels.to(device) : labels);
        return {out.x0.to(at::kCPU), out.variance.defined() ? out.variance.to(at::kCPU) : out.variance};
    }
    at::Device device() const override { return at::kCPU; }
};

}  // namespace

std::shared_ptr<const Denoiser> host_denoiser(std::shared_ptr<const Denoiser> model) {
    return model->device().is_cpu() ? model : std::make_shared<HostDenoiser>(std::move(model));
}

std::shared_ptr<const Denoiser> clip_denoiser(std::shared_ptr<const Denoiser> inner) {
    return std::make_shared<ClipDenoiser>(std::move(inner));
}

std::shared_ptr<const Denoiser> threshold_denoiser(std::shared_ptr<const Denoiser> inner, double quantile,
                                                   double limit, const std::string& where) {
    if (!(quantile > 0 && quantile <= 1))
        throw Error("spec",
                    "key \"quantile\" of threshold must lie in (0, 1], not " + format_number(quantile),
                    where);
    if (!(limit > 0 && std::isfinite(limit)))
        throw Error("spec",
                    "key \"max\" of threshold must be positive and finite, not " + format_number(limit),
                    where);
    return std::make_shared<ThresholdDenoiser>(std::move(inner), quantile, limit);
}

DenoiserOutput denoise_at(const Denoiser& denoiser, const at::Tensor& x, const LocatedLevel& level,
                          const at::Tensor& labels) {
    SCHEDBENCH_ASSERT(level.level > 0);
    const auto options = x.options().dtype(at::kDouble).requires_grad(false);
    return denoiser(x, at::full({x.size(0)}, level.level, options),
                    at::full({x.size(0)}, level.model_time, options), labels);
}

}  // namespace schedbench
