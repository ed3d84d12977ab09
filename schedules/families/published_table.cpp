#include "schedules/families/published_table.h"

#include <algorithm>
#include <cmath>

namespace schedbench {

std::vector<double> table_levels(const PublishedTable& table, int count) {
    const size_t last = table.knots.size() - 1;
    std::vector<double> out;
    for (int i = 0; i < count; ++i) {
        // position = whole + rest/(count - 1), in integers, so that a knot that is hit is hit exactly
        const size_t gaps = static_cast<size_t>(std::max(count - 1, 1)),
                     scaled = static_cast<size_t>(i) * last;
        const size_t whole = scaled / gaps, rest = scaled % gaps;
        const double knot = table.knots[whole];
        const double share = static_cast<double>(rest) / static_cast<double>(gaps);
        out.push_back(rest == 0 ? knot : knot * std::pow(table.knots[whole + 1] / knot, share));
    }
    return out;
}

SpecParam table_param(const std::vector<PublishedTable>& tables, const std::string& help) {
    SpecParam param{"table", SpecParam::Type::choice, tables.front().name, help};
    for (const PublishedTable& table : tables) param.choices.push_back(table.name);
    return param;
}

const PublishedTable& chosen_table(const std::vector<PublishedTable>& tables, const FamilyContext& context) {
    const std::string& name = context.spec.text("table");
    return *std::find_if(tables.begin(), tables.end(), [&](const auto& table) { return table.name == name; });
}

}  // namespace schedbench
