// DPM-Solver-2 in the time sigma (Karras et al. 2022, arXiv 2206.00364, alg. 3 with alpha = r on a log scale;
// Lu et al. 2022, arXiv 2206.00927, alg. 4):
//
//     m = b^r a^(1-r),   d = (x - D(x; a)) / a,   x_m = x + (m - a) d,   d_m = (x_m - D(x_m; m)) / m
//     x' = x + (b - a) ((1 - 1/(2r)) d + d_m / (2r))
//
// a = sigma_i, b = sigma_{i+1}. A step to b = 0 is an Euler step. On a table m is rounded to an entry, and r
// becomes that entry's.
#include <ATen/ATen.h>

#include <cmath>

#include "samplers/family_list.h"
#include "samplers/midpoint.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

class Dpm2 final : public Sampler {
  public:
    explicit Dpm2(Spec spec) : spec_(std::move(spec)), r_(spec_.number("r")) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        std::vector<Midpoint> midpoints;  // of all steps first: an error costs no evaluation
        for (int i = 0; i < walk.steps() && walk.level(i + 1) > 0; ++i)
            midpoints.push_back(locate_midpoint(walk, walk.level(i), walk.level(i + 1), r_, spec_));
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            const at::Tensor slope = at::sub(x, walk.denoised(x, i)).div_(a);
            if (b == 0) {
                x.add_(slope, -a);
            } else {
                const auto& [m, r] = midpoints[static_cast<size_t>(i)];
                at::Tensor middle = at::add(x, slope, m.level - a);
                middle.sub_(walk.output(middle, m).x0).div_(m.level);
                const double share = 1 / (2 * r);
                if (share != 1) x.add_(slope, (b - a) * (1 - share));
                x.add_(middle, (b - a) * share);
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    void check_schedule(const Schedule& schedule, const std::string& where) const override {
        check_room(schedule, spec_, where);
    }

  private:
    Spec spec_;
    double r_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    number_within(spec, "r", 0, 1, true, where);
    return std::make_unique<Dpm2>(spec);
}

}  // namespace

SamplerFamily dpm_2() {
    return {
        {"dpm-2",
         "DPM-Solver-2: a second evaluation inside the step; a step to level 0 is an Euler step",
         "Karras et al. 2022, alg. 3; Lu et al. 2022 (DPM-Solver), alg. 4",
         {{"r", SpecParam::Type::number, "0.5", "place of the inner level b^r a^(1-r), between 0 and 1"}}},
        "2, but 1 on a step to level 0",
        second_order,
        make};
}

}  // namespace schedbench::sampler_list
