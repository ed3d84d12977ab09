// The "sgm-uniform" scheduler of ComfyUI (generative-models of Stability AI): N + 1 even positions of which
// the last is left out; the same as normal:end=replace.
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    std::vector<double> out;
    const double last = c.process.table_size() - 1;
    for (int i = 0; i < c.count; ++i)
        out.push_back(c.process.level_at(1 + last * (1 - static_cast<double>(i) / c.count)));
    return out;
}

}  // namespace

ScheduleFamily sgm_uniform() {
    ScheduleFamily f;
    f.entry = {"sgm-uniform",
               "even from T without rounding, ending one stride above index 1; levels interpolated",
               "ComfyUI, normal_scheduler with sgm",
               {},
               {"sgm_uniform"}};
    f.coordinate = "index";
    f.map = "t_i = T - i (T-1)/N, i = 0..N-1; ln sigma linear between entries";
    f.levels = levels;
    f.needs_table = true;
    return f;
}

}  // namespace schedbench::family_list
