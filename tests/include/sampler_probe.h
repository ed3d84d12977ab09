// Tools to look into a sampler without Monte Carlo: schedules from bare lists, and noise that is chosen
// element by element.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
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

/// Zeros, and a record of every draw that was asked for: (step, 0) of step(), (step, k) of extra(step, k).
class RecordingNoise final : public BlockNoise {
  public:
    explicit RecordingNoise(at::Tensor latent) : latent_(std::move(latent)) {}
    at::Tensor latent() const override { return latent_; }
    at::Tensor step(uint32_t draw) const override { return asked.insert({draw, 0}), at::zeros_like(latent_); }
    at::Tensor extra(uint32_t step, uint32_t k) const override {
        return asked.insert({step, k}), at::zeros_like(latent_);
    }
    mutable std::set<std::pair<uint32_t, uint32_t>> asked;

  private:
    at::Tensor latent_;
};

/// What a sampler makes of data N(0, c^2), where every sampler with fixed steps is linear in the latent and in all
/// draws: the factor of each of them in the output. One batch of samples with one unit input each finds them all.
struct LinearOutput {
    double latent = 0;           ///< factor of the latent
    std::vector<double> draws;   ///< of every draw, in the order of (step, k)
    /// Of the output, for a start variance `start` of x at the level sigma.
    double variance(double start, double sigma) const {
        double sum = latent * latent * start / (sigma * sigma);
        for (double factor : draws) sum += factor * factor;
        return sum;
    }
};

inline LinearOutput linear_output(const Sampler& sampler, const Denoiser& denoiser, const Schedule& schedule) {
    const RecordingNoise recorder(at::ones({1, 1}, at::kDouble));
    sampler.sample(denoiser, schedule, recorder);
    const auto inputs = static_cast<int64_t>(recorder.asked.size()) + 1;
    const at::Tensor unit = at::eye(inputs, at::kDouble);
    const auto column = [&](int64_t i) { return unit.select(0, i).reshape({inputs, 1}).clone(); };
    std::vector<at::Tensor> steps;
    std::map<std::pair<uint32_t, uint32_t>, at::Tensor> extras;
    int64_t next = 1;
    for (const auto& [step, k] : recorder.asked) {
        if (k == 0) {
            steps.resize(std::max<size_t>(steps.size(), step + 1), at::zeros({inputs, 1}, at::kDouble));
            steps[step] = column(next++);
        } else {
            extras[{step, k}] = column(next++);
        }
    }
    GivenNoise noise(column(0), std::move(steps));
    noise.extras = std::move(extras);
    const at::Tensor out = sampler.sample(denoiser, schedule, noise).reshape({-1});
    LinearOutput linear{out[0].item<double>(), {}};
    for (int64_t i = 1; i < inputs; ++i) linear.draws.push_back(out[i].item<double>());
    return linear;
}

/// The exact output variance for a start variance `start`.
inline double output_variance(const Sampler& sampler, const Denoiser& denoiser, const Schedule& schedule,
                              double start) {
    return linear_output(sampler, denoiser, schedule).variance(start, schedule.effective.front());
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
