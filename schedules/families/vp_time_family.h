// What the schedules in VP time share: the keys eps, beta-d and beta-min, and the betas they come to.
#pragma once

#include <vector>

#include "schedules/schedule_family.h"
#include "schedules/vp_time.h"

namespace schedbench {

std::vector<SpecParam> vp_time_params();
/// The betas of the spec; both auto: fitted to the range of sigma. One auto alone is Error("spec").
VpTime vp_time(const FamilyContext& context);
/// The level at a share u of the way from time(sigma_max)^(1/rho) to time(sigma_min)^(1/rho).
double vp_power_level(const FamilyContext& context, const VpTime& vp, double u, double rho);

}  // namespace schedbench
