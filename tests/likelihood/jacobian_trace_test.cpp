// The trace of the Jacobian against finite differences.
#include "likelihood/jacobian_trace.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "flow_targets.h"
#include "models/exact.h"

namespace schedbench {
namespace {

using namespace flow;

TEST(JacobianTrace, HutchinsonIsUnbiasedAndExactIsExact) {
    constexpr int64_t kDims = 20, kProbes = 600;
    const auto model = make_exact(Spec::parse(wide_mixture(kDims)));
    const at::Tensor x = model->sample_data({1, NoisePurpose::selection}, first_ids(3)) * 0.5;
    for (double sigma : {0.5, 2.0, 5.0}) {
        const at::Tensor levels = at::full({3}, sigma, at::kDouble);
        // The Jacobian by central differences, column by column.
        at::Tensor jacobian = at::empty({3, kDims, kDims}, at::kDouble);
        for (int64_t j = 0; j < kDims; ++j) {
            at::Tensor h = at::zeros({kDims}, at::kDouble);
            h[j] = 1e-5;
            jacobian.select(2, j).copy_(
                ((*model)(x + h, levels, levels, {}).x0 - (*model)(x - h, levels, levels, {}).x0) / 2e-5);
        }
        const at::Tensor diagonal = jacobian.diagonal(0, 1, 2);
        const TracedDenoising exact = denoise_with_trace(*model, x, levels, levels, {}, {});
        EXPECT_EQ(exact.products, kDims);
        EXPECT_LT((exact.trace.squeeze(1) - diagonal.sum(1)).abs().max().item<double>(), 1e-7);
        EXPECT_TRUE(at::equal(exact.x0, (*model)(x, levels, levels, {}).x0));

        at::Tensor probes = at::empty({3, kProbes, kDims}, at::kDouble);
        for (int64_t i = 0; i < 3 * kProbes; ++i)
            fill_signs(5, static_cast<uint64_t>(i / kProbes), static_cast<uint32_t>(i % kProbes),
                       {probes.mutable_data_ptr<double>() + i * kDims, kDims});
        const at::Tensor trace = denoise_with_trace(*model, x, levels, levels, {}, probes).trace;
        // Rademacher probes: variance 2 (|S|_F^2 - |diag S|^2) of the symmetric part S; J is symmetric here.
        const at::Tensor variance = 2 * (jacobian.square().sum({1, 2}) - diagonal.square().sum(1));
        const at::Tensor z = (trace.mean(1) - diagonal.sum(1)) / at::sqrt(variance / kProbes);
        EXPECT_LT(z.abs().max().item<double>(), 4) << sigma;
        EXPECT_LT((trace.var(1) / variance - 1).abs().max().item<double>(), 0.5) << sigma;
    }
}

}  // namespace
}  // namespace schedbench
