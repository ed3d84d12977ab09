#include "likelihood/path_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr int kSearchNodes = 25;  // of ln v at each entry, for the search of paths

size_t at(int i) {
    return static_cast<size_t>(i);
}

/// The statistics' own decoder with its table variance, or what a law of the errors or a density says
/// instead.
ElboChain make_chain(const DenoisingStatistics& s, const BoundRule& rule, const DenoisingStatistics* fitted_on) {
    const bool learned = rule.variance == ElboVariance::learned && rule.first_step == FirstStepRule::table;
    return s.elbo(learned && rule.decoder == s.decoder, fitted_on);
}

}  // namespace

std::string first_step_name(FirstStepRule rule) {
    switch (rule) {
        case FirstStepRule::table:
            return "table";
        case FirstStepRule::path:
            return "path";
        case FirstStepRule::optimal:
            return "optimal";
    }
    SCHEDBENCH_ASSERT(false);
    return "";
}

FirstStepRule parse_first_step(const std::string& name, const std::string& where) {
    for (FirstStepRule rule : {FirstStepRule::table, FirstStepRule::path, FirstStepRule::optimal})
        if (first_step_name(rule) == name) return rule;
    throw Error("spec", "the first-step variance cannot be \"" + name + "\"", where,
                "known: table, path, optimal");
}

/// What is made when it is first asked for.
struct PathBounds::Tables {
    std::vector<std::vector<double>> costs;  ///< [T+1][kSearchNodes] N_t less that of the density
    std::vector<double> low, high;           ///< [T+1] range of ln v
    std::optional<BudgetPaths> paths;
    std::vector<ElboChain> lanes;  ///< of the lanes that hold images
};

PathBounds::~PathBounds() = default;

bool PathBounds::exact_table() const {
    return rule_.first_step == FirstStepRule::table && rule_.decoder == statistics_.decoder;
}

PathBounds::PathBounds(const DenoisingStatistics& statistics, const BoundRule& rule,
                       const DenoisingStatistics* fitted_on)
    : statistics_(statistics),
      rule_(rule),
      process_(statistics.chain()),
      chain_(make_chain(statistics, rule, fitted_on)),
      tables_(std::make_unique<Tables>()) {
    const std::string what = statistics.model + " on " + statistics.data;
    chain_.require(rule.variance);
    const bool learned = rule.variance == ElboVariance::learned;
    if (learned && rule.first_step == FirstStepRule::path)
        throw Error(
            "option",
            "the learned variance with first-step path needs the decoder for every second node, which no "
            "statistics hold",
            what, "take first-step table, whose smaller variance is btil(1,2), or optimal");
    if (learned && rule.first_step == FirstStepRule::table && rule.decoder != statistics.decoder)
        throw Error("run",
                    "the statistics hold the learned first-step variance for the " +
                        decoder_name(statistics.decoder) + " decoder only",
                    what,
                    "measure with --decoder " + decoder_name(rule.decoder) + ", or take first-step optimal");
    if (!exact_table() && rule.decoder != DecoderKind::density && statistics.law.empty())
        throw Error("run",
                    statistics.decoder == DecoderKind::density
                        ? "the " + decoder_name(rule.decoder) + " decoder is for 8-bit images"
                        : "the statistics hold the " + decoder_name(statistics.decoder) +
                              " decoder with the table variance only: they lack the laws of the errors",
                    what,
                    statistics.decoder == DecoderKind::density ? "take decoder density"
                                                               : "measure them again, into another run file");
}

double PathBounds::decoder_nats(int t, double variance) const {
    if (rule_.decoder == DecoderKind::density)
        return gaussian_decoder_cost(statistics_.error[at(t)].mean, variance);
    return statistics_.law[at(t)].cost(variance, rule_.decoder);
}

FirstStep PathBounds::first_step(bool for_search) const {
    if (rule_.variance == ElboVariance::learned && rule_.first_step == FirstStepRule::table) return {};
    if (exact_table()) return {};
    const bool density = rule_.decoder == DecoderKind::density;
    if (density || !for_search || rule_.first_step != FirstStepRule::path)
        return {rule_.first_step, [this](int t, double v) { return decoder_nats(t, v); }};
    Tables& tables = *tables_;
    if (tables.costs.empty()) {
        const int levels = statistics_.levels();
        tables.costs.resize(at(levels) + 1);
        tables.low.resize(at(levels) + 1);
        tables.high.resize(at(levels) + 1);
        for (int t = 1; t < levels; ++t) {
            tables.low[at(t)] = std::log(process_.posterior_variance(t, t + 1));
            tables.high[at(t)] = std::log(process_.one_minus_abar(t));
            for (int j = 0; j < kSearchNodes; ++j) {
                const double step = (tables.high[at(t)] - tables.low[at(t)]) / (kSearchNodes - 1);
                const double v = std::exp(tables.low[at(t)] + j * step);
                tables.costs[at(t)].push_back(decoder_nats(t, v) -
                                              gaussian_decoder_cost(statistics_.error[at(t)].mean, v));
            }
        }
    }
    return {rule_.first_step, [this](int t, double v) {
                const std::vector<double>& y = tables_->costs[at(t)];
                const double low = tables_->low[at(t)], high = tables_->high[at(t)];
                const double place = high > low ? (std::log(v) - low) / (high - low) * (kSearchNodes - 1) : 0;
                const int j = std::clamp(static_cast<int>(place), 0, kSearchNodes - 2);
                const double part = place - j;
                return y[at(j)] + part * (y[at(j + 1)] - y[at(j)]) +
                       gaussian_decoder_cost(statistics_.error[at(t)].mean, v);
            }};
}

