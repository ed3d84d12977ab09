// Heun with churn (Karras et al. 2022, arXiv 2206.00364, alg. 2; without churn alg. 1):
//
//     gamma = min(s_churn / N, sqrt(2) - 1) if s_min <= a <= s_max, else 0
//     ahat = a (1 + gamma),     xhat = x + sqrt(ahat^2 - a^2) s_noise z
//     d = (xhat - D(xhat; ahat)) / ahat,     x' = xhat + (b - ahat) d
//     if b > 0:  d' = (x' - D(x'; b)) / b,   x' = xhat + (b - ahat) (d + d') / 2
//
// a = sigma_i, b = sigma_{i+1}. N is the number of steps, which is the paper's N when the schedule ends at 0.
// On a discrete process ahat is rounded to the table, as in the paper's code. 2N - 1 evaluations when the
// schedule ends at 0.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "samplers/churn.h"
#include "samplers/family_list.h"
#include "samplers/knot_walk.h"

namespace schedbench::sampler_list {

namespace {

class Heun final : public Sampler {
  public:
    explicit Heun(Spec spec)
        : spec_(std::move(spec)),
          churn_(spec_.number("s-churn")),
          min_(spec_.number("s-min")),
          max_(spec_.number("s-max")),
          noise_(spec_.number("s-noise")),
          knots_divisor_(spec_.text("churn-divisor") == "knots") {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const double most =
            std::min(churn_ / (walk.steps() + (knots_divisor_ ? 1 : 0)), std::numbers::sqrt2 - 1);
        const Churn churn{most, min_, max_, noise_};
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double b = walk.level(i + 1);
            const LocatedLevel from = churn.apply(x, walk, noise, i);
            const double hat = from.level;
            const at::Tensor slope = at::sub(x, walk.output(x, from).x0).div_(hat);
            if (b == 0) {
                x.add_(slope, -hat);
            } else {
                at::Tensor end_slope = at::add(x, slope, b - hat);
                end_slope.sub_(walk.denoised(end_slope, i + 1)).div_(b);
                x.add_(slope, 0.5 * (b - hat)).add_(end_slope, 0.5 * (b - hat));
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return churn_ > 0; }

  private:
    Spec spec_;
    double churn_, min_, max_, noise_;
    bool knots_divisor_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    for (const char* key : {"s-churn", "s-min", "s-max", "s-noise"})
        if (!(spec.number(key) >= 0))
            throw Error("spec", std::string("key \"") + key + "\" of heun must not be negative", where);
    return std::make_unique<Heun>(spec);
}

}  // namespace

SamplerFamily heun() {
    constexpr auto number = SpecParam::Type::number;
    return {{"heun",
             "Heun's method with optional churn; 2N-1 evaluations when the schedule ends at 0",
             "Karras et al. 2022, algs. 1 and 2",
             {{"s-churn", number, "0", "total churn; 0 is the deterministic sampler"},
              {"s-min", number, "0", "lowest level with churn"},
              {"s-max", number, "inf", "highest level with churn"},
              {"s-noise", number, "1", "factor of the standard deviation of added noise"},
              {"churn-divisor",
               SpecParam::Type::choice,
               "steps",
               "s-churn is divided by the number of steps N, or of knots N+1",
               {"steps", "knots"}}}},
            "2, but 1 on a step to level 0",
            second_order,
            make};
}

}  // namespace schedbench::sampler_list
