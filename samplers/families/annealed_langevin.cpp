// Annealed Langevin dynamics (Song & Ermon 2019, arXiv 1907.05600, alg. 1, with the step of Song et al. 2021,
// arXiv 2011.13456): at every positive knot, the first included,
//
//     `steps` times:  x <- x + eps s + sqrt(2 eps) z,     eps = 2 (snr sigma)^2,     s = (D - x) / sigma^2
//
// and nothing is done to x from one knot to the next. A last level 0 is reached by x' = D at the level
// before. A schedule that ends at 0 costs N steps + 1 evaluations; one that ends above 0 (N + 1) steps.
#include <ATen/ATen.h>

#include "samplers/family_list.h"
#include "samplers/langevin.h"

namespace schedbench::sampler_list {

namespace {

class AnnealedLangevin final : public Sampler {
  public:
    AnnealedLangevin(Spec spec, double snr, int count) : spec_(std::move(spec)), snr_(snr), count_(count) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const auto settle = [&](at::Tensor x, int knot) {
            StepDraws draws(noise, knot);
            return langevin(std::move(x), walk, knot, LangevinRule::level, snr_, count_, draws);
        };
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            x = settle(std::move(x), i);
            if (walk.level(i + 1) == 0)
                x = walk.denoised(x, i);
            else if (i + 1 == walk.steps())
                x = settle(std::move(x), i + 1);
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return true; }
    SamplerNeeds needs() const override { return {.extra_draws = count_ > 1}; }

  private:
    Spec spec_;
    double snr_;
    int count_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    return std::make_unique<AnnealedLangevin>(spec, checked_snr(spec, where),
                                              checked_langevin_steps(spec, "steps", where));
}

}  // namespace

SamplerFamily annealed_langevin() {
    return {{"annealed-langevin",
             "Langevin steps at every positive level, no predictor; a last level 0 by x' = x0hat",
             "Song & Ermon 2019, alg. 1; Song et al. 2021 (score SDE), alg. 4",
             {{"snr", SpecParam::Type::number, "0.16", "step size: eps = 2 (snr sigma)^2"},
              {"steps", SpecParam::Type::integer, "1", "Langevin steps a level"}}},
            "steps, and 1 more for a step to level 0",
            no_order,
            make};
}

}  // namespace schedbench::sampler_list
