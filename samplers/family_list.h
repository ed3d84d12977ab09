// The samplers, in the order in which `schedbench list samplers` shows them. A new one is a file
// families/NAME.cpp that defines SamplerFamily sampler_list::NAME(), and a line here.
#pragma once

#include "samplers/sampler_family.h"

#define SCHEDBENCH_SAMPLER_FAMILIES(FAMILY) \
    /* deterministic */                     \
    FAMILY(euler)                           \
    FAMILY(heun)                            \
    FAMILY(dpm_2)                           \
    FAMILY(dpmpp_2s)                        \
    FAMILY(dpmpp_2m)                        \
    FAMILY(dpmpp_3m)                        \
    FAMILY(unipc)                           \
    FAMILY(ipndm)                           \
    FAMILY(ipndm_v)                         \
    FAMILY(adams_bashforth)                 \
    FAMILY(deis_tab)                        \
    /* with noise */                        \
    FAMILY(ddim)                            \
    FAMILY(euler_ancestral)                 \
    FAMILY(ddpm)                            \
    FAMILY(sde_dpmpp_1)                     \
    FAMILY(sde_dpmpp_2m)                    \
    FAMILY(annealed_langevin)               \
    FAMILY(pc)                              \
    /* of both kinds */                     \
    FAMILY(edm_ablation)                    \
    FAMILY(afs)

namespace schedbench::sampler_list {

#define SCHEDBENCH_DECLARE(name) SamplerFamily name();
SCHEDBENCH_SAMPLER_FAMILIES(SCHEDBENCH_DECLARE)
#undef SCHEDBENCH_DECLARE

}  // namespace schedbench::sampler_list
