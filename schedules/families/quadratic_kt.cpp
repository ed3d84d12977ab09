// round(T (k/N)^2) (Watson et al. 2021, arXiv 2106.03802, section 4).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return quadratic_indices(c.process.table_size(), c.count);
}

}  // namespace

ScheduleFamily quadratic_kt() {
    ScheduleFamily f;
    f.entry = {"quadratic-kt",
               "round(T (k/N)^2), repeated entries moved up by one",
               "Watson et al. 2021, section 4",
               {}};
    f.coordinate = "sqrt index";
    f.map = "t_k = T (k/N)^2, k = 1..N";
    f.rounding = "half to even, exact; then t_k = max(t_k, t_{k-1} + 1)";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
