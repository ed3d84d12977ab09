// The shifted schedule of flow models (Esser et al. 2024, arXiv 2403.03206, eq. 23): s = shift v/(1 + (shift
// - 1) v).
#include "schedules/families/flow_levels.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const double shift = c.positive("shift");
    return flow_levels(c, [&](double v, double rest) { return shift * v / rest; });
}

}  // namespace

ScheduleFamily flow_shift() {
    return flow_family(
        {"flow-shift",
         "uniform in the time of a flow model, shifted to high noise; the first level, infinite, is "
         "cut to sigma-max",
         "Esser et al. 2024, eq. 23",
         {{"shift", SpecParam::Type::number, "3", "factor of the level; 1 is uniform"}}},
        "sigma = shift v/(1 - v)", levels);
}

}  // namespace schedbench::family_list
