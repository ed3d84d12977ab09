// Two arctan ramps that meet at the middle of the range; known from the programs RES4LYF and
// stable-diffusion.cpp. With M points in all, a ramp of n points is
//     v(x) = (2/pi atan(-s (x - p)) + 1)/2,  x = 0..n-1,  s = slope/(M/40),
// scaled so that it begins and ends at its ends. Both share the point in the middle, so that M - 1 are left.
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> ramp(int points, double slope, double pivot, double start, double end) {
    auto value = [&](int x) { return (2 / std::numbers::pi * std::atan(-slope * (x - pivot)) + 1) / 2; };
    const double first = value(0), last = value(points - 1);
    std::vector<double> out;
    for (int x = 0; x < points; ++x)
        out.push_back(end + (start - end) * ((value(x) - last) / (first - last)));
    out.front() = start;
    out.back() = end;
    return out;
}

std::vector<double> levels(const FamilyContext& c) {
    const int points = c.count + 1;
    const double share = c.positive("pivot"), slope = c.positive("slope") / (points / 40.0);
    if (!(share < 1))
        throw Error("number", "pivot must lie between 0 and 1, not " + format_number(share), c.where);
    const int pivot = static_cast<int>(points * share);  // of both ramps, and where they meet
    const int middle = pivot;
    if (middle < 2 || points - middle < 2)
        throw Error("number",
                    "bong-tangent is two ramps of at least 2 points, but of its " + std::to_string(points) +
                        " points they get " + std::to_string(middle) + " and " +
                        std::to_string(points - middle),
                    c.where, "ask for more steps");
    const double centre = (c.sigma_max + c.sigma_min) / 2;
    std::vector<double> out = ramp(middle, slope, pivot, c.sigma_max, centre);
    out.pop_back();
    for (double level : ramp(points - middle, slope, pivot - middle, centre, c.sigma_min))
        out.push_back(level);
    return out;
}

}  // namespace

ScheduleFamily bong_tangent() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {"bong-tangent",
               "two arctan ramps that meet at the middle of the range; published with end=replace",
               "RES4LYF; stable-diffusion.cpp",
               {{"pivot", Type::number, "0.6", "where the ramps meet and turn, as a share of the points"},
                {"slope", Type::number, "0.2", "steepness of the ramps, for 40 points"}}};
    f.coordinate = "point of two ramps";
    f.map = "sigma linear in atan(-s (x - p)), s = 40 slope/M, on each side of (sigma_max + sigma_min)/2";
    f.rounding = "the point where the ramps meet, down";
    f.levels = levels;
    f.range = model_range;
    f.least_steps = 2;
    f.least_reason = "it is two ramps of at least 2 points";
    return f;
}

}  // namespace schedbench::family_list
