// The cosine law (Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17), continuous: abar = cos^2 th / cos^2
// th0, th = (t + s)/(1 + s) pi/2, uniform in t.
#include <cmath>
#include <numbers>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

double level(const FamilyContext& c, double u) {
    const double s = c.positive("s");
    const double origin = s / (1 + s) * std::numbers::pi / 2;
    // cos^2 th = cos^2 th0 / (1 + sigma^2), solved for th through the tangent, which is well conditioned
    // everywhere.
    auto angle = [&](double sigma) {
        return std::atan(std::hypot(sigma, std::sin(origin)) / std::cos(origin));
    };
    const double th = (1 - u) * angle(c.sigma_max) + u * angle(c.sigma_min);
    return std::sqrt(std::sin(th - origin) * std::sin(th + origin)) / std::cos(th);
}

}  // namespace

ScheduleFamily cosine() {
    ScheduleFamily f;
    f.entry = {
        "cosine",
        "uniform in the time of the cosine law, normalised by abar(0) (cosine-tangent: not normalised)",
        "Nichol and Dhariwal 2021, eq. 17",
        {{"s", SpecParam::Type::number, "0.008", "offset of the angle at the data"}}};
    f.coordinate = "t (cosine)";
    f.map = "sigma^2 = cos^2 th(0) / cos^2 th(t) - 1, th = (t + s)/(1 + s) pi/2";
    f.level = level;
    return f;
}

}  // namespace schedbench::family_list
