// Even from index 1 to T (Lin et al. 2023, arXiv 2305.08891, table 2).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return from_one(linspace_indices(c.process.table_size(), c.count, c.spec.flag("multistep")));
}

}  // namespace

ScheduleFamily linspace() {
    ScheduleFamily f;
    f.entry = {"linspace",
               "even from index 1 to T, rounded half to even",
               "Lin et al. 2023, table 2",
               {{"multistep", SpecParam::Type::flag, "false",
                 "true: the form of the multistep solvers, which leave out index 1"}},
               {"hf-linspace"}};
    f.coordinate = "index";
    f.map = "t_k = 1 + k (T-1)/(N-1), k = 0..N-1";
    f.rounding = "half to even, of a double";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
