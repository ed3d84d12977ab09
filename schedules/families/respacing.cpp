// The respacing strings of Nichol and Dhariwal 2021 (arXiv 2102.09672, section 4, and the code published with
// it).
#include "schedules/family_list.h"
#include "schedules/index_strides.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    return from_one(respacing_indices(c.process.table_size(), c.spec.text("sections"), c.where));
}

}  // namespace

ScheduleFamily respacing() {
    ScheduleFamily f;
    f.entry = {"respacing",
               "even strides in each section of the table, as a respacing string says",
               "Nichol and Dhariwal 2021, section 4",
               {{"sections",
                 SpecParam::Type::text,
                 "",
                 "10: that many in all; '10,5,3' or [10,5,3]: that many in each third; ddim25: the whole "
                 "stride that "
                 "gives 25",
                 {},
                 true,
                 true}}};
    f.coordinate = "index";
    f.map = "t = 1 + start + round(k (size-1)/(count-1)), k = 0..count-1, in each section";
    f.rounding = "half to even, of a position accumulated in double";
    f.indices = indices;
    f.own_count = true;
    return f;
}

}  // namespace schedbench::family_list
