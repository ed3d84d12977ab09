// Quantiles of a Beta law in sigma, as in the library diffusers (Lee et al. 2024, arXiv 2407.12173, give the
// law for the index of a table: another schedule).
#include <boost/math/special_functions/beta.hpp>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    const double quantile = boost::math::ibetac_inv(c.positive("alpha"), c.positive("beta"), u);
    return c.sigma_min + (c.sigma_max - c.sigma_min) * quantile;
}

}  // namespace

ScheduleFamily beta_sigma() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {"beta-sigma",
               "quantiles of a Beta law between the ends, in sigma",
               "diffusers, after Lee et al. 2024",
               {{"alpha", Type::number, "0.6", "first parameter of the Beta law"},
                {"beta", Type::number, "0.6", "second parameter of the Beta law"}},
               {"hf-beta"}};
    f.coordinate = "distribution function of Beta(alpha, beta)";
    f.map = "sigma = sigma_min + (sigma_max - sigma_min) quantile(x)";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
