// The "normal" scheduler of k-diffusion and ComfyUI: even in the position in the table, between its entries
// too.
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

LevelRange range(const FamilyContext& c) {
    return {c.process.sigma_min(), c.process.sigma_max()};
}

double level(const FamilyContext& c, double u) {
    const double first = c.process.fractional_index(c.sigma_max),
                 last = c.process.fractional_index(c.sigma_min);
    return c.process.level_at(first + u * (last - first));
}

}  // namespace

ScheduleFamily normal() {
    ScheduleFamily f;
    f.entry = {"normal",
               "even from T to index 1 without rounding; levels between entries are interpolated",
               "k-diffusion, DiscreteSchedule.get_sigmas; ComfyUI, normal_scheduler",
               {}};
    f.coordinate = "index";
    f.map = "t_i = T - i (T-1)/(N-1), i = 0..N-1; ln sigma linear between entries";
    f.level = level;
    f.range = range;
    f.needs_table = true;
    return f;
}

}  // namespace schedbench::family_list
