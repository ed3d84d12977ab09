// Exact targets: data whose noisy posterior mean is known in closed form, so that solvers, learners and
// likelihoods can be tested without a network. All of them are mixtures of Gaussians with diagonal
// covariance:
//
//     p(x0) = sum_k w_k N(m_k, diag c_k^2),      x = x0 + sigma n
//     D(x; sigma) = sum_k r_k(x) (m_k sigma^2 + c_k^2 x) / (c_k^2 + sigma^2),   r_k = posterior weight of
//     component k score(x) = (D - x) / sigma^2
//
// Everything is computed in float64 and can be differentiated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/noise.h"
#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

class ExactTarget final : public Denoiser {
  public:
    /// means, widths: [K, d] float64 (widths >= 0); weights: [K] > 0, of any sum; shape: of one sample, d
    /// elements.
    ExactTarget(std::string spec, NoiseProcess process, std::vector<int64_t> shape, at::Tensor means,
                at::Tensor widths, at::Tensor weights);

    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return shape_; }
    bool differentiable() const override { return true; }
    at::Device device() const override { return means_.device(); }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override;
    std::string spec() const override { return spec_; }
    const at::Tensor& means() const { return means_; }  ///< of the components, [K, d] float64

    /// grad log p_sigma(x), like x; levels [B] float64 > 0.
    at::Tensor score(const at::Tensor& x, const at::Tensor& levels) const;
    /// log p_sigma(x) in nats, [B] float64; level 0 is the data density.
    at::Tensor log_density(const at::Tensor& x, const at::Tensor& levels) const;
    /// Data x0 [n, shape...] float64: draw 0 of each id makes the normals, draw 1 chooses the component.
    at::Tensor sample_data(NoiseKey key, std::span<const int64_t> ids) const;

  private:
    at::Tensor flat(const at::Tensor& x) const;                                   ///< [B, d] float64
    at::Tensor log_joint(const at::Tensor& x, const at::Tensor& variance) const;  ///< [B, K]

    std::string spec_;
    NoiseProcess process_;
    std::vector<int64_t> shape_;
    at::Tensor means_, squares_, log_weights_;  ///< [K, d], widths^2 [K, d], [K]
};

/// exact:gaussian,c=0.5,dim=2   exact:mixture,means=[-1,1],widths=[0.1]   exact:cantor,depth=3,width=0.01
const std::vector<SpecEntry>& exact_entries();
std::shared_ptr<const ExactTarget> make_exact(const Spec& spec, const std::string& where = "--model");

}  // namespace schedbench