std::vector<int> PathBounds::best(int steps, int most) const {
    if (!tables_->paths || tables_->paths->max_steps() < steps)
        tables_->paths = shortest_paths(
            [&] {
                FirstStep first = first_step(true);
                PathCosts costs = chain_.costs(rule_.variance, first);
                if (first.rule == FirstStepRule::table && !exact_table() &&
                    rule_.variance != ElboVariance::learned)
                    for (int t = 1; t <= statistics_.levels(); ++t)
                        costs.first[at(t)] = decoder_nats(t, table_decoder_variance(process_, t));
                return costs;
            }(),
            std::max(steps, most));
    return tables_->paths->path(steps);
}

PathBound PathBounds::bound(const std::vector<int>& path) const {
    const int levels = statistics_.levels();
    if (path.empty()) throw Error("number", "a path needs at least one node", "path");
    for (size_t k = 0; k < path.size(); ++k)
        if (path[k] < 1 || path[k] > levels || (k > 0 && path[k] <= path[k - 1]))
            throw Error("number",
                        "node " + std::to_string(path[k]) + " at position " + std::to_string(k + 1) +
                            " of the path does not rise within 1.." + std::to_string(levels),
                        "path");
    if (rule_.first_step == FirstStepRule::path && path.size() < 2)
        throw Error(
            "number",
            "first-step path takes the decoder's variance from the second node, but there is one only",
            "path", "give at least two steps");
    PathBound out;
    out.path = path;
    out.rule = rule_;
    const int first = path.front();
    const bool learned_decoder =
        rule_.variance == ElboVariance::learned && rule_.first_step == FirstStepRule::table;
    out.first_variance =
        learned_decoder                              ? std::numeric_limits<double>::quiet_NaN()
        : rule_.first_step == FirstStepRule::path    ? process_.posterior_variance(first, path[1])
        : rule_.first_step == FirstStepRule::optimal ? chain_.fitted_error()[at(first)]
                                                     : table_decoder_variance(process_, first);
    if (rule_.first_step == FirstStepRule::optimal && !(out.first_variance > 0))
        throw Error("number", "entry " + std::to_string(first) + " has no error, so its best variance is 0",
                    statistics_.model, "take another first-step rule");
    const double nats = learned_decoder || exact_table() ? chain_.decoder()[at(first)]
                                                         : decoder_nats(first, out.first_variance);
    out.decoder = nats_to_bits(nats) + (rule_.decoder == DecoderKind::density ? std::log2(127.5) : 0);
    out.prior = nats_to_bits(chain_.prior(path.back()));
    double total = out.decoder + out.prior;
    for (size_t k = 1; k < path.size(); ++k) {
        out.edges.push_back(nats_to_bits(chain_.edge(rule_.variance, path[k - 1], path[k])));
        total += out.edges.back();
    }
    out.bits_per_dim = {.name = "bits_per_dim",
                        .value = total,
                        .n = statistics_.images,
                        .estimand = "evidence bound of the path",
                        .method = "none: terms of images were not kept"};
    if (rule_.variance == ElboVariance::learned)
        lane_error(out);
    else
        per_image_error(out);
    return out;
}

