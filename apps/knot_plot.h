// A picture of schedules over ln sigma, as an SVG file: above, how far along the steps each level comes; below,
// the levels of each schedule on a line of its own.
#pragma once

#include <string>
#include <vector>

#include "schedules/schedule.h"

namespace schedbench {

/// Error("file") if it cannot be written. At most 12 schedules are told apart by colour.
void write_knot_plot(const std::string& path, const std::vector<Schedule>& schedules);

}  // namespace schedbench
