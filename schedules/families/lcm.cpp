// Entries of latent consistency models (Luo et al. 2023, arXiv 2310.04378): the distillation knew every k-th
// entry only, k = T/origin-steps, and N of those are taken.
#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    const int64_t table = c.process.table_size(), origin = c.spec.integer("origin-steps");
    if (origin < 1 || origin > table || table % origin != 0)
        throw Error("number",
                    "origin-steps=" + std::to_string(origin) + " does not divide the " +
                        std::to_string(table) + " entries of the table",
                    c.where, "choose a divisor of T");
    const int64_t stride = table / origin;
    std::vector<int64_t> out;
    for (int64_t i = 0; i < c.count; ++i) out.push_back(stride * (origin - origin * i / c.count));
    return out;
}

}  // namespace

ScheduleFamily lcm() {
    ScheduleFamily f;
    f.entry = {"lcm",
               "N of the origin-steps entries that a latent consistency model was distilled on",
               "Luo et al. 2023 (LCM), section 4.3; diffusers, LCMScheduler",
               {{"origin-steps", SpecParam::Type::integer, "50",
                 "entries used in the distillation; must divide T"}}};
    f.coordinate = "index";
    f.map = "t_i = k (M - floor(M i/N)), i = 0..N-1, M = origin-steps, k = T/M";
    f.rounding = "floor, exact";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