/// Changes of the total per image, around the means of the same float32 values that are kept.
void PathBounds::per_image_error(PathBound& out) const {
    const DenoisingStatistics& s = statistics_;
    if (s.image_error.empty()) return;
    Estimate& bits = out.bits_per_dim;
    const auto n = static_cast<size_t>(s.images), levels = at(s.levels());
    const auto first = at(out.path.front());
    const int last = out.path.back();
    const bool kept = exact_table(), density = rule_.decoder == DecoderKind::density;
    bits.method = kept || density
                      ? "per-image totals, one noise draw per image and level"
                      : "per-image totals; the decoder's from those of the table variance, changed as a "
                        "density would be";
    std::vector<double> slope(levels + 1, 0.0);
    for (size_t k = 1; k < out.path.size(); ++k)
        slope[at(out.path[k])] = chain_.error_slope(rule_.variance, out.path[k - 1], out.path[k]);
    // Without the decoder's own terms: those of the measured decoder plus e^2 (1/v - 1/v_table)/2.
    const double table = table_decoder_variance(process_, out.path.front());
    const double change = density ? 1 / (2 * out.first_variance)
                          : kept  ? 0
                                  : (1 / out.first_variance - 1 / table) / 2;
    const double measured = s.decoder_nats[first].mean, error = chain_.error()[first];
    const double m2 = s.m2(), prior_slope = process_.abar(last) / 2;
    RunningMean spread;
    for (size_t i = 0; i < n; ++i) {
        const size_t row = i * levels;
        double delta = change * (static_cast<double>(s.image_error[row + first - 1]) - error) +
                       prior_slope * (s.second_moment[i] - m2);
        if (!density) delta += static_cast<double>(s.image_decoder[row + first - 1]) - measured;
        for (size_t k = 1; k < out.path.size(); ++k) {
            const auto t = at(out.path[k]);
            delta += slope[t] * (static_cast<double>(s.image_error[row + t - 1]) - chain_.error()[t]);
        }
        out.per_image.push_back(bits.value + nats_to_bits(delta));
        spread.add(out.per_image.back());
    }
    bits.se = spread.standard_error();
    if (n < 30) bits.warning = "few images: the error bar is rough";
}

namespace {

/// The bound of the images of one lane.
ElboChain lane_chain(const StatisticsLane& lane, const NoiseProcess& process) {
    const size_t width = lane.error.size();
    const double scale = 1 / static_cast<double>(lane.images);
    LearnedVarianceStatistics learned{std::vector<LaplaceValues>(width, LaplaceValues{}),
                                      std::vector<LaplaceValues>(width, LaplaceValues{}),
                                      std::vector<double>(width, 0)};
    std::vector<double> error(width, 0);
    for (size_t t = 1; t < width; ++t) {
        for (size_t j = 0; j < kLaplaceNodes; ++j) {
            learned.phi[t][j] = lane.phi[t][j] * scale;
            learned.psi[t][j] = lane.psi[t][j] * scale;
        }
        learned.mean_v[t] = lane.v[t] * scale;
        error[t] = lane.error[t].mean;
    }
    return {process, {error, error, lane.second_moment.mean, {}, std::move(learned)}};
}

}  // namespace

/// Over lanes: sum_l w_l^2 (total_l - mean)^2 with w_l = n_l/n, times L/(L - 1).
void PathBounds::lane_error(PathBound& out) const {
    const DenoisingStatistics& s = statistics_;
    const auto first = at(out.path.front());
    const bool table = rule_.first_step == FirstStepRule::table,
               density = rule_.decoder == DecoderKind::density;
    const double measured = table_decoder_variance(process_, out.path.front());
    if (tables_->lanes.empty())
        for (const StatisticsLane& lane : s.lanes)
            if (lane.images > 0) tables_->lanes.push_back(lane_chain(lane, process_));
    std::vector<std::pair<double, double>> totals;  // weight, nats
    double mean = 0;
    for (const StatisticsLane& lane : s.lanes) {
        if (lane.images == 0) continue;
        const ElboChain& chain = tables_->lanes[totals.size()];
        double nats = chain.prior(out.path.back());
        if (table)
            nats += lane.learned_decoder_nats[first].mean;
        else if (density)  // with one variance for all elements, as in per_image_error()
            nats += lane.error[first].mean / (2 * out.first_variance);
        else
            nats += lane.decoder_nats[first].mean +
                    lane.error[first].mean * (1 / out.first_variance - 1 / measured) / 2;
        for (size_t k = 1; k < out.path.size(); ++k)
            nats += chain.edge(ElboVariance::learned, out.path[k - 1], out.path[k]);
        totals.emplace_back(static_cast<double>(lane.images) / static_cast<double>(s.images), nats);
        mean += totals.back().first * nats;
    }
    Estimate& bits = out.bits_per_dim;
    const auto lanes = static_cast<double>(totals.size());
    if (totals.size() < 2) {
        bits.method =
            "none: the images were measured in one block, and the error is taken over groups of blocks";
        return;
    }
    double sum = 0;
    for (const auto& [weight, nats] : totals) sum += weight * weight * (nats - mean) * (nats - mean);
    bits.se = nats_to_bits(std::sqrt(sum * lanes / (lanes - 1)));
    bits.method = std::to_string(totals.size()) + " groups of blocks of images";
    if (totals.size() < 8) bits.warning = "few groups of images: the error bar is rough";
}

PathBound path_bound(const DenoisingStatistics& statistics, ElboVariance variance,
                     const std::vector<int>& path) {
    return PathBounds(statistics, {variance, FirstStepRule::table, statistics.decoder}).bound(path);
}

}  // namespace schedbench
