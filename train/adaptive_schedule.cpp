#include "train/adaptive_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

std::vector<SpecParam> start_keys() {
    return {{"levels", Type::integer, "256", "number of levels T that the network is trained at"},
            {"start", Type::spec, "{edm}", "schedule of the levels at first, as {log-linear}"}};
}

SpecEntry adaptive_entry() {
    SpecEntry entry{
        "adaptive",
        "levels learned during training: equal length of the path under the network of the moment",
        "Williams et al. 2024 (Score-Optimal Diffusion Schedules), alg. 2", start_keys()};
    for (SpecParam param : std::vector<SpecParam>{
             {"gamma", Type::number, "0.05", "blend of an update: gamma new + (1 - gamma) old"},
             {"least", Type::integer, "24", "an update needs more than this many values of every interval"},
             {"burn-in", Type::integer, "1000",
              "steps before the first update: costs of an untrained network "
              "draw all levels to the noisy end"},
             {"path",
              Type::choice,
              "ve",
              "form in which two levels are compared at the same x",
              {"ve", "vp"}},
             {"weight",
              Type::choice,
              "entered",
              "velocity v, as of score-optimal",
              {"entered", "left", "geometric", "one", "data"}},
             {"c", Type::number, "0.5", "standard deviation of the data, for weight=data"},
             {"cap", Type::number, "0", "most that one length may be, in mean lengths; 0: no cap"},
             {"rho", Type::number, "7", "of the interpolants in sigma^(1/rho)"},
             {"interpolant", Type::choice, "pchip-ln-sigma", "interpolant of level against length",
              interpolant_names()}})
        entry.params.push_back(std::move(param));
    return entry;
}

/// The first levels, rising, without the step to 0.
std::vector<double> start_levels(const Spec& spec, const NoiseProcess& process) {
    Spec start = spec.nested("start");
    if (!start.find("end")) start.set("end", SpecValue::of_text("sigma-min"));
    const Schedule schedule = build_schedule(
        start, process, {static_cast<int>(spec.integer("levels")) - 1, TimeRule::fractional, false},
        "key start of " + spec.name);
    std::vector<double> out = schedule.requested;
    std::reverse(out.begin(), out.end());
    if (out.front() == 0) out.erase(out.begin());
    return out;
}

at::Tensor tensor_of(const std::vector<double>& values, int64_t columns) {
    return at::tensor(values, at::kDouble).reshape({-1, columns}).clone();
}

/// To six significant digits: a log is read by people.
double rounded(double value) {
    const double unit = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
    return value == 0 || !std::isfinite(unit) ? value : std::round(value * unit) / unit;
}

std::vector<double> values_of(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.to(at::kDouble).contiguous();
    const double* data = flat.const_data_ptr<double>();
    return {data, data + flat.numel()};
}

}  // namespace

const std::vector<SpecEntry>& training_schedule_entries() {
    static const std::vector<SpecEntry> entries{
        adaptive_entry(),
        {"fixed", "levels of a handcrafted schedule, which stay", "", start_keys()},
    };
    return entries;
}

Spec complete_training_schedule(const Spec& spec, const NoiseProcess& process, const std::string& where) {
    const SpecEntry& entry = find_entry(training_schedule_entries(), spec, "training schedules", where);
    Spec out = complete(spec, entry, where);
    const auto need = [&](bool fine, const std::string& message) {
        if (!fine) throw Error("spec", message, where);
    };
    need(out.integer("levels") >= 3, "key \"levels\" must be at least 3: fewer have nothing to move");
    if (entry.name == "adaptive") {
        const double gamma = out.number("gamma");
        need(gamma > 0 && gamma <= 1, "key \"gamma\" must lie in (0, 1], not " + format_number(gamma));
        need(out.integer("least") >= 1, "key \"least\" must be at least 1");
        need(out.integer("burn-in") >= 0, "key \"burn-in\" must not be negative");
        need(out.number("cap") == 0 || out.number("cap") >= 1, "key \"cap\" must be 0 (off) or at least 1");
        parse_velocity(out.text("weight"), out.number("c"), where);
        parse_interpolant(out.text("interpolant"), where, out.number("rho"));
    }
    AdaptiveSchedule(out, process);  // says early what is wrong with the levels
    return out;
}

