// DPM-Solver++(2S) (Lu et al. 2022, arXiv 2211.01095, alg. 1), singlestep, in the VE form:
//
//     m = t^r a^(1-r),   x_m = (m / a) x + (1 - m / a) D(x; a),   D_m = D(x_m; m)
//     x' = (t / a) x + (1 - t / a) ((1 - 1/(2r)) D + D_m / (2r))
//
// a = sigma_i, b = sigma_{i+1}. eta = 0: t = b. eta > 0: the ancestral form (Song et al. 2021, arXiv
// 2010.02502, eq. 16, for the noise): t = down, then noise is added,
//
//     up = eta b sqrt(a^2 - b^2) / a,   down = sqrt(b^2 - up^2),   x' += up z
//
// A step to b = 0 gives x' = D(x; a). On a table m is rounded to an entry, and r becomes that entry's.
#include <ATen/ATen.h>

#include "samplers/ancestral.h"
#include "samplers/family_list.h"
#include "samplers/midpoint.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

struct Step {
    double target = 0, noise = 0;  ///< where the solver goes, and what is added there
    Midpoint middle;               ///< unless target is 0
};

class Dpmpp2s final : public Sampler {
  public:
    explicit Dpmpp2s(Spec spec) : spec_(std::move(spec)), r_(spec_.number("r")), eta_(spec_.number("eta")) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const std::vector<Step> steps = plan(walk);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const auto& [target, added, middle] = steps[static_cast<size_t>(i)];
            const double a = walk.level(i), ratio = target / a;
            const at::Tensor denoised = walk.denoised(x, i);
            if (target == 0) {
                x.copy_(denoised);
            } else {
                const double inner = middle.at.level / a, share = 1 / (2 * middle.r);
                const at::Tensor inside = at::mul(x, inner).add_(denoised, 1 - inner);
                const at::Tensor second = walk.output(inside, middle.at).x0;
                x.mul_(ratio);
                if (share != 1) x.add_(denoised, (1 - ratio) * (1 - share));
                x.add_(second, (1 - ratio) * share);
                if (added != 0) x.add_(noise.step(static_cast<uint32_t>(i)).to(at::kDouble), added);
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    void check_schedule(const Schedule& schedule, const std::string& where) const override {
        if (eta_ == 0) check_room(schedule, spec_, where);
    }
    bool stochastic() const override { return eta_ > 0; }

  private:
    /// All steps first: an error costs no evaluation.
    std::vector<Step> plan(const KnotWalk& walk) const {
        std::vector<Step> out;
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            Step step;
            const AncestralSplit split = ancestral_split(a, b, eta_);
            step.noise = split.up;
            step.target = split.down;
            if (step.target > 0) step.middle = locate_midpoint(walk, a, step.target, r_, spec_);
            out.push_back(step);
        }
        return out;
    }

    Spec spec_;
    double r_, eta_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    number_within(spec, "r", 0, 1, true, where);
    number_within(spec, "eta", 0, 1, false, where);
    return std::make_unique<Dpmpp2s>(spec);
}

}  // namespace

SamplerFamily dpmpp_2s() {
    constexpr auto number = SpecParam::Type::number;
    return {
        {"dpmpp-2s",
         "DPM-Solver++(2S), singlestep; eta > 0 is its ancestral form; the step to level 0 is first order",
         "Lu et al. 2022 (DPM-Solver++), alg. 1; noise as in Song et al. 2021 (DDIM), eq. 16",
         {{"r", number, "0.5", "place of the inner level b^r a^(1-r), between 0 and 1"},
          {"eta", number, "0", "share of the posterior noise that is added after each step, 0 to 1"}}},
        "2, but 1 on a step to level 0",
        second_order,
        make};
}

}  // namespace schedbench::sampler_list
