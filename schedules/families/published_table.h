// Published lists of knots, and how they are read at other counts.
#pragma once

#include <string>
#include <vector>

#include "schedules/schedule_family.h"

namespace schedbench {

struct PublishedTable {
    std::string name;           ///< value of the key `table`
    std::vector<double> knots;  ///< falling levels; no 0
};

/// count levels: the knots themselves where count is their number, else log-linear between them at equally
/// spaced positions (the rule of ComfyUI and stable-diffusion.cpp).
std::vector<double> table_levels(const PublishedTable& table, int count);

/// The key `table` with these choices; the first is the default.
SpecParam table_param(const std::vector<PublishedTable>& tables, const std::string& help);
/// The table that the spec names.
const PublishedTable& chosen_table(const std::vector<PublishedTable>& tables, const FamilyContext& context);

}  // namespace schedbench
