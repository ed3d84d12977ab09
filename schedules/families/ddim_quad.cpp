// Squares of an even grid up to sqrt(0.8 T) (Song et al. 2020, arXiv 2010.02502, appendix D.2).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return from_one(ddim_quad_indices(c.process.table_size(), c.count));
}

}  // namespace

ScheduleFamily ddim_quad() {
    ScheduleFamily f;
    f.entry = {"ddim-quad",
               "squares of an even grid up to sqrt(0.8 T), truncated; never reaches T",
               "Song et al. 2020 (DDIM), appendix D.2",
               {}};
    f.coordinate = "sqrt index";
    f.map = "t_k = 1 + (k sqrt(0.8 T)/(N-1))^2, k = 0..N-1";
    f.rounding = "truncation of the double square";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
