// DDIM (Song et al. 2021, arXiv 2010.02502, eqs. 12 and 16), r -> s:
//
//     x_s = sqrt(abar_s) x0hat + sqrt(1 - abar_s - v) eps + sqrt(v) z,
//     v = eta^2 (1 - abar_s) / (1 - abar_r) (1 - abar_r / abar_s)
//
// Divided by sqrt(abar_s), with a = sigma_r, b = sigma_s, abar = 1 / (1 + sigma^2), eps = (x - D) / a:
//
//     1 - abar_r / abar_s = (a^2 - b^2) / (1 + a^2)     =>     up^2 = v / abar_s = eta^2 b^2 (a^2 - b^2) /
//     a^2 x' = D + down (x - D) / a + up z,     down^2 = b^2 - up^2
//
// so DDIM(eta) is Euler-ancestral(eta) (k-diffusion's rule), eta = 0 is Euler, and eta = 1 is DDPM with the
// posterior variance: the coefficient of x is then b^2 / a^2.
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "samplers/families.h"
#include "samplers/knot_walk.h"

namespace schedbench {

namespace {

class Ddim final : public Sampler {
  public:
    explicit Ddim(Spec spec) : spec_(std::move(spec)), eta_(spec_.number("eta")) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            const double up = eta_ * (b / a) * std::sqrt((a - b) * (a + b));
            const double down = std::sqrt(std::max(0.0, (b - up) * (b + up)));
            x = (down / a) * x + (1 - down / a) * walk.denoised(x, i);
            if (up > 0) x = x + up * noise.step(static_cast<uint32_t>(i)).to(at::kDouble);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return eta_ > 0; }

  private:
    Spec spec_;
    double eta_;
};

const SpecEntry& entry() {
    static const SpecEntry entry{
        "ddim",
        "DDIM; eta=0 is euler, eta=1 is ddpm:variance=posterior",
        "Song et al. 2021 (DDIM), eqs. 12 and 16",
        {{"eta", SpecParam::Type::number, "0", "share of the posterior noise that is added, 0 to 1"}}};
    return entry;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double eta = spec.number("eta");
    if (!(eta >= 0 && eta <= 1))
        throw Error("spec", "key \"eta\" of ddim must be from 0 to 1, not " + format_number(eta), where);
    return std::make_unique<Ddim>(spec);
}

}  // namespace

const SamplerFamily ddim_family{entry, make};

}  // namespace schedbench
