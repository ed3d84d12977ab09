// DM-NonUniform (Xue et al. 2024, arXiv 2402.17376): the knots that minimise an error bound of multistep
// solvers of order 3, worked out anew for every range and number of steps (dm_non_uniform.h).
#include <cmath>

#include "schedules/dm_non_uniform.h"
#include "schedules/family_list.h"
#include "schedules/vp_time.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    std::vector<double> out(static_cast<size_t>(c.count), c.sigma_max);
    if (c.count == 1) return out;
    const bool latent = c.spec.text("error") == "latent";
    const std::string& init = c.spec.text("init");
    const bool in_time = init == "t" || (init == "auto" && latent);
    const VpTime vp;
    std::vector<double> lambda;
    for (int i = 0; i < c.count; ++i) {
        const double u = static_cast<double>(i) / (c.count - 1);
        const double level = in_time ? vp.sigma((1 - u) * vp.time(c.sigma_max) + u * vp.time(c.sigma_min))
                                     : c.sigma_max * std::pow(c.sigma_min / c.sigma_max, u);
        lambda.push_back(-std::log(level));
    }
    lambda = minimise_dm_non_uniform(lambda, latent ? NetworkError::latent : NetworkError::pixel);
    for (size_t i = 1; i < out.size(); ++i) out[i] = std::exp(-lambda[i]);
    out.back() = c.sigma_min;
    return out;
}

}  // namespace

ScheduleFamily dmn() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {"dmn",
               "DM-NonUniform: minimises an error bound of third-order multistep solvers; needs no network",
               "Xue et al. 2024 (DM-NonUniform)",
               {{"error",
                 Type::choice,
                 "latent",
                 "error of the network: sigma^2/alpha (latent) or sigma/alpha (pixel)",
                 {"latent", "pixel"}},
                {"init",
                 Type::choice,
                 "auto",
                 "start of the search: uniform in ln sigma (lambda) or in VP time (t); auto = t for latent, "
                 "lambda for pixel",
                 {"auto", "lambda", "t"}}}};
    f.coordinate = "none";
    f.map = "a local minimum of the bound over ln sigma";
    f.levels = levels;
    f.range = model_range;
    return f;
}

}  // namespace schedbench::family_list
