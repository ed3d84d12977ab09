// Euler-ancestral (k-diffusion's rule): an Euler step from a = sigma_i to sigma_down, then noise up to b =
// sigma_{i+1},
//
//     sigma_up = min(b, eta sqrt(b^2 (a^2 - b^2) / a^2)),     sigma_down = sqrt(b^2 - sigma_up^2)
//     x' = x + (sigma_down - a) (x - D) / a + sigma_up z
//
// Up to eta = 1 this is ddim:eta=... (its weights are these), and eta = 1 is ddpm:variance=posterior. eta may
// be larger than 1: then sigma_up is capped at b, where x' = D + b z. A step to b = 0 gives x' = D.
#include "samplers/ancestral.h"
#include "samplers/exponential_sde.h"
#include "samplers/family_list.h"

namespace schedbench::sampler_list {

namespace {

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double eta = checked_sde_eta(spec, where);
    return make_linear_multistep(spec, HistoryKind::denoised, ancestral_weights, eta > 0);
}

}  // namespace

SamplerFamily euler_ancestral() {
    return {{"euler-ancestral",
             "Euler to a lower level, then noise; eta up to 1 is ddim:eta, eta=1 is ddpm:variance=posterior",
             "Song et al. 2021 (DDIM), eq. 16 in the VE form; k-diffusion",
             {{"eta", SpecParam::Type::number, "1",
               "factor of the posterior noise, from 0; above 1 the noise is capped at the next level"}}},
            "1",
            first_order,
            make};
}

}  // namespace schedbench::sampler_list
