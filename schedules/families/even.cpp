// Equal strides from index 1 to T (Nichol and Dhariwal 2021, section 4).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return even_indices(c.process.table_size(), c.count);
}

}  // namespace

ScheduleFamily even() {
    ScheduleFamily f;
    f.entry = {"even",
               "from index 1 to T in equal strides, rounded half to even",
               "Nichol and Dhariwal 2021, section 4 (respacing)",
               {}};
    f.coordinate = "index";
    f.map = "t_k = 1 + (k-1)(T-1)/(N-1), k = 1..N";
    f.rounding = "half to even, of a position accumulated in double";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
