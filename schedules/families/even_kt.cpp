// round(k T/N) (Watson et al. 2021, arXiv 2106.03802, section 4).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return even_kt_indices(c.process.table_size(), c.count);
}

}  // namespace

ScheduleFamily even_kt() {
    ScheduleFamily f;
    f.entry = {
        "even-kt", "round(k T/N), half to even: the data is node 0", "Watson et al. 2021, section 4", {}};
    f.coordinate = "index";
    f.map = "t_k = k T/N, k = 1..N";
    f.rounding = "half to even, exact";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
