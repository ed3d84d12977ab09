#include "learn/score_optimal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace schedbench {

namespace {

/// UpdateSchedule's floor: intervals far cheaper than the dearest still take some length, so that it rises
/// everywhere.
constexpr double kFloor = 1e-12;

Interpolant interpolant_of(const Spec& completed, const std::string& where) {
    return parse_interpolant(completed.text("interpolant"), where, completed.number("rho"));
}

/// knots levels uniform in sigma^(1/rho), rising (Karras et al. 2022, eq. 5).
std::vector<double> root_levels(const Spec& completed) {
    const double low = completed.number("sigma-min"), high = completed.number("sigma-max"),
                 rho = completed.number("rho");
    const auto knots = static_cast<int>(completed.integer("knots"));
    const double first = std::pow(low, 1 / rho), last = std::pow(high, 1 / rho);
    std::vector<double> out;
    for (int i = 0; i < knots; ++i) out.push_back(std::pow(first + (last - first) * i / (knots - 1), rho));
    out.front() = low;
    out.back() = high;
    return out;
}

std::vector<LocatedLevel> first_grid(const Spec& completed, const NoiseProcess& process) {
    const std::string where = completed.print();
    if (completed.text("grid") == "rho") return located_grid(process, root_levels(completed), where);
    return probe_grid(process, completed.number("sigma-min"), completed.number("sigma-max"),
                      completed.number("spacing"), completed.text("grid") == "table", where);
}

std::vector<LocatedLevel> located(const NoiseProcess& process, const std::vector<double>& sigma) {
    std::vector<LocatedLevel> out;
    for (double level : sigma) out.push_back(process.locate(level));
    return out;
}

}  // namespace

SpecEntry score_optimal_entry() {
    using Type = SpecParam::Type;
    return {
        "score-optimal",
        "knots at equal length, sum of cost^exponent, of the path of distributions; learned from a model and "
        "data",
        "Williams et al. 2024 (Score-Optimal Diffusion Schedules), eqs. 13-15 and alg. 1",
        {{"cost",
          Type::choice,
          "corrector",
          "of the step from level to level: for a Langevin corrector, or after an Euler predictor "
          "(derivatives)",
          {"corrector", "predictor"}},
         {"path",
          Type::choice,
          "ve",
          "form in which two levels are compared at the same x: x0 + sigma n, or variance-preserving",
          {"ve", "vp"}},
         {"weight",
          Type::choice,
          "entered",
          "velocity v: sigma of the level entered (paper), of the level left, geometric mean, 1, or "
          "sqrt(c^2 + sigma^2)",
          {"entered", "left", "geometric", "one", "data"}},
         {"c", Type::number, "0.5", "standard deviation of the data, for weight=data"},
         {"grid",
          Type::choice,
          "log-sigma",
          "probed levels: uniform in ln sigma (rounded to the table there is), the whole table, or `knots` "
          "levels uniform in sigma^(1/rho)",
          {"log-sigma", "table", "rho"}},
         {"spacing", Type::number, "0.1", "largest step of the log-sigma grid, in ln sigma"},
         {"knots", Type::integer, "18", "levels of grid=rho"},
         {"rho", Type::number, "7", "of grid=rho and of the interpolants in sigma^(1/rho)"},
         {"iterations", Type::integer, "0", "updates of the grid itself before its costs are kept"},
         {"gamma", Type::number, "1", "blend of each update: gamma new + (1 - gamma) old"},
         {"probes", Type::integer, "80", "data draws an interval (at most); two evaluations each"},
         {"batch", Type::integer, "10", "probes a block"},
         {"tolerance", Type::number, "0",
          "stop when the length's standard error is this part of it (from 4 blocks on); 0: all probes"},
         {"hutchinson", Type::integer, "1",
          "probes in each of two sets for the log-determinant, cost=predictor above 16 dimensions"},
         {"exponent", Type::number, "auto",
          "length of an interval = cost^exponent; auto: 1/2, or 1/4 for the predictor, whose cost is of "
          "fourth order in the step"},
         {"cap", Type::number, "0", "most that one length may be, in mean lengths; 0: no cap"},
         {"seed", Type::integer, "0", "seed of the probes' noise"},
         {"interpolant", Type::choice, "pchip-ln-sigma", "interpolant of level against length",
          interpolant_names()},
         {"sigma-min", Type::number, "auto", "lowest level; auto: the model's, at least 0.002"},
         {"sigma-max", Type::number, "auto", "highest level; auto: the model's, at most 80"},
         {"end",
          Type::choice,
          "zero",
          "zero: N levels, then 0; sigma-min: N+1 levels",
          {"zero", "sigma-min"}}}};
}

