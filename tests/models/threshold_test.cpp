// Clipping and dynamic thresholding of x0hat.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "models/exact.h"

namespace schedbench {
namespace {

/// A model whose x0hat is what it is given.
class Echo final : public Denoiser {
  public:
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor&, const at::Tensor&,
                              const at::Tensor&) const override {
        return {x, x};
    }
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {2, 3, 4}; }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "echo"; }
    std::string weights_hash() const override { return "abc"; }

  private:
    NoiseProcess process_{Spec::parse("continuous")};
};

/// Quantile of |x|, linear between order statistics, from a sorted list.
double quantile_of(const at::Tensor& x, double q) {
    const at::Tensor flat = x.abs().flatten().contiguous();
    std::vector<double> sorted(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
    std::sort(sorted.begin(), sorted.end());
    const double place = q * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(place);
    if (below + 1 == sorted.size()) return sorted.back();
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

TEST(Threshold, IsOfEverySampleByItself) {
    const auto echo = std::make_shared<Echo>();
    // Samples of very different size: some are below the limit, where thresholding is clipping.
    const at::Tensor x = at::linspace(-1, 1.3, 5 * 24, at::kDouble).reshape({5, 2, 3, 4}).sin() *
                         at::tensor({0.1, 1.0, 3.0, 40.0, 1.5}, at::kDouble).reshape({5, 1, 1, 1});
    for (double q : {0.5, 0.9, 0.995, 1.0})
        for (double limit : {1.0, 2.5}) {
            const auto model = threshold_denoiser(echo, q, limit);
            const DenoiserOutput out = denoise_at(*model, x, model->process().locate(1));
            for (int64_t b = 0; b < x.size(0); ++b) {
                const double s = std::max(quantile_of(x[b], q), limit);
                EXPECT_LT((out.x0[b] - x[b].clamp(-s, s) * (limit / s)).abs().max().item<double>(), 1e-14) << q << " " << b;
                const at::Tensor alone = denoise_at(*model, x.slice(0, b, b + 1), model->process().locate(1)).x0;
                EXPECT_TRUE(at::equal(alone[0], out.x0[b]));
            }
            EXPECT_LE(out.x0.abs().max().item<double>(), limit * (1 + 1e-15));
            EXPECT_TRUE(at::equal(out.variance, x));
        }
    // A limit that no quantile passes: clipping.
    const at::Tensor clipped = denoise_at(*clip_denoiser(echo), x, echo->process().locate(1)).x0;
    EXPECT_TRUE(at::equal(clipped, x.clamp(-1, 1)));
    EXPECT_EQ(denoise_at(*threshold_denoiser(echo, 0.9, 1), x.to(at::kFloat), echo->process().locate(1)).x0.scalar_type(),
              at::kFloat);
}

TEST(Threshold, SaysWhatItIs) {
    const auto model = threshold_denoiser(std::make_shared<Echo>(), 0.995, 1);
    EXPECT_EQ(model->spec(), "threshold:inner={echo},max=1,quantile=0.995");
    EXPECT_EQ(Spec::parse(model->spec()).print(), model->spec());
    EXPECT_EQ(model->weights_hash(), "abc");
    EXPECT_TRUE(model->has_variance());
    for (double q : {0.0, -1.0, 1.5, std::nan("")}) EXPECT_THROW(threshold_denoiser(model, q, 1), Error);
    for (double limit : {0.0, -1.0, HUGE_VAL, std::nan("")}) EXPECT_THROW(threshold_denoiser(model, 0.9, limit), Error);
}

}  // namespace
}  // namespace schedbench
