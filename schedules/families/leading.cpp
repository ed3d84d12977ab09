// Multiples of floor(T/N) (Lin et al. 2023, arXiv 2305.08891, table 2).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    std::vector<int64_t> out =
        from_one(leading_indices(c.process.table_size(), c.count, c.spec.flag("multistep")));
    for (int64_t& index : out) index += c.spec.integer("offset");
    return out;
}

}  // namespace

ScheduleFamily leading() {
    ScheduleFamily f;
    f.entry = {"leading",
               "multiples of floor(T/N) from index 1; never reaches T",
               "Lin et al. 2023, table 2",
               {{"multistep", SpecParam::Type::flag, "false",
                 "true: the form of the multistep solvers, which leave out index 1"},
                {"offset", SpecParam::Type::integer, "0", "added to every index"}},
               {"hf-leading"}};
    f.coordinate = "index";
    f.map = "t_k = 1 + k floor(T/N) + offset, k = 0..N-1";
    f.rounding = "floor of the stride";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
