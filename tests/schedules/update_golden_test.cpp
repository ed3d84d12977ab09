#include <cmath>

#include "core/error.h"
#include "golden_json.h"
#include "schedules/arc_length.h"

namespace schedbench {
namespace {

using nlohmann::json;
using List = std::vector<double>;

Interpolant interpolant_of(std::string name) {
    for (char& c : name)
        if (c == '_') c = '-';
    return parse_interpolant(name, "golden file");
}

TEST(GoldenUpdate, OneStep) {
    golden::Tally tally("schedules/update one step"), lengths("schedules/update cumulative length");
    for (const json& file : golden::files_with({"cases", "must_be_rejected"}))
        for (const json& entry : file.at("cases")) {
            const List grid = entry.at("grid").get<List>(), costs = entry.at("costs").get<List>();
            const double smallest = *std::min_element(costs.begin(), costs.end());
            const double largest = *std::max_element(costs.begin(), costs.end());
            const double tolerance = smallest > 1e-6 * largest ? 1e-11 : 1e-8;
            if (entry.contains("cumulative_length"))
                lengths.add(golden::worst_relative(cumulative_length(costs, 0.5, 1e-12),
                                                   entry.at("cumulative_length").get<List>()),
                            1e-12, entry.at("id"));
            auto check = [&](const json& output, bool resample) {
                UpdateOptions options;
                options.interpolant = interpolant_of(output.at("interpolant"));
                options.gamma = output.value("gamma", 1.0);
                if (resample) options.steps_out = output.at("T_out");
                const List knots = update_schedule(grid, costs, options);
                tally.add(
                    golden::worst_relative(knots, output.at("knots").get<List>()), tolerance,
                    entry.at("id").get<std::string>() + " " + output.at("interpolant").get<std::string>());
                for (size_t i = 1; i < knots.size(); ++i) EXPECT_GT(knots[i], knots[i - 1]) << entry.at("id");
            };
            for (const json& output : entry.at("outputs")) check(output, false);
            if (entry.contains("resample"))
                for (const json& output : entry.at("resample")) check(output, true);
        }
    tally.report();
    lengths.report();
}

TEST(GoldenUpdate, Iterated) {
    golden::Tally tally("schedules/update iterated");
    for (const json& file : golden::files_with({"iterated", "must_be_rejected"}))
        for (const json& entry : file.at("iterated")) {
            const std::string cost = entry.at("cost"), length = entry.at("length_exponent");
            const double power = std::stod(cost.substr(cost.find('^') + 1));  // the law is (t - t')^power
            UpdateOptions options;
            options.interpolant = interpolant_of(entry.at("interpolant"));
            options.gamma = entry.at("gamma");
            options.exponent = 1 / std::stod(length.substr(length.find('/') + 1));
            List grid = entry.at("start").get<List>();
            for (const json& after : entry.at("after")) {
                List costs;
                for (size_t i = 0; i + 1 < grid.size(); ++i)
                    costs.push_back(std::pow(grid[i + 1] - grid[i], power));
                grid = update_schedule(grid, costs, options);
                tally.add(golden::worst_relative(grid, after.get<List>()), 1e-11, cost);
            }
        }
    tally.report();
}

/// Corrector cost of N(0, c^2) between levels low < high (notes: L_c = v^2 (t^2 - t'^2)^2 / (q'^2 q), q = c^2
/// + t^2).
double gaussian_cost(double c, double low, double high, const std::string& weight) {
    const double v = weight == "sigma(t')^2" ? low * low : weight == "sigma(t)^2" ? high * high : low * high;
    const double q_low = c * c + low * low, q_high = c * c + high * high, gap = (high - low) * (high + low);
    return v * gap * gap / (q_low * q_low * q_high);
}

TEST(GoldenUpdate, FixedPointsOfGaussianCosts) {
    golden::Tally tally("schedules/update fixed points");
    for (const json& file : golden::files_with({"fixed_points", "must_be_rejected"}))
        for (const json& entry : file.at("fixed_points")) {
            const List knots = entry.at("knots").get<List>();
            List costs;
            for (size_t i = 0; i + 1 < knots.size(); ++i)
                costs.push_back(gaussian_cost(entry.at("c"), knots[i], knots[i + 1], entry.at("weight")));
            for (double cost : costs)
                tally.add(golden::relative(cost, entry.at("common_cost")), 1e-8, "cost");
            for (const char* name : {"linear", "pchip-sigma", "pchip-ln-sigma"}) {
                UpdateOptions options;
                options.interpolant = parse_interpolant(name, "test");
                tally.add(golden::worst_relative(update_schedule(knots, costs, options), knots), 1e-8, name);
            }
        }
    tally.report();
}

TEST(GoldenUpdate, BadInputIsRejected) {
    golden::Tally tally("schedules/update must be rejected");
    for (const json& file : golden::files_with({"must_be_rejected"}))
        for (const json& entry : file.at("must_be_rejected")) {
            List costs;
            for (const json& cost : entry.at("costs"))
                costs.push_back(cost.is_null() ? std::nan("") : cost.get<double>());
            bool rejected = false;
            try {
                update_schedule(entry.at("grid").get<List>(), costs, {});
            } catch (const Error& e) {
                rejected = e.kind() == "number";
            }
            tally.add(rejected ? 0 : 1, 0.5, entry.at("why"));
        }
    tally.report();
}

}  // namespace
}  // namespace schedbench
