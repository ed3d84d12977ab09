// Strides of floor(T/N) (Song et al. 2020, arXiv 2010.02502, appendix D.2).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return from_one(ddim_uniform_indices(c.process.table_size(), c.count));
}

}  // namespace

ScheduleFamily ddim_uniform() {
    ScheduleFamily f;
    f.entry = {"ddim-uniform",
               "1, 1 + s, 1 + 2s, ... with s = floor(T/N), as published; exact only if N divides T",
               "Song et al. 2020 (DDIM), appendix D.2",
               {}};
    f.coordinate = "index";
    f.map = "t_k = 1 + k s, s = floor(T/N), while below T + 1";
    f.rounding = "floor of the stride";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