void complete_score_optimal(Spec& spec, const NoiseProcess& process, const std::string& where) {
    const auto need = [&](bool fine, const std::string& message, const std::string& hint = "") {
        if (!fine) throw Error("spec", message, where, hint);
    };
    need(spec.integer("probes") >= 1, "key \"probes\" of score-optimal must be at least 1");
    need(spec.integer("hutchinson") >= 1, "key \"hutchinson\" of score-optimal must be at least 1");
    need(spec.integer("iterations") >= 0, "key \"iterations\" of score-optimal must not be negative");
    need(spec.integer("knots") >= 2, "key \"knots\" of score-optimal must be at least 2",
         "one level alone has no interval");
    need(spec.number("gamma") > 0 && spec.number("gamma") <= 1,
         "key \"gamma\" of score-optimal must lie in (0, 1], not " + format_number(spec.number("gamma")));
    need(spec.number("tolerance") >= 0, "key \"tolerance\" of score-optimal must not be negative");
    need(spec.number("cap") == 0 || spec.number("cap") >= 1,
         "key \"cap\" of score-optimal must be 0 (off) or at least 1, not " +
             format_number(spec.number("cap")));
    const bool predictor = spec.text("cost") == "predictor";
    if (spec.is_auto("exponent")) spec.set("exponent", SpecValue::of_number(predictor ? 0.25 : 0.5));
    const double exponent = spec.number("exponent");
    need(exponent > 0 && exponent <= 1,
         "key \"exponent\" of score-optimal must lie in (0, 1], not " + format_number(exponent));
    need(!predictor || exponent < 0.5 || spec.integer("iterations") == 0 || spec.number("gamma") <= 0.5,
         "repeated updates with the predictor cost and exponent " + format_number(exponent) +
             " swing between two schedules for ever, because that cost is of fourth order in the step",
         "use exponent=0.25, or damp with gamma of at most 0.5");
    if (spec.is_auto("sigma-min"))
        spec.set("sigma-min", SpecValue::of_number(std::max(0.002, process.sigma_min())));
    if (spec.is_auto("sigma-max"))
        spec.set("sigma-max", SpecValue::of_number(std::min(80.0, process.sigma_max())));
    parse_velocity(spec.text("weight"), spec.number("c"), where);
    interpolant_of(spec, where);
    first_grid(spec, process);  // says early what is wrong with the range
}

CostOptions score_optimal_options(const Spec& completed) {
    const std::string where = completed.print();
    CostOptions out;
    out.cost =
        completed.text("cost") == "predictor" ? CostOptions::Cost::predictor : CostOptions::Cost::corrector;
    out.form = parse_path_form(completed.text("path"), where);
    out.velocity = parse_velocity(completed.text("weight"), completed.number("c"), where);
    out.probes = completed.integer("probes");
    out.batch = completed.integer("batch");
    out.tolerance = completed.number("tolerance");
    out.exponent = completed.number("exponent");
    out.seed = static_cast<uint64_t>(completed.integer("seed"));
    out.predictor.probes = completed.integer("hutchinson");
    return out;
}

void measure_score_optimal(ScoreOptimalCosts& costs, const Spec& completed, const Denoiser& denoiser,
                           const ProbeSource& source, const CostProgress& progress) {
    const CostOptions options = score_optimal_options(completed);
    const NoiseProcess& process = denoiser.process();
    const auto iterations = static_cast<size_t>(completed.integer("iterations"));
    UpdateOptions update;
    update.interpolant = interpolant_of(completed, completed.print());
    update.gamma = completed.number("gamma");
    update.exponent = options.exponent;
    update.floor = kFloor;
    update.cap = completed.number("cap");
    bool stopped = false;
    while (true) {
        const std::vector<LocatedLevel> levels =
            costs.curve.sigma.empty() ? first_grid(completed, process) : located(process, costs.curve.sigma);
        measure_cost(costs.curve, denoiser, source, levels, options, [&](const CostCurve& so_far) {
            stopped = progress && !progress(so_far);
            return !stopped;
        });
        if (stopped || costs.past.size() >= iterations) return;
        costs.past.push_back(
            {costs.curve.sigma, costs.curve.length(options.exponent).back(), costs.curve.energy().value});
        std::vector<double> means = costs.curve.means();
        for (double& mean : means) mean = std::max(mean, 0.0);
        const std::vector<LocatedLevel> next = located_grid(
            process, update_schedule(costs.curve.sigma, means, update, completed.print()), completed.print());
        costs.curve = {};
        for (const LocatedLevel& level : next) costs.curve.sigma.push_back(level.level);
        costs.curve.cost.resize(next.size() - 1);
    }
}

