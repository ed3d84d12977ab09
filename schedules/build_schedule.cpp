#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "schedules/family_list.h"
#include "schedules/schedule.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

constexpr double kAutoMin = 0.002, kAutoMax = 80;  ///< range of Karras et al. 2022, table 1

bool has_range(const ScheduleFamily& family) {
    return family.level || family.range;
}

bool range_of_model(const ScheduleFamily& family) {
    return !family.range || family.range == model_range;
}

void set_range(const ScheduleFamily& family, FamilyContext& context) {
    const Spec& spec = context.spec;
    const bool auto_min = spec.is_auto("sigma-min"), auto_max = spec.is_auto("sigma-max");
    const LevelRange range = family.range ? family.range(context) : model_range(context);
    context.sigma_min = auto_min ? range.sigma_min : spec.number("sigma-min");
    context.sigma_max = auto_max ? range.sigma_max : spec.number("sigma-max");
    if (!(context.sigma_min > 0 && context.sigma_min < context.sigma_max && std::isfinite(context.sigma_max)))
        throw Error("number",
                    "expected 0 < sigma-min < sigma-max, but they are " + format_number(context.sigma_min) +
                        " and " + format_number(context.sigma_max),
                    context.where, "give levels as noise-to-signal ratios");
}

std::vector<double> levels_of(const ScheduleFamily& family, const FamilyContext& context) {
    std::vector<double> levels(static_cast<size_t>(context.count), context.sigma_max);
    if (context.count < 3) family.level(context, 0.5);  // so that a bad parameter is refused for any count
    for (int i = 1; i < context.count; ++i)
        levels[static_cast<size_t>(i)] =
            i + 1 == context.count ? context.sigma_min
                                   : family.level(context, static_cast<double>(i) / (context.count - 1));
    return levels;
}

void check_request(const ScheduleFamily& family, const NoiseProcess& process, const ScheduleRequest& request,
                   const std::string& where) {
    if (request.steps < 0 || (request.steps == 0 && !family.own_count))
        throw Error("number", "the number of steps must be at least 1, not " + std::to_string(request.steps),
                    where);
    if (request.steps > 0 && request.steps < family.least_steps)
        throw Error("number",
                    family.entry.name + " needs at least " + std::to_string(family.least_steps) +
                        " steps: " + family.least_reason,
                    where, "ask for more steps");
    if ((family.indices || family.needs_table) && !process.discrete())
        throw Error(
            "spec",
            family.entry.name + " chooses entries of a noise table, but the model's process is continuous",
            where, "use a schedule in sigma, such as edm or log-linear");
}

void refuse_ambiguous(const std::string& name, const std::string& where) {
    for (const AmbiguousName& one : ambiguous_schedules()) {
        if (one.name != name) continue;
        std::string choices;
        for (const auto& choice : one.choices)
            choices += (choices.empty() ? "say " : "; or ") + choice.spec + " (" + choice.meaning + ")";
        throw Error("spec", "\"" + name + "\" means more than one schedule", where, choices);
    }
}

}  // namespace

LevelRange model_range(const FamilyContext& context) {
    return {std::max(context.process.sigma_min(), kAutoMin), std::min(context.process.sigma_max(), kAutoMax)};
}

double FamilyContext::positive(const char* key) const {
    const double value = spec.number(key);
    if (!(value > 0) || !std::isfinite(value))
        throw Error("number", std::string(key) + " must be positive, not " + format_number(value), where);
    return value;
}

SpecEntry shared_keys(const ScheduleFamily& family) {
    SpecEntry entry = family.entry;
    if (!(family.own_count && family.levels))
        entry.params.push_back(
            {"end",
             Type::choice,
             "zero",
             "zero: N levels, then 0; sigma-min: N+1 levels, no 0; replace: N+1 levels, the "
             "last replaced by 0",
             {"zero", "sigma-min", "replace"}});
    if (has_range(family)) {
        const bool model = range_of_model(family);
        const std::string own = model ? "auto = the model's, " : "auto = the schedule's own";
        entry.params.push_back(
            {"sigma-min", Type::number, "auto", "lowest level; " + own + (model ? "at least 0.002" : "")});
        entry.params.push_back(
            {"sigma-max", Type::number, "auto", "highest level; " + own + (model ? "at most 80" : "")});
    }
    return entry;
}

const std::vector<ScheduleFamily>& schedule_families() {
    static const std::vector<ScheduleFamily> list = {
#define SCHEDBENCH_CALL(name) family_list::name(),
        SCHEDBENCH_SCHEDULE_FAMILIES(SCHEDBENCH_CALL)
#undef SCHEDBENCH_CALL
    };
    return list;
}

const std::vector<SpecEntry>& schedule_entries() {
    static const std::vector<SpecEntry> list = [] {
        std::vector<SpecEntry> entries;
        for (const ScheduleFamily& family : schedule_families()) entries.push_back(shared_keys(family));
        return entries;
    }();
    return list;
}

bool has_own_count(const Spec& spec) {
    return std::any_of(schedule_families().begin(), schedule_families().end(),
                       [&](const auto& f) { return f.own_count && f.entry.name == spec.name; });
}

Schedule build_schedule(const ScheduleFamily& family, const Spec& spec, const NoiseProcess& process,
                        const ScheduleRequest& request, const std::string& where) {
    const Spec completed = complete(spec, shared_keys(family), where);
    check_request(family, process, request, where);
    FamilyContext context{completed, process, request.steps, 0, 0, request.steps, where};
    const bool chooses_end = family.own_count && family.levels;
    ScheduleOrigin origin{completed, family.coordinate, family.map, chooses_end ? "" : completed.text("end"),
                          family.rounding};
    if (!family.own_count && origin.end_rule != "zero") ++context.count;
    if (has_range(family)) set_range(family, context);
    if (family.indices) {
        if (context.count > process.table_size())
            throw Error("number",
                        family.entry.name + " needs " + std::to_string(context.count) +
                            " entries, but the table has " + std::to_string(process.table_size()),
                        where, "ask for fewer steps");
        std::vector<int64_t> indices = family.indices(context);
        if (indices.size() > 1 && indices.front() < indices.back())
            std::reverse(indices.begin(), indices.end());
        if (origin.end_rule == "replace" && !indices.empty()) indices.back() = 0;
        return finish_index_schedule(origin, std::move(indices), process, request, where);
    }
    std::vector<double> levels = family.level ? levels_of(family, context) : family.levels(context);
    if (chooses_end)
        origin.end_rule = !levels.empty() && levels.back() == 0 ? "zero" : "sigma-min";
    else if (origin.end_rule == "zero")
        levels.push_back(0);
    else if (origin.end_rule == "replace" && !levels.empty())
        levels.back() = 0;
    return finish_schedule(origin, std::move(levels), process, request, where);
}

Schedule build_schedule(const Spec& spec, const NoiseProcess& process, const ScheduleRequest& request,
                        const std::string& where) {
    refuse_ambiguous(spec.name, where);
    const SpecEntry& entry = find_entry(schedule_entries(), spec, "schedules", where);
    const auto family = std::find_if(schedule_families().begin(), schedule_families().end(),
                                     [&](const auto& f) { return f.entry.name == entry.name; });
    return build_schedule(*family, spec, process, request, where);
}

}  // namespace schedbench