AdaptiveSchedule::AdaptiveSchedule(const Spec& spec, const NoiseProcess& process)
    : spec_(spec), process_(process), adapts_(spec.name == "adaptive") {
    if (adapts_) {
        form_ = parse_path_form(spec.text("path"), spec.print());
        velocity_ = parse_velocity(spec.text("weight"), spec.number("c"), spec.print());
        options_.interpolant = parse_interpolant(spec.text("interpolant"), spec.print(), spec.number("rho"));
        options_.gamma = spec.number("gamma");
        options_.cap = spec.number("cap");
        least_ = spec.integer("least");
        burn_in_ = spec.integer("burn-in");
    }
    install(start_levels(spec, process));
}

InstalledLevels AdaptiveSchedule::tables(const std::vector<double>& sigma) const {
    InstalledLevels out;
    const std::string where = spec_.print();
    if (sigma.size() < 3)
        throw Error("number",
                    "a training schedule needs at least 3 levels, not " + std::to_string(sigma.size()),
                    where);
    constexpr double kSlack = 1e-9;
    for (size_t i = 0; i < sigma.size(); ++i) {
        const bool rises = std::isfinite(sigma[i]) && sigma[i] > (i == 0 ? 0 : sigma[i - 1]);
        if (!rises || sigma[i] < process_.sigma_min() * (1 - kSlack) ||
            sigma[i] > process_.sigma_max() * (1 + kSlack))
            throw Error("number",
                        "level " + std::to_string(i) + " is " + format_number(sigma[i]) +
                            ", but levels must rise within " + format_number(process_.sigma_min()) + " to " +
                            format_number(process_.sigma_max()),
                        where);
        const LocatedLevel located = process_.locate(sigma[i], TimeRule::fractional);
        out.sigma.push_back(sigma[i]);
        out.model_time.push_back(located.model_time);
        out.point.push_back(path_point(form_, located));
    }
    out.cost.resize(sigma.size() - 1);
    return out;
}

void AdaptiveSchedule::install(const std::vector<double>& sigma) {
    installed_ = tables(sigma);  // all of it is made before any of it is put in place
}

size_t AdaptiveSchedule::choose(double uniform) const {
    const auto count = static_cast<double>(installed_.sigma.size());
    return static_cast<size_t>(std::clamp(std::ceil(uniform * count) - 1, 0.0, count - 1));
}

void AdaptiveSchedule::add(size_t level, double cost) {
    SCHEDBENCH_ASSERT(level >= 1 && level < installed_.sigma.size());
    if (!std::isfinite(cost))
        throw Error(
            "number",
            "the cost of going to level " + format_number(installed_.sigma[level - 1]) + " is not finite",
            "training", "lower the learning rate, or train in float32");
    installed_.cost[level - 1].add(cost);
}

double AdaptiveSchedule::squared_velocity(size_t level) const {
    SCHEDBENCH_ASSERT(level >= 1 && level < installed_.sigma.size());
    return velocity_.squared(installed_.point[level - 1], installed_.point[level]);
}

bool AdaptiveSchedule::update(int64_t step) {
    const bool ready = adapts_ && step >= burn_in_ &&
                       std::all_of(installed_.cost.begin(), installed_.cost.end(),
                                   [&](const RunningMean& cost) { return cost.n > least_ && cost.mean > 0; });
    if (!ready) return false;
    std::vector<double> costs;
    for (const RunningMean& cost : installed_.cost) costs.push_back(cost.mean);
    ScheduleUpdate entry;
    entry.step = step;
    for (double cost : costs) entry.energy += cost;
    entry.length = cumulative_length(costs, 0.5, 0).back();
    const std::vector<double> before = installed_.sigma,
                              after = update_schedule(before, costs, options_, "training schedule");
    install(after);
    for (int q = 0; q <= ScheduleUpdate::kQuantiles; ++q)
        entry.quantiles.push_back(
            after[static_cast<size_t>(q) * (after.size() - 1) / ScheduleUpdate::kQuantiles]);
    log_.push_back(std::move(entry));
    measured_sigma_ = before;
    measured_cost_ = costs;
    return true;
}

std::map<std::string, at::Tensor> AdaptiveSchedule::state() const {
    std::vector<double> counts, log;
    for (const RunningMean& cost : installed_.cost)
        counts.insert(counts.end(), {static_cast<double>(cost.n), cost.mean, cost.m2});
    for (const ScheduleUpdate& entry : log_) {
        log.insert(log.end(), {static_cast<double>(entry.step), entry.length, entry.energy});
        log.insert(log.end(), entry.quantiles.begin(), entry.quantiles.end());
    }
    return {{"schedule/levels", tensor_of(installed_.sigma, 1)},
            {"schedule/costs", tensor_of(counts, 3)},
            {"schedule/log", tensor_of(log, 4 + ScheduleUpdate::kQuantiles)},
            {"schedule/measured-levels", tensor_of(measured_sigma_, 1)},
            {"schedule/measured-costs", tensor_of(measured_cost_, 1)}};
}

