// Align Your Steps (Sabour et al. 2024, arXiv 2404.14507) as rounded timesteps of a table of 1000, published
// from 0. Not the levels of `ays`: the two lists differ by up to 0.3 %.
#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    if (c.process.table_size() != 1000)
        throw Error("spec",
                    "ays-index lists timesteps of a table of 1000, but this one has " +
                        std::to_string(c.process.table_size()),
                    c.where, "use ays, which lists levels");
    std::vector<int64_t> out = c.spec.text("table") == "sd15"
                                   ? std::vector<int64_t>{999, 850, 736, 645, 545, 455, 343, 233, 124, 24}
                                   : std::vector<int64_t>{999, 845, 730, 587, 443, 310, 193, 116, 53, 13};
    for (int64_t& index : out) ++index;
    return out;
}

}  // namespace

ScheduleFamily ays_index() {
    ScheduleFamily f;
    f.entry = {
        "ays-index",
        "Align Your Steps, published timesteps for 10 steps of a table of 1000 (9 with another end)",
        "Sabour et al. 2024 (AYS), released tables",
        {{"table", SpecParam::Type::choice, "sd15", "the model they were found for", {"sd15", "sdxl"}}}};
    f.coordinate = "index";
    f.map = "as published, counted from 1";
    f.rounding = "as published";
    f.indices = indices;
    f.own_count = true;
    return f;
}

}  // namespace schedbench::family_list
