// The "simple" scheduler of ComfyUI: every (T/N)-th entry from T down.
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<int64_t> indices(const FamilyContext& c) {
    // The product is truncated in double, as published: at some N it falls short of a whole number (T = 1000,
    // N = 38: 19 * (1000/38) = 499.99999999999994), and the entry is one higher than exact arithmetic gives.
    const double stride = static_cast<double>(c.process.table_size()) / c.count;
    std::vector<int64_t> out;
    for (int i = 0; i < c.count; ++i)
        out.push_back(c.process.table_size() - static_cast<int64_t>(i * stride));
    return out;
}

}  // namespace

ScheduleFamily simple() {
    ScheduleFamily f;
    f.entry = {
        "simple", "from T downwards in strides of T/N, rounded towards T", "ComfyUI, simple_scheduler", {}};
    f.coordinate = "index";
    f.map = "t_i = T - floor(i T/N), i = 0..N-1";
    f.rounding = "truncation of i (T/N) in double";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
