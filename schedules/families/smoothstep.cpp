// The smoothstep scheduler of stable-diffusion.cpp: v^2 (3 - 2v) of an even grid, dense at both ends of the
// table.
#include <cmath>

#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    std::vector<int64_t> out;
    for (int i = 0; i < c.count; ++i) {
        const double v = 1 - static_cast<double>(i) / c.count;
        out.push_back(1 + std::llround((c.process.table_size() - 1) * (v * v * (3 - 2 * v))));
    }
    return out;
}

}  // namespace

ScheduleFamily smoothstep() {
    ScheduleFamily f;
    f.entry = {"smoothstep",
               "v^2 (3 - 2v) of an even grid in v: dense at both ends of the table",
               "stable-diffusion.cpp, smoothstep",
               {}};
    f.coordinate = "v, with index = v^2 (3 - 2v)";
    f.map = "t_i = 1 + (T-1) v^2 (3 - 2v), v = 1 - i/N, i = 0..N-1";
    f.rounding = "half away from zero, of a double";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
