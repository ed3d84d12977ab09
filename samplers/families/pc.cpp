// Predictor-corrector sampling (Song et al. 2021, arXiv 2011.13456, alg. 2, VE form), from a = sigma_i to
// b = sigma_{i+1}: one predictor step, then `corrector-steps` Langevin steps at b (samplers/langevin.h).
//
//     euler              x' = x + (b - a) (x - D) / a
//     ancestral          x' = D + (b/a)^2 (x - D) + sqrt(b^2 (a^2 - b^2) / a^2) z (ddpm:variance=posterior)
//     reverse-diffusion  x' = D + (b/a)^2 (x - D) + sqrt(a^2 - b^2) z                     (appendix E)
//     none               x' = x: x waits at the new level for the corrector
//
//     corrector          langevin: eps = 2 (snr |z|/|s|)^2 of each sample;  fixed: eps = 2 (snr b)^2;  none
//
// A step to b = 0 is x' = D for every predictor, without noise and without corrector. So N steps that end at
// 0 cost N + (N - 1) n evaluations for n corrector steps (one less a step without predictor, but for the step
// to 0).
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "samplers/family_list.h"
#include "samplers/langevin.h"

namespace schedbench::sampler_list {

namespace {

enum class Predictor { none, euler, ancestral, reverse_diffusion };

class PredictorCorrector final : public Sampler {
  public:
    PredictorCorrector(Spec spec, Predictor predictor, LangevinRule rule, double snr, int count)
        : spec_(std::move(spec)), predictor_(predictor), rule_(rule), snr_(snr), count_(count) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            StepDraws draws(noise, i);
            if (walk.level(i + 1) == 0) {
                x = walk.denoised(x, i);
            } else {
                x = predict(std::move(x), walk, i, draws);
                x = langevin(std::move(x), walk, i + 1, rule_, snr_, count_, draws);
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return draws_of_predictor() + count_ > 0; }
    SamplerNeeds needs() const override { return {.extra_draws = draws_of_predictor() + count_ > 1}; }

  private:
    int draws_of_predictor() const {
        return predictor_ == Predictor::ancestral || predictor_ == Predictor::reverse_diffusion ? 1 : 0;
    }
    at::Tensor predict(at::Tensor x, const KnotWalk& walk, int i, StepDraws& draws) const {
        if (predictor_ == Predictor::none) return x;
        const double a = walk.level(i), b = walk.level(i + 1), ratio = b / a;
        const double keep = predictor_ == Predictor::euler ? ratio : ratio * ratio;
        const at::Tensor denoised = walk.denoised(x, i);
        x.mul_(keep).add_(denoised, 1 - keep);
        if (predictor_ == Predictor::euler) return x;
        const double full = std::sqrt((a - b) * (a + b));
        return x.add_(draws.next(), predictor_ == Predictor::ancestral ? ratio * full : full);
    }

    Spec spec_;
    Predictor predictor_;
    LangevinRule rule_;
    double snr_;
    int count_;  ///< corrector steps; 0 without corrector
};

Predictor predictor_of(const Spec& spec) {
    const std::string& name = spec.text("predictor");
    return name == "euler"       ? Predictor::euler
           : name == "ancestral" ? Predictor::ancestral
           : name == "none"      ? Predictor::none
                                 : Predictor::reverse_diffusion;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double snr = checked_snr(spec, where);
    const int count = checked_langevin_steps(spec, "corrector-steps", where);
    const std::string& corrector = spec.text("corrector");
    const Predictor predictor = predictor_of(spec);
    if (predictor == Predictor::none && corrector == "none")
        throw Error("spec", "pc with predictor=none and corrector=none does nothing", where,
                    "choose one of them");
    return std::make_unique<PredictorCorrector>(
        spec, predictor, corrector == "langevin" ? LangevinRule::norm : LangevinRule::level, snr,
        corrector == "none" ? 0 : count);
}

/// A corrector of fixed strength has a limit of its own, which is not the exact distribution.
int order(const Spec& spec) {
    return spec.text("corrector") == "none" ? 1 : 0;
}

}  // namespace

SamplerFamily pc() {
    constexpr auto choice = SpecParam::Type::choice;
    return {{"pc",
             "predictor-corrector: a predictor step, then Langevin steps at the new level; a level 0 by x' = "
             "x0hat",
             "Song et al. 2021 (score SDE), alg. 2 and appendices E, G",
             {{"predictor",
               choice,
               "euler",
               "step from one level to the next",
               {"euler", "ancestral", "reverse-diffusion", "none"}},
              {"corrector",
               choice,
               "langevin",
               "langevin: step from the norms of each sample; fixed: eps = 2 (snr sigma)^2",
               {"langevin", "fixed", "none"}},
              {"snr", SpecParam::Type::number, "0.16", "signal-to-noise ratio of a Langevin step"},
              {"corrector-steps", SpecParam::Type::integer, "1", "Langevin steps a level"}}},
            "1 + corrector-steps, but 1 on a step to level 0; predictor=none saves 1 on the others",
            order,
            make};
}

}  // namespace schedbench::sampler_list
