// Exact targets: the three closed forms must agree with each other, and draws with the density.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "models/exact.h"

namespace schedbench {
namespace {

std::vector<std::string> targets() {
    return {"exact:gaussian,c=[0.3,2],mean=[0.5,-1]",
            "exact:mixture,means=[-1,0.2,0.5,-0.4,1,1],widths=[0.1,0.2,0.3],weights=[1,2,3],dim=2",
            "exact:cantor,depth=3,width=0.01"};
}

double worst(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

at::Tensor draws(const ExactTarget& target, int64_t count) {
    std::vector<int64_t> ids(static_cast<size_t>(count));
    std::iota(ids.begin(), ids.end(), int64_t{0});
    return target.sample_data({1, NoisePurpose::selection}, ids);
}

TEST(Exact, ScoreIsTheGradientOfTheLogDensityAndGivesTheDenoiser) {
    for (const std::string& spec : targets()) {
        const auto target = make_exact(Spec::parse(spec));
        for (double sigma : {0.02, 0.3, 5.0}) {
            const at::Tensor levels = at::full({6}, sigma, at::kDouble);
            at::Tensor x = (draws(*target, 6) + 0.7 * sigma).detach().requires_grad_(true);
            target->log_density(x, levels).sum().backward();
            const at::Tensor score = target->score(x.detach(), levels);
            EXPECT_LT(worst(x.grad(), score), 1e-9 * (1 + score.abs().max().item<double>()))
                << spec << " " << sigma;
            const at::Tensor x0 = (*target)(x.detach(), levels, levels, {}).x0;
            EXPECT_LT(worst(x0, x.detach() + sigma * sigma * score), 1e-11) << spec << " " << sigma;
        }
    }
}

TEST(Exact, TheDenoiserCanBeDifferentiated) {
    const auto target = make_exact(Spec::parse(targets()[1]));
    const at::Tensor levels = at::full({1}, 0.3, at::kDouble), start = at::full({1, 2}, 0.1, at::kDouble);
    at::Tensor x = start.clone().requires_grad_(true);
    (*target)(x, levels, levels, {}).x0.index({0, 0}).backward();
    for (int64_t j = 0; j < 2; ++j) {
        at::Tensor high = start.clone(), low = start.clone();
        high.index_put_({0, j}, 0.1 + 1e-6);
        low.index_put_({0, j}, 0.1 - 1e-6);
        const at::Tensor slope =
            ((*target)(high, levels, levels, {}).x0 - (*target)(low, levels, levels, {}).x0) / 2e-6;
        EXPECT_NEAR(x.grad()[0][j].item<double>(), slope[0][0].item<double>(), 1e-7);
    }
}

TEST(Exact, DrawsHaveTheMomentsOfTheMixture) {
    const auto target = make_exact(Spec::parse("exact:cantor,depth=4,width=0.05"));
    const at::Tensor x = draws(*target, 20000);
    const double variance = (1 - std::pow(9.0, -4)) / 8 + 0.05 * 0.05;  // of the self-similar construction
    EXPECT_NEAR(x.mean().item<double>(), 0.5, 5 * std::sqrt(variance / 20000));
    EXPECT_NEAR(x.var().item<double>(), variance, 0.03 * variance);
    const auto weighted = make_exact(Spec::parse("exact:mixture,means=[-1,1],weights=[1,3]"));
    EXPECT_NEAR((draws(*weighted, 20000) > 0).to(at::kDouble).mean().item<double>(), 0.75,
                5 * std::sqrt(0.75 * 0.25 / 20000));
}

TEST(Exact, DensityIntegratesToOne) {
    const auto target = make_exact(Spec::parse(targets()[2]));
    const at::Tensor x = at::linspace(-3, 4, 70001, at::kDouble).reshape({-1, 1});
    const at::Tensor p = at::exp(target->log_density(x, at::full({70001}, 0.1, at::kDouble)));
    EXPECT_NEAR(p.sum().item<double>() * 1e-4, 1, 1e-9);
}

TEST(Exact, ShapesTypesAndProcess) {
    const auto images = make_exact(Spec::parse("exact:gaussian,c=0.5,shape=[3,4,4],process={linear:T=100}"));
    EXPECT_EQ(images->shape(), (std::vector<int64_t>{3, 4, 4}));
    EXPECT_EQ(images->process().table_size(), 100);
    const at::Tensor x = at::ones({2, 3, 4, 4}, at::kFloat);
    const DenoiserOutput out = denoise_at(*images, x, images->process().at_index(50));
    EXPECT_EQ(out.x0.scalar_type(), at::kFloat);
    EXPECT_EQ(out.x0.sizes(), x.sizes());
    const auto again = make_exact(Spec::parse(images->spec()));
    EXPECT_EQ(again->spec(), images->spec());
}

TEST(Exact, FaultsAreNamed) {
    for (const char* text :
         {"exact:gauss", "exact:gaussian,c=-1", "exact:gaussian,c=[1,2],dim=3", "exact:gaussian,shape=[0]",
          "exact:mixture", "exact:mixture,means=[1,2,3],dim=2", "exact:mixture,means=[1,2],weights=[1,0]",
          "exact:mixture,means=[1,2],widths=[1,2,3]", "exact:cantor,depth=40",
          "exact:gaussian,process={linear:T=0}"})
        EXPECT_THROW(make_exact(Spec::parse(text)), Error) << text;
    const auto target = make_exact(Spec::parse("exact:gaussian,dim=2"));
    EXPECT_THROW(denoise_at(*target, at::ones({2, 3}, at::kDouble), target->process().locate(1)), Error);
}

}  // namespace
}  // namespace schedbench
