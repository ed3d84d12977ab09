// DDPM ancestral sampling on any subset of levels (Ho et al. 2020, arXiv 2006.11239, eqs. 6-7; respaced as by
// Nichol & Dhariwal 2021, arXiv 2102.09672, section 4), r -> s:
//
//     mean = (sqrt(abar_s) beta / (1 - abar_r)) x0hat + (sqrt(abar_r / abar_s) (1 - abar_s) / (1 - abar_r))
//     x_r, beta = 1 - abar_r / abar_s,     btil = beta (1 - abar_s) / (1 - abar_r)
//
// Divided by sqrt(abar_s), with a = sigma_r, b = sigma_s, abar = 1 / (1 + sigma^2):
//
//     mean = (1 - b^2/a^2) D + (b^2/a^2) x
//     posterior  btil / abar_s = b^2 (a^2 - b^2) / a^2
//     beta       beta / abar_s = (a^2 - b^2) (1 + b^2) / (1 + a^2)
//     learned    exp(v ln beta + (1 - v) ln btil), v = (o + 1) / 2 per element (Nichol & Dhariwal, eq. 15)
//
// No noise is added on a step to level 0.
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "samplers/family_list.h"
#include "samplers/knot_walk.h"

namespace schedbench::sampler_list {

namespace {

class Ddpm final : public Sampler {
  public:
    explicit Ddpm(Spec spec) : spec_(std::move(spec)), variance_(spec_.text("variance")) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        check_fit(*this, denoiser, "philox", denoiser.spec());
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            const double keep = (b / a) * (b / a);
            const DenoiserOutput out = walk.output(x, walk.knot(i));
            x = keep * x + (1 - keep) * out.x0;
            if (b == 0) {
                walk.step_done(i, x);
                continue;
            }
            const at::Tensor z = noise.step(static_cast<uint32_t>(i)).to(at::kDouble);
            const double posterior = keep * (a - b) * (a + b);
            const double beta = (a - b) * (a + b) * (1 + b * b) / (1 + a * a);
            if (variance_ == "learned") {
                SCHEDBENCH_ASSERT(out.variance.defined());
                const at::Tensor v = 0.5 * (out.variance + 1);
                x = x + at::exp(0.5 * (v * std::log(beta) + (1 - v) * std::log(posterior))) * z;
            } else {
                x = x + std::sqrt(variance_ == "beta" ? beta : posterior) * z;
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return true; }
    SamplerNeeds needs() const override { return {.variance = variance_ == "learned"}; }

  private:
    Spec spec_;
    std::string variance_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return std::make_unique<Ddpm>(spec);
}

}  // namespace

SamplerFamily ddpm() {
    return {{
        "ddpm",
        "ancestral sampling on any subset of levels, no noise on the step to level 0",
        "Ho et al. 2020, eqs. 6-7; Nichol & Dhariwal 2021, section 4 and eq. 15",
        {{"variance",
          SpecParam::Type::choice,
          "posterior",
          "reverse variance: posterior (small), beta (large), or learned",
          {"posterior", "beta", "learned"}}}},
            "1",
            first_order,
            make};
}

}  // namespace schedbench::sampler_list
