#include "likelihood/jacobian_trace.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "core/noise.h"

namespace schedbench {

void check_differentiable(const Denoiser& denoiser) {
    if (!denoiser.differentiable())
        throw Error("option",
                    "the model " + denoiser.spec() +
                        " gives no derivatives of its output, and the divergence of the probability flow is "
                        "made of them",
                    "--model",
                    "use a native or exact model, or bits/dim of a path: schedbench statistics, then bpd");
}

TracedDenoising denoise_with_trace(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& levels,
                                   const at::Tensor& model_time, const at::Tensor& labels,
                                   const at::Tensor& probes) {
    check_differentiable(denoiser);
    const int64_t rows = x.size(0), dims = x.numel() / rows;
    const bool exact = !probes.defined();
    SCHEDBENCH_ASSERT(exact || (probes.dim() == 3 && probes.size(0) == rows && probes.size(2) == dims));
    const at::AutoGradMode with_graph(true);  // whatever the caller has set
    at::Tensor leaf = x.detach().clone().requires_grad_(true);
    const at::Tensor x0 = denoiser(leaf, levels, model_time, labels).x0;
    if (!x0.requires_grad())
        throw Error("option", "the model " + denoiser.spec() + " returned an output without a graph",
                    "--model");
    const int64_t products = exact ? dims : probes.size(1);
    at::Tensor trace = at::zeros({rows, exact ? 1 : products}, at::kDouble);
    for (int64_t p = 0; p < products; ++p) {
        at::Tensor v;
        if (exact) {
            v = at::zeros({rows, dims}, at::kDouble);
            v.select(1, p).fill_(1);
        } else {
            v = probes.select(1, p);
        }
        leaf.mutable_grad() = at::Tensor();
        x0.backward(v.reshape(x0.sizes()).to(x0.scalar_type()), /*retain_graph=*/p + 1 < products);
        const at::Tensor product = (leaf.grad().flatten(1).to(at::kDouble) * v).sum(1);
        trace.select(1, exact ? 0 : p).add_(product);
    }
    return {x0.detach(), trace, products};
}

void fill_signs(uint64_t seed, uint64_t sample, uint32_t draw, std::span<double> signs) {
    std::array<uint32_t, 4> words{};
    for (size_t e = 0; e < signs.size(); ++e) {
        const size_t bit = e % 128;
        if (bit == 0)
            words = noise_words({seed, NoisePurpose::probe}, sample, draw, static_cast<uint32_t>(e / 128));
        signs[e] = (words[bit / 32] >> (bit % 32)) & 1 ? 1.0 : -1.0;
    }
}

}  // namespace schedbench
