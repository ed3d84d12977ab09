// From T downwards (Lin et al. 2023, arXiv 2305.08891, table 2).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    std::vector<int64_t> out = from_one(trailing_indices(c.process.table_size(), c.count));
    // At some counts the published procedure returns one entry too many, -1 counted from 0: the data itself.
    if (out.front() == 0) out.erase(out.begin());
    return out;
}

}  // namespace

ScheduleFamily trailing() {
    ScheduleFamily f;
    f.entry = {"trailing",
               "from T downwards in strides of T/N, rounded half to even",
               "Lin et al. 2023, table 2",
               {},
               {"hf-trailing"}};
    f.coordinate = "index";
    f.map = "t_k = T - k T/N, k = 0..N-1";
    f.rounding = "half to even, of a double";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
