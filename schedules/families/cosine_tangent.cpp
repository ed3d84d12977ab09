// The cosine law without the division by abar(0) (Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17): abar =
// cos^2 th, th = (t + s)/(1 + s) pi/2, so that sigma = tan th. It cannot go below its level at t = 0.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double lowest(const FamilyContext& c) {
    const double s = c.positive("s");
    return std::tan(s * std::numbers::pi / (2 * (1 + s)));
}

LevelRange range(const FamilyContext& c) {
    return {lowest(c), model_range(c).sigma_max};
}

std::vector<double> levels(const FamilyContext& c) {
    if (c.sigma_min < lowest(c) * (1 - 1e-12))
        throw Error("number",
                    "sigma-min=" + format_number(c.sigma_min) + " is below " + format_number(lowest(c)) +
                        ", the level of this law at t = 0",
                    c.where, "use a larger sigma-min, a smaller s, or the schedule cosine");
    const double first = std::atan(c.sigma_max), last = std::atan(c.sigma_min);
    std::vector<double> out(static_cast<size_t>(c.count), c.sigma_max);
    for (int i = 1; i < c.count; ++i) {
        const double u = static_cast<double>(i) / (c.count - 1);
        out[static_cast<size_t>(i)] = i + 1 == c.count ? c.sigma_min : std::tan((1 - u) * first + u * last);
    }
    return out;
}

}  // namespace

ScheduleFamily cosine_tangent() {
    ScheduleFamily f;
    f.entry = {"cosine-tangent",
               "uniform in the time of the cosine law, not normalised: sigma = tan(angle)",
               "Nichol and Dhariwal 2021, eq. 17",
               {{"s", SpecParam::Type::number, "0.008",
                 "offset of the angle at the data: no level is below tan(s pi/(2 (1 + s)))"}}};
    f.coordinate = "t (cosine)";
    f.map = "sigma = tan th(t), th = (t + s)/(1 + s) pi/2";
    f.levels = levels;
    f.range = range;
    return f;
}

}  // namespace schedbench::family_list
