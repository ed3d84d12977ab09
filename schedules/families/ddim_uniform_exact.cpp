// Strides of T/N from index 1, each rounded down by itself: N entries for every N, where ddim-uniform, which
// rounds the stride, has N only if N divides T.
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    const int64_t table = c.process.table_size();
    std::vector<int64_t> out;
    for (int64_t k = 0; k < c.count; ++k) out.push_back(1 + k * table / c.count);
    return out;
}

}  // namespace

ScheduleFamily ddim_uniform_exact() {
    ScheduleFamily f;
    f.entry = {"ddim-uniform-exact",
               "from index 1 in strides of T/N, rounded down one by one: N entries for every N",
               "after Song et al. 2020 (DDIM), appendix D.2",
               {}};
    f.coordinate = "index";
    f.map = "t_k = 1 + floor(k T/N), k = 0..N-1";
    f.rounding = "floor, exact";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
