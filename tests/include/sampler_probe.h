// Tools to look into a sampler without Monte Carlo: schedules from bare lists, and noise that is chosen
// element by element.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "samplers/sampler.h"

namespace schedbench::probe {

/// A schedule over exactly these levels.
inline Schedule schedule_of(std::vector<double> levels, const NoiseProcess& process) {
    Schedule schedule;
    schedule.spec = "explicit";
    schedule.end_rule = levels.back() == 0 ? "zero" : "sigma-min";
    schedule.time_rule = process.discrete() ? "nearest" : "continuous";
    for (double level : levels) {
        const LocatedLevel at = process.locate(level);
        schedule.model_time.push_back(level == 0 ? std::nan("") : at.model_time);
        if (process.discrete()) schedule.index.push_back(at.index);
    }
    schedule.requested = schedule.effective = std::move(levels);
    return schedule;
}

/// The latent and the step noise are given; steps beyond the list are zero.
class GivenNoise final : public BlockNoise {
  public:
    GivenNoise(at::Tensor latent, std::vector<at::Tensor> steps = {})
        : latent_(std::move(latent)), steps_(std::move(steps)) {}
    at::Tensor latent() const override { return latent_; }
    at::Tensor step(uint32_t draw) const override {
        return draw < steps_.size() ? steps_[draw] : at::zeros_like(latent_);
    }
    /// The k-th further draw of a step; zero unless it was set.
    at::Tensor extra(uint32_t step, uint32_t k) const override {
        const auto found = extras.find({step, k});
        return found == extras.end() ? at::zeros_like(latent_) : found->second;
    }
    std::map<std::pair<uint32_t, uint32_t>, at::Tensor> extras;

  private:
    at::Tensor latent_;
    std::vector<at::Tensor> steps_;
};

/// On data N(0, c^2) every sampler is linear in (latent, step noise). One batch of N + 1 samples, each with
/// one unit input, recovers all coefficients; the output variance for a start variance `start` is then exact.
inline double output_variance(const Sampler& sampler, const Denoiser& denoiser, const Schedule& schedule,
                              double start) {
    const int64_t steps = schedule.steps();
    const at::Tensor unit = at::eye(steps + 1, at::kDouble);
    std::vector<at::Tensor> inputs;
    for (int64_t i = 0; i < steps; ++i)
        inputs.push_back(unit.select(0, i + 1).reshape({steps + 1, 1}).clone());
    const GivenNoise noise(unit.select(0, 0).reshape({steps + 1, 1}).clone(), inputs);
    const at::Tensor out = sampler.sample(denoiser, schedule, noise).reshape({-1});
    const double sigma = schedule.effective.front();
    const at::Tensor squares = out * out;
    return squares[0].item<double>() * start / (sigma * sigma) + squares.slice(0, 1).sum().item<double>();
}

/// sigma_i = (max^(1/rho) + i/N (min^(1/rho) - max^(1/rho)))^rho, i = 0..N.
inline std::vector<double> karras(double rho, int steps, double low, double high) {
    std::vector<double> out;
    const double a = std::pow(high, 1 / rho), b = std::pow(low, 1 / rho);
    for (int i = 0; i <= steps; ++i) out.push_back(std::pow(a + (b - a) * i / steps, rho));
    out.front() = high;
    out.back() = low;
    return out;
}

inline std::vector<double> log_linear(int steps, double low, double high) {
    std::vector<double> out;
    for (int i = 0; i <= steps; ++i)
        out.push_back(high * std::pow(low / high, static_cast<double>(i) / steps));
    out.back() = low;
    return out;
}

}  // namespace schedbench::probe
