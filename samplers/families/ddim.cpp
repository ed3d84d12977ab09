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
#include "core/error.h"
#include "samplers/ancestral.h"
#include "samplers/family_list.h"

namespace schedbench::sampler_list {

namespace {

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double eta = spec.number("eta");
    if (!(eta >= 0 && eta <= 1))
        throw Error("spec", "key \"eta\" of " + spec.name + " must be from 0 to 1, not " + format_number(eta),
                    where);
    return make_linear_multistep(spec, HistoryKind::denoised, ancestral_weights, eta > 0);
}

}  // namespace

SamplerFamily ddim() {
    return {{"ddim",
             "DDIM; eta=0 is euler, eta=1 is ddpm:variance=posterior",
             "Song et al. 2021 (DDIM), eqs. 12 and 16",
             {{"eta", SpecParam::Type::number, "0", "share of the posterior noise that is added, 0 to 1"}}},
            "1",
            first_order,
            make};
}

}  // namespace schedbench::sampler_list
