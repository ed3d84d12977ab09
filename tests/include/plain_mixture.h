// The exact denoiser of a one-dimensional mixture of Gaussians in plain loops: what models/exact.h computes with
// tensors, by another hand and ten times faster, for tests that take very many steps.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/denoiser.h"

namespace schedbench::probe {

/// Data sum_k w_k N(m_k, c_k^2); weights of sum 1.
struct Mixture {
    std::vector<double> means, widths, weights;

    double density(double x, double sigma) const {
        double sum = 0;
        for (size_t k = 0; k < means.size(); ++k) sum += weights[k] * component(k, x, sigma);
        return sum;
    }
    double denoised(double x, double sigma) const {
        double sum = 0, total = 0, least = INFINITY;
        for (size_t k = 0; k < means.size(); ++k) least = std::min(least, exponent(k, x, sigma));
        for (size_t k = 0; k < means.size(); ++k) {
            const double c2 = widths[k] * widths[k], v = c2 + sigma * sigma;
            const double weight = weights[k] * std::exp(least - exponent(k, x, sigma)) / std::sqrt(v);
            sum += weight * (means[k] * sigma * sigma + c2 * x) / v;
            total += weight;
        }
        return sum / total;
    }

  private:
    double exponent(size_t k, double x, double sigma) const {
        const double z = (x - means[k]) / std::hypot(widths[k], sigma);
        return z * z / 2;
    }
    double component(size_t k, double x, double sigma) const {
        constexpr double kRootTwoPi = 2.5066282746310002;
        return std::exp(-exponent(k, x, sigma)) / (std::hypot(widths[k], sigma) * kRootTwoPi);
    }
};

class MixtureDenoiser final : public Denoiser {
  public:
    explicit MixtureDenoiser(Mixture mixture) : mixture_(std::move(mixture)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor&,
                              const at::Tensor&) const override {
        at::Tensor out = at::empty_like(x);
        const double sigma = *levels.const_data_ptr<double>(), *from = x.const_data_ptr<double>();
        double* to = out.mutable_data_ptr<double>();
        for (int64_t i = 0; i < x.numel(); ++i) to[i] = mixture_.denoised(from[i], sigma);
        return {out, {}};
    }
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {1}; }
    std::string spec() const override { return "plain mixture"; }

  private:
    Mixture mixture_;
    NoiseProcess process_{Spec::parse("continuous")};
};

}  // namespace schedbench::probe
