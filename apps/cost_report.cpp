#include "apps/cost_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/text_table.h"
#include "learn/learner.h"

namespace schedbench {

namespace {

nlohmann::json number_or_null(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

double number_at(const nlohmann::json& provenance, const char* key) {
    const auto it = provenance.find(key);
    return it == provenance.end() || it->is_null() ? std::nan("") : it->get<double>();
}

double length_error(const LearnedSchedule& learned) {
    const auto it = learned.provenance.find("length_se");
    if (it == learned.provenance.end() || it->empty() || it->back().is_null()) return std::nan("");
    return it->back().get<double>();
}

/// Errors of ln(level) of the requested knots.
std::vector<double> errors_of(const LearnedSchedule& learned, const Schedule& schedule) {
    const int steps = static_cast<int>(schedule.requested.size()) - 1;
    return knot_errors(learned, steps, schedule.end_rule == "sigma-min" ? "sigma-min" : "zero", "SPEC");
}

std::string with_error(double value, double error) {
    return short_number(value, 4) + (std::isfinite(error) ? " +-" + short_number(error, 2) : "");
}

}  // namespace

nlohmann::json cost_report(const LearnedSchedule& learned, const Schedule& schedule) {
    nlohmann::json out;
    out["level_error"] = nlohmann::json::array();
    for (double error : errors_of(learned, schedule)) out["level_error"].push_back(number_or_null(error));
    out["length"] = learned.curve.length.back();
    out["length_se"] = number_or_null(length_error(learned));
    for (const char* key : {"energy", "energy_se"})
        out[key] = number_or_null(number_at(learned.provenance, key));
    out["probes"] = learned.provenance.value("probes", nlohmann::json());
    out["warning"] = learned.provenance.value("warning", "");
    return out;
}

void print_cost_report(std::ostream& out, const LearnedSchedule& learned, const Schedule& schedule) {
    constexpr size_t kBands = 24;
    constexpr double kWidth = 40;
    const std::vector<double> error = errors_of(learned, schedule);
    out << "\nlength " << with_error(learned.curve.length.back(), length_error(learned)) << "\nenergy "
        << with_error(number_at(learned.provenance, "energy"), number_at(learned.provenance, "energy_se"))
        << " over " << learned.curve.sigma.size() - 1 << " intervals of "
        << learned.provenance.value("probes", int64_t{0})
        << " probes\nerrors of the knots, in percent of the level:";
    for (double value : error) out << " " << (std::isfinite(value) ? short_number(100 * value, 2) : "?");
    out << "\n\n";

    const std::vector<double>&sigma = learned.curve.sigma, &length = learned.curve.length;
    const size_t bands = std::min(kBands, sigma.size() - 1);
    std::vector<double> density(bands);
    const auto edge = [&](size_t band) { return band * (sigma.size() - 1) / bands; };
    for (size_t b = 0; b < bands; ++b)
        density[b] = (length[edge(b + 1)] - length[edge(b)]) / std::log(sigma[edge(b + 1)] / sigma[edge(b)]);
    const double most = *std::max_element(density.begin(), density.end());
    TextTable table({"<levels", "length per ln sigma", "<density", "<knots"});
    for (size_t b = bands; b-- > 0;) {
        const double low = sigma[edge(b)], high = sigma[edge(b + 1)];
        std::string knots;
        for (double level : schedule.effective)
            if (level > low && (level < high || (b + 1 == bands && level <= high * (1 + 1e-12))))
                knots += "o";
        if (b == 0)
            for (double level : schedule.effective)
                if (level > 0 && level <= low) knots += "o";
        table.add({short_number(low, 3) + " .. " + short_number(high, 3), short_number(density[b], 3),
                   std::string(static_cast<size_t>(std::lround(kWidth * density[b] / most)), '#'), knots});
    }
    table.print(out);
    const std::string warning = learned.provenance.value("warning", "");
    if (!warning.empty()) out << "\nwarning: " << warning << "\n";
}

}  // namespace schedbench
