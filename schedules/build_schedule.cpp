#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "schedules/schedule.h"
#include "schedules/schedule_family.h"

namespace schedbench {

namespace {

constexpr double kAutoMin = 0.002, kAutoMax = 80;  ///< range of Karras et al. 2022, table 1

SpecParam end_param() {
    return {"end",
            SpecParam::Type::choice,
            "zero",
            "zero: N levels, then 0; sigma-min: N+1 levels, no 0",
            {"zero", "sigma-min"}};
}

std::vector<ScheduleFamily> all_families() {
    std::vector<ScheduleFamily> out;
    for (const auto* list : {&sigma_families(), &index_families(), &listed_families()})
        out.insert(out.end(), list->begin(), list->end());
    return out;
}

const std::vector<ScheduleFamily>& families() {
    static const std::vector<ScheduleFamily> list = all_families();
    return list;
}

std::vector<double> levels_of(const ScheduleFamily& family, FamilyContext& context) {
    const Spec& spec = context.spec;
    const NoiseProcess& process = context.process;
    context.sigma_max =
        spec.is_auto("sigma-max") ? std::min(process.sigma_max(), kAutoMax) : spec.number("sigma-max");
    context.sigma_min =
        spec.is_auto("sigma-min") ? std::max(process.sigma_min(), kAutoMin) : spec.number("sigma-min");
    if (!(context.sigma_min > 0 && context.sigma_min < context.sigma_max && std::isfinite(context.sigma_max)))
        throw Error("number",
                    "expected 0 < sigma-min < sigma-max, but they are " + format_number(context.sigma_min) +
                        " and " + format_number(context.sigma_max),
                    context.where, "give levels as noise-to-signal ratios");
    std::vector<double> levels(static_cast<size_t>(context.count), context.sigma_max);
    for (int i = 1; i < context.count; ++i)
        levels[static_cast<size_t>(i)] =
            i + 1 == context.count ? context.sigma_min
                                   : family.level(context, static_cast<double>(i) / (context.count - 1));
    return levels;
}

}  // namespace

SpecEntry sigma_entry(SpecEntry entry) {
    using Type = SpecParam::Type;
    entry.params.push_back(end_param());
    entry.params.push_back(
        {"sigma-min", Type::number, "auto", "lowest level; auto = the model's, at least 0.002"});
    entry.params.push_back(
        {"sigma-max", Type::number, "auto", "highest level; auto = the model's, at most 80"});
    return entry;
}

SpecEntry index_entry(SpecEntry entry) {
    entry.params.push_back(end_param());
    return entry;
}

const std::vector<SpecEntry>& schedule_entries() {
    static const std::vector<SpecEntry> list = [] {
        std::vector<SpecEntry> entries;
        for (const ScheduleFamily& family : families()) entries.push_back(family.entry);
        return entries;
    }();
    return list;
}

Schedule build_schedule(const Spec& spec, const NoiseProcess& process, const ScheduleRequest& request,
                        const std::string& where) {
    const SpecEntry& entry = find_entry(schedule_entries(), spec, "schedules", where);
    const ScheduleFamily& family = *std::find_if(families().begin(), families().end(),
                                                 [&](const auto& f) { return f.entry.name == entry.name; });
    const Spec completed = complete(spec, entry, where);
    if (request.steps < 0 || (request.steps == 0 && !family.levels))
        throw Error("number", "the number of steps must be at least 1, not " + std::to_string(request.steps),
                    where);
    FamilyContext context{completed, process, request.steps, 0, 0, where};
    if (family.levels) {
        std::vector<double> levels = family.levels(context);
        const std::string end_rule = !levels.empty() && levels.back() == 0 ? "zero" : "sigma-min";
        return finish_schedule(completed, family.coordinate, end_rule, std::move(levels), process, request,
                               where);
    }
    const std::string& end_rule = completed.text("end");
    if (end_rule == "sigma-min") ++context.count;
    if (family.indices) {
        if (!process.discrete())
            throw Error(
                "spec",
                entry.name + " chooses entries of a noise table, but the model's process is continuous",
                where, "use a schedule in sigma, such as edm or log-linear");
        if (context.count > process.table_size())
            throw Error("number",
                        entry.name + " needs " + std::to_string(context.count) +
                            " entries, but the table has " + std::to_string(process.table_size()),
                        where, "ask for fewer steps");
        return finish_index_schedule(completed, family.coordinate, end_rule, family.indices(context), process,
                                     request, where);
    }
    std::vector<double> levels = levels_of(family, context);
    if (end_rule == "zero") levels.push_back(0);
    return finish_schedule(completed, family.coordinate, end_rule, std::move(levels), process, request,
                           where);
}

}  // namespace schedbench
