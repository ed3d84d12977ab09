#include "schedules/families/flow_levels.h"

#include <cmath>

#include "core/error.h"

namespace schedbench {

namespace {

/// All of the process's: the first level stands for an infinite one.
LevelRange range(const FamilyContext& c) {
    return {c.process.sigma_min(), c.process.sigma_max()};
}

}  // namespace

std::vector<double> flow_levels(const FamilyContext& c,
                                const std::function<double(double v, double rest)>& level) {
    std::vector<double> out{c.sigma_max};
    for (int i = 1; i < c.steps; ++i)
        out.push_back(level(static_cast<double>(c.steps - i) / c.steps, static_cast<double>(i) / c.steps));
    if (c.steps > 1 && !(out[1] < c.sigma_max))
        throw Error("number",
                    "knot 1 (" + format_number(out[1]) + ") is not below sigma-max (" +
                        format_number(c.sigma_max) + "), to which the infinite first level is cut",
                    c.where, "use a larger sigma-max or fewer steps");
    if (c.count > c.steps) {
        if (c.spec.text("end") == "sigma-min" && !(out.back() > c.sigma_min))
            throw Error("number",
                        "knot " + std::to_string(c.steps - 1) + " (" + format_number(out.back()) +
                            ") is not above sigma-min (" + format_number(c.sigma_min) + ")",
                        c.where, "use a smaller sigma-min, fewer steps or end=zero");
        out.push_back(c.sigma_min);
    }
    return out;
}

double flow_exp_level(double mu, double gamma, double v, double rest) {
    return std::exp(mu + gamma * std::log(v / rest));
}

double line_through(double x0, double y0, double x1, double y1, double x) {
    return y0 + (y1 - y0) * ((x - x0) / (x1 - x0));
}

ScheduleFamily flow_family(SpecEntry entry, const std::string& map,
                           std::vector<double> (*levels)(const FamilyContext&)) {
    ScheduleFamily f;
    f.entry = std::move(entry);
    f.coordinate = "v = 1 - i/N (flow time)";
    f.map = map + "; v = 1 is cut to sigma-max";
    f.levels = levels;
    f.range = range;
    return f;
}

}  // namespace schedbench
