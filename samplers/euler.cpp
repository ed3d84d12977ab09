// Euler steps of the probability-flow ODE in the VE form (Karras et al. 2022, arXiv 2206.00364, alg. 1 with s
// = 1):
//
//     d = (x - D(x; a)) / a,     x' = x + (b - a) d,     a = sigma_i, b = sigma_{i+1}
//
// The same numbers as DDIM with eta = 0 (Song et al. 2021): see ddim.cpp. A step to b = 0 gives x' = D.
#include <ATen/ATen.h>

#include "samplers/families.h"
#include "samplers/knot_walk.h"

namespace schedbench {

namespace {

class Euler final : public Sampler {
  public:
    explicit Euler(Spec spec) : spec_(std::move(spec)) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double ratio = walk.level(i + 1) / walk.level(i);
            // x + (b - a)(x - D)/a, written so that b = 0 gives D exactly.
            x = ratio * x + (1 - ratio) * walk.denoised(x, i);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }

  private:
    Spec spec_;
};

const SpecEntry& entry() {
    static const SpecEntry entry{"euler",
                                 "Euler steps of the probability-flow ODE; the same numbers as ddim:eta=0",
                                 "Karras et al. 2022, alg. 1; Song et al. 2021 (DDIM), eq. 12 with sigma = 0",
                                 {}};
    return entry;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string&) {
    return std::make_unique<Euler>(spec);
}

}  // namespace

const SamplerFamily euler_family{entry, make};

}  // namespace schedbench