int64_t score_optimal_probes(const Spec& completed) {
    return completed.integer("probes") * (completed.integer("iterations") + 1);
}

int64_t probes_done(const ScoreOptimalCosts& costs, const Spec& completed) {
    return static_cast<int64_t>(costs.past.size()) * completed.integer("probes") + costs.curve.probes;
}

LearnedSchedule score_optimal_schedule(const ScoreOptimalCosts& costs, const Spec& completed,
                                       const NoiseProcess& process, const std::string& where) {
    const CostCurve& curve = costs.curve;
    if (curve.probes < 1) throw Error("run", "no costs have been measured yet", where);
    const double exponent = completed.number("exponent"), cap = completed.number("cap");
    LearnedSchedule out;
    out.spec = completed.print();
    out.process = process.spec().print();
    out.curve.sigma = curve.sigma;
    out.curve.length = cumulative_length(curve.means(), exponent, kFloor, cap);
    out.curve.interpolant = interpolant_of(completed, where);
    std::string warning;
    if (!(out.curve.length.back() > 0)) {
        warning =
            "all costs are zero: to this model every schedule is as good as any other, so the spacing of the "
            "probed levels is kept";
        for (size_t i = 0; i < out.curve.length.size(); ++i) out.curve.length[i] = static_cast<double>(i);
    }
    const Estimate energy = curve.energy();
    std::vector<double> local, local_se;
    for (const Estimate& delta : curve.local_cost(completed.text("cost") == "predictor" ? 4 : 2)) {
        local.push_back(delta.value);
        local_se.push_back(delta.se);
    }
    nlohmann::json past = nlohmann::json::array();
    std::vector<std::vector<double>> grids;
    std::vector<double> lengths;
    for (const PastGrid& grid : costs.past) {
        past.push_back({{"sigma", grid.sigma}, {"length", grid.length}, {"energy", grid.energy}});
        grids.push_back(grid.sigma);
        lengths.push_back(grid.length);
    }
    grids.push_back(curve.sigma);
    lengths.push_back(curve.length(exponent).back());
    if (warning.empty()) warning = find_collapse(grids, lengths).advice();
    out.provenance = {{"cost", curve.means()},
                      {"cost_se", curve.standard_errors()},
                      {"local_cost", local},
                      {"local_cost_se", local_se},
                      {"length_se", curve.length_se(exponent)},
                      {"energy", energy.value},
                      {"energy_se", energy.se},
                      {"probes", curve.probes},
                      {"block_cost", curve.block_mean},
                      {"block_size", curve.block_size},
                      {"past", past},
                      {"warning", warning}};
    return out;
}

std::vector<double> knot_errors(const LearnedSchedule& learned, int steps, const std::string& end_rule,
                                const std::string& where) {
    const std::vector<double> levels = levels_from_curve(learned.curve, steps, end_rule, where);
    const nlohmann::json& p = learned.provenance;
    const auto mean = p.value("block_cost", std::vector<double>{});
    const auto size = p.value("block_size", std::vector<int64_t>{});
    const size_t grid = learned.curve.sigma.size() - 1, blocks = size.size();
    std::vector<double> out(levels.size(), 0);
    if (blocks < 2 || mean.size() != blocks * grid) {
        for (size_t i = 1; i < out.size(); ++i)
            if (levels[i] > learned.curve.sigma.front()) out[i] = std::numeric_limits<double>::quiet_NaN();
        return out;
    }
    const Spec spec = Spec::parse(learned.spec, where);
    std::vector<RunningMean> logs(levels.size());
    for (size_t b = 0; b < blocks; ++b) {
        LearnedCurve without = learned.curve;
        std::vector<double> pooled(grid, 0);
        double total = 0;
        for (size_t k = 0; k < blocks; ++k) {
            if (k == b) continue;
            const auto weight = static_cast<double>(size[k]);
            total += weight;
            for (size_t j = 0; j < grid; ++j) pooled[j] += weight * mean[k * grid + j];
        }
        for (double& value : pooled) value /= total;
        const std::vector<double> length =
            cumulative_length(pooled, spec.number("exponent"), kFloor, spec.number("cap"));
        if (length.back() > 0) without.length = length;
        const std::vector<double> moved = levels_from_curve(without, steps, end_rule, where);
        for (size_t i = 0; i < levels.size(); ++i)
            if (levels[i] > 0) logs[i].add(std::log(moved[i]));
    }
    // Jackknife: (B - 1)/B sum (theta_b - mean)^2.
    for (size_t i = 0; i < levels.size(); ++i)
        if (levels[i] > 0)
            out[i] = std::sqrt(logs[i].m2 * static_cast<double>(blocks - 1) / static_cast<double>(blocks));
    return out;
}

}  // namespace schedbench
