// The "iddpm" discretisation of EDM's ablation (Karras et al. 2022, arXiv 2206.00364, table 1): levels of a
// table that is built like the noise of Nichol and Dhariwal, of which N are taken in even strides.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "schedules/family_list.h"
#include "schedules/iddpm_table.h"

namespace schedbench::family_list {

namespace {

constexpr double kOriginalMin = 0.002,
                 kOriginalMax = 81;  ///< defaults of the original code for this discretisation
constexpr double kNominalMax = 80;   ///< a continuous range up to here means: as far as levels are used

LevelRange range(const FamilyContext& c) {
    const double limit =
        !c.process.discrete() && c.process.sigma_max() >= kNominalMax ? kOriginalMax : c.process.sigma_max();
    return {std::max(c.process.sigma_min(), kOriginalMin), std::min(limit, kOriginalMax)};
}

std::vector<double> levels(const FamilyContext& c) {
    const IddpmTable kind = c.spec.text("table") == "exact" ? IddpmTable::exact : IddpmTable::float32;
    std::vector<double> kept;
    for (double u : iddpm_levels(c.spec.integer("M"), c.positive("C1"), c.positive("C2"), kind, c.where))
        if (u >= c.sigma_min && u <= c.sigma_max) kept.push_back(u);
    if (static_cast<int>(kept.size()) < c.count)
        throw Error("number",
                    "edm-iddpm needs " + std::to_string(c.count) + " levels, but its table of M=" +
                        std::to_string(c.spec.integer("M")) + " has " + std::to_string(kept.size()) +
                        " between " + format_number(c.sigma_min) + " and " + format_number(c.sigma_max),
                    c.where, "ask for fewer steps, a wider range or a larger M");
    std::vector<double> out;
    const double stride = static_cast<double>(kept.size() - 1) / (c.count - 1);
    for (int k = 0; k < c.count; ++k) out.push_back(kept[static_cast<size_t>(std::nearbyint(stride * k))]);
    return out;
}

}  // namespace

ScheduleFamily edm_iddpm() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {
        "edm-iddpm",
        "even strides in EDM's table of iDDPM noise levels, cut to the range; needs no table of the model",
        "Karras et al. 2022, table 1 (iDDPM) and generate.py",
        {{"M", Type::integer, "1000", "size of the table"},
         {"C1", Type::number, "0.001", "lower bound of abar_{j-1}/abar_j"},
         {"C2", Type::number, "0.008", "offset of the angle"},
         {"table",
          Type::choice,
          "exact",
          "float32: abar_j in single precision, as in the original code; differs by up to 5e-4 at low levels",
          {"exact", "float32"}}}};
    f.coordinate = "index";
    f.map = "u_{j-1}^2 = (u_j^2 + 1)/max(abar_{j-1}/abar_j, C1) - 1, abar_j = sin^2(pi/2 j/M/(1 + C2))";
    f.rounding = "half to even, of k (n-1)/(N-1) in double, n = number of levels within the range";
    f.levels = levels;
    f.range = range;
    f.least_steps = 2;
    f.least_reason = "its strides (n-1)/(N-1) are not defined for N = 1";
    return f;
}

}  // namespace schedbench::family_list