void AdaptiveSchedule::restore(const std::map<std::string, at::Tensor>& tensors, const std::string& where) {
    const auto get = [&](const char* name) {
        const auto it = tensors.find(name);
        if (it == tensors.end())
            throw Error("file", std::string("lacks the tensor ") + name + " of the training schedule", where,
                        "remove the file to start again");
        return values_of(it->second);
    };
    InstalledLevels fresh = tables(get("schedule/levels"));
    const std::vector<double> counts = get("schedule/costs"), log = get("schedule/log");
    constexpr size_t kRow = 4 + ScheduleUpdate::kQuantiles;
    std::vector<double> sigma = get("schedule/measured-levels"), cost = get("schedule/measured-costs");
    if (counts.size() != 3 * fresh.cost.size() || log.size() % kRow != 0 ||
        (sigma.empty() ? !cost.empty() : sigma.size() != cost.size() + 1))
        throw Error("file", "the parts of the training schedule do not fit together", where,
                    "remove the file to start again");
    for (size_t i = 0; i < fresh.cost.size(); ++i)
        fresh.cost[i] = {static_cast<int64_t>(counts[3 * i]), counts[3 * i + 1], counts[3 * i + 2]};
    std::vector<ScheduleUpdate> entries;
    for (size_t row = 0; row < log.size(); row += kRow)
        entries.push_back({static_cast<int64_t>(log[row]),
                           log[row + 1],
                           log[row + 2],
                           {log.begin() + static_cast<std::ptrdiff_t>(row + 3),
                            log.begin() + static_cast<std::ptrdiff_t>(row + kRow)}});
    installed_ = std::move(fresh);
    log_ = std::move(entries);
    measured_sigma_ = std::move(sigma);
    measured_cost_ = std::move(cost);
}

nlohmann::json AdaptiveSchedule::log_json() const {
    constexpr size_t kMost = 100;
    const size_t stride = std::max<size_t>(1, log_.size() / kMost);
    nlohmann::json out = nlohmann::json::array();
    for (size_t i = 0; i < log_.size(); ++i) {
        if (i % stride != 0 && i + 1 != log_.size()) continue;
        nlohmann::json levels = nlohmann::json::array();
        for (const double level : log_[i].quantiles) levels.push_back(rounded(level));
        out.push_back({{"step", log_[i].step},
                       {"length", rounded(log_[i].length)},
                       {"energy", rounded(log_[i].energy)},
                       {"levels", levels}});
    }
    return out;
}

std::string AdaptiveSchedule::advice() const {
    constexpr double kMost = 3;
    if (measured_sigma_.empty() || velocity_.kind != Velocity::Kind::entered) return "";
    const PathPoint entered = path_point(form_, process_.locate(measured_sigma_[0], TimeRule::fractional)),
                    left = path_point(form_, process_.locate(measured_sigma_[1], TimeRule::fractional));
    const double mean =
        cumulative_length(measured_cost_, 0.5, 0).back() / static_cast<double>(measured_cost_.size());
    const Velocity geometric{Velocity::Kind::geometric};
    const double steps =
        std::sqrt(measured_cost_[0] * geometric.squared(entered, left) / velocity_.squared(entered, left)) /
        mean;
    if (!(steps > kMost)) return "";
    return "the levels have left the clean end: under weight=geometric the step from " +
           format_number(std::round(measured_sigma_[1] * 1e4) / 1e4) + " to " +
           format_number(measured_sigma_[0]) + " is as long as " +
           format_number(std::round(steps * 10) / 10) + " mean steps; use weight=geometric, or more levels";
}

LearnedSchedule AdaptiveSchedule::learned() const {
    if (log_.empty())
        throw Error("run", "the levels were never updated, so there is nothing learned", spec_.print(),
                    "train longer, or with fewer levels, a smaller burn-in or a smaller least");
    LearnedSchedule out;
    out.spec = spec_.print();
    out.process = process_.spec().print();
    out.curve.sigma = measured_sigma_;
    out.curve.length = cumulative_length(measured_cost_, 0.5, options_.floor, options_.cap);
    out.curve.interpolant = options_.interpolant;
    out.provenance = {
        {"cost", measured_cost_}, {"levels", installed_.sigma}, {"log", log_json()}, {"warning", advice()}};
    return out;
}

}  // namespace schedbench
