// DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, alg. 2, midpoint type), multistep, in the VE form:
//
//     h = ln(a / b),   r = h_{i-1} / h,   Dhat = D_i + (D_i - D_{i-1}) / (2 r)
//     x' = (b / a) x + (1 - b / a) Dhat                    (e^{-h} = b / a)
//
// a = sigma_i, b = sigma_{i+1}. The first step is first order (Dhat = D_i), and so is a step to b = 0 (h
// infinite), which gives x' = D_i. lower-order-final=true makes the last step first order also where it ends
// above 0. One evaluation a step; D_{i-1} is the only history.
#include <ATen/ATen.h>

#include <cmath>

#include "samplers/families.h"
#include "samplers/knot_walk.h"

namespace schedbench {

namespace {

class Dpmpp2M final : public Sampler {
  public:
    explicit Dpmpp2M(Spec spec) : spec_(std::move(spec)), lower_final_(spec_.flag("lower-order-final")) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels);
        at::Tensor x = walk.start(), previous;
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            const at::Tensor denoised = walk.denoised(x, i);
            at::Tensor target = denoised;
            const bool first_order = i == 0 || b == 0 || (lower_final_ && i + 1 == walk.steps());
            if (!first_order) {
                const double r = std::log(walk.level(i - 1) / a) / std::log(a / b);
                target = denoised + (denoised - previous) / (2 * r);
            }
            x = (b / a) * x + (1 - b / a) * target;
            previous = denoised;
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }

  private:
    Spec spec_;
    bool lower_final_;
};

const SpecEntry& entry() {
    static const SpecEntry entry{"dpmpp-2m",
                                 "DPM-Solver++(2M), midpoint type; the step to level 0 is first order",
                                 "Lu et al. 2022 (DPM-Solver++), alg. 2",
                                 {{"lower-order-final", SpecParam::Type::flag, "false",
                                   "first order on the last step also where it ends above 0"}}};
    return entry;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return std::make_unique<Dpmpp2M>(spec);
}

}  // namespace

const SamplerFamily dpmpp_family{entry, make};

}  // namespace schedbench
