// A schedule that was learned, read from its file.
#include "core/error.h"
#include "schedules/family_list.h"
#include "schedules/learned_schedule.h"

namespace schedbench::family_list {

namespace {

std::vector<double> levels(const FamilyContext& c) {
    const std::string& end = c.spec.text("end");
    std::vector<double> out = LearnedSchedule::read(c.spec.text("file"))
                                  .levels(c.steps, end == "zero" ? end : "sigma-min", c.process, c.where);
    if (end == "zero") out.pop_back();
    return out;
}

}  // namespace

ScheduleFamily learned() {
    ScheduleFamily f;
    f.entry = {
        "learned",
        "read off a file that `schedbench learn` wrote",
        "",
        {{"file", SpecParam::Type::text, "", "the file", {}, true},
         {"transfer", SpecParam::Type::flag, "false", "use it on another model than it was learned from"}}};
    f.coordinate = "learned";
    f.map = "the curve or the paths of the file";
    f.levels = levels;
    return f;
}

}  // namespace schedbench::family_list
