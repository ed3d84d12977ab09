// The handcrafted schedules, in the order in which `schedbench list schedules` shows them. A new one is a file
// families/NAME.cpp that defines ScheduleFamily family_list::NAME(), and a line here.
#pragma once

#include "schedules/schedule_family.h"

#define SCHEDBENCH_SCHEDULE_FAMILIES(FAMILY) \
    /* in sigma */                            \
    FAMILY(edm)                               \
    FAMILY(log_linear)                        \
    FAMILY(polyexponential)                   \
    FAMILY(arctan)                            \
    FAMILY(uniform_t)                         \
    FAMILY(quadratic_t)                       \
    FAMILY(shifted_quadratic_t)               \
    FAMILY(cosine)                            \
    FAMILY(cosine_tangent)                    \
    FAMILY(ve)                                \
    FAMILY(vp)                                \
    FAMILY(edm_iddpm)                         \
    FAMILY(power_t)                           \
    FAMILY(beta_sigma)                        \
    FAMILY(bong_tangent)                      \
    FAMILY(dmn)                               \
    FAMILY(kl_spectrum)                       \
    FAMILY(flow_shift)                        \
    FAMILY(flow_exp)                          \
    FAMILY(flux)                              \
    FAMILY(flux2)                             \
    FAMILY(ltx2)                              \
    FAMILY(logit_normal)                      \
    /* in the index of a table */             \
    FAMILY(even)                              \
    FAMILY(even_kt)                           \
    FAMILY(quadratic_kt)                      \
    FAMILY(ddim_uniform)                      \
    FAMILY(ddim_uniform_exact)                \
    FAMILY(ddim_quad)                         \
    FAMILY(linspace)                          \
    FAMILY(leading)                           \
    FAMILY(trailing)                          \
    FAMILY(respacing)                         \
    FAMILY(beta_index)                        \
    FAMILY(simple)                            \
    FAMILY(normal)                            \
    FAMILY(sgm_uniform)                       \
    FAMILY(smoothstep)                        \
    FAMILY(lcm)                               \
    /* listed knots */                        \
    FAMILY(ays)                               \
    FAMILY(ays_index)                         \
    FAMILY(gits)                              \
    FAMILY(explicit_levels)                   \
    FAMILY(learned)

namespace schedbench::family_list {

#define SCHEDBENCH_DECLARE(name) ScheduleFamily name();
SCHEDBENCH_SCHEDULE_FAMILIES(SCHEDBENCH_DECLARE)
#undef SCHEDBENCH_DECLARE

}  // namespace schedbench::family_list
