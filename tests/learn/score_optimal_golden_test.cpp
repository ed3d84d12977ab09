// Costs, local costs, lengths and knots against exact values. The integrand is the program's; the expectation
// is taken by quadrature, so the comparison is not limited by Monte Carlo. The estimators themselves are
// compared below.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <numbers>
#include <numeric>

#include "golden.h"
#include "golden_json.h"
#include "learn/score_optimal.h"
#include "target_quadrature.h"

namespace schedbench {
namespace {

using golden::json_files;
using nlohmann::json;
using quadrature::Integrand;

double level_of(PathForm form, double t) {
    return form == PathForm::ve ? t : std::tan(std::numbers::pi * t / 2);
}

const std::vector<std::pair<const char*, PathForm>> kForms{{"VE", PathForm::ve}, {"VP", PathForm::vp}};

double relative(double value, double expected) {
    return expected == 0 ? std::abs(value) : std::abs(value - expected) / std::abs(expected);
}

TEST(GoldenScoreOptimal, CorrectorAndPredictorCosts) {
    golden::Tally corrector("schedules/score_optimal_costs corrector, by quadrature"),
        predictor("schedules/score_optimal_costs predictor, by quadrature");
    for (const json& file : json_files("targets"))
        for (const json& target : file["targets"]) {
            if (!target.contains("VE")) continue;
            const Integrand in = quadrature::integrand_of(target);
            ASSERT_TRUE(in.target) << target["id"];
            const bool plane = target["d"] == 2;
            for (const auto& [name, form] : kForms) {
                if (!target.contains(name)) continue;
                for (const json& pair : target[name]["pairs"]) {
                    const double to = level_of(form, pair["t_to"]), from = level_of(form, pair["t"]);
                    const std::string what =
                        target["id"].get<std::string>() + " " + name + " " + pair["t"].dump();
                    corrector.add(
                        relative(quadrature::corrector(in, form, to, from, plane ? 500 : 8000), pair["L_c"]),
                        1e-9, what);
                    if (plane && to < 0.5) continue;  // needs millions of nodes: 1-D targets go as low
                    // Small steps are a small difference of large terms (README of the golden files).
                    predictor.add(
                        relative(quadrature::predictor(in, form, to, from, plane ? 300 : 15000), pair["L_p"]),
                        plane ? 1e-6 : 1e-7, what);
                }
            }
        }
    corrector.report();
    predictor.report();
}

TEST(GoldenScoreOptimal, LocalCosts) {
    golden::Tally second("schedules/score_optimal_costs delta_c"),
        fourth("schedules/score_optimal_costs delta4_p");
    for (const json& file : json_files("targets"))
        for (const json& target : file["targets"]) {
            if (!target.contains("VE")) continue;
            // Of an axis: the rule converges faster than any power once the nodes resolve the narrowest mode.
            const bool plane = target["d"] == 2;
            const int64_t nodes = plane ? 280 : 3000, predictor_nodes = plane ? 280 : 8000;
            const Integrand in = quadrature::integrand_of(target);
            for (const auto& [name, form] : kForms) {
                if (!target.contains(name)) continue;
                for (const json& point : target[name]["delta"]) {
                    const double t = point["t"],
                                 first = 0.08 * (form == PathForm::ve ? t : std::min(t, 1 - t));
                    const std::string what =
                        target["id"].get<std::string>() + " " + name + " " + point["t"].dump();
                    const auto to = [&, form = form](double h) { return level_of(form, t - h); };
                    const double from = level_of(form, t);
                    second.add(relative(quadrature::limit_of(
                                            [&, form = form](double h) {
                                                return quadrature::corrector(in, form, to(h), from, nodes);
                                            },
                                            first, 2),
                                        point["delta_c"]),
                               1e-8, what);
                    if (!point.contains("delta4_p") || target["d"] > 100) continue;
                    fourth.add(relative(quadrature::limit_of(
                                            [&, form = form](double h) {
                                                return quadrature::predictor(in, form, to(h), from,
                                                                             predictor_nodes);
                                            },
                                            0.3 * first, 4, 5),
                                        point["delta4_p"]),
                               1e-4, what);
                }
            }
        }
    second.report();
    fourth.report();
}

/// A learned curve whose costs are exact, on `pieces` intervals uniform in ln sigma: only the spacing of the
/// grid is in the way of the continuum.
LearnedCurve exact_curve(const Integrand& in, double low, double high, int pieces) {
    LearnedCurve out;
    std::vector<double> costs;
    for (int i = 0; i <= pieces; ++i) {
        const double sigma = i == 0 ? low : i == pieces ? high : low * std::pow(high / low, 1.0 * i / pieces);
        if (i > 0) costs.push_back(quadrature::corrector(in, PathForm::ve, out.sigma.back(), sigma, 2000));
        out.sigma.push_back(sigma);
    }
    out.length = cumulative_length(costs, 0.5, 1e-12);
    return out;
}

/// Distance of the knots to the continuum optimum as lengths along the path, in parts of the whole: near the
/// clean end levels move a lot for no length.
double knot_distance(const LearnedCurve& curve, const LearnedCurve& fine, const std::vector<double>& want) {
    const LengthCurve inverse(fine.sigma, fine.length, Interpolant::pchip_sigma, "test");
    const auto knots = levels_from_curve(curve, static_cast<int>(want.size()) - 1, "sigma-min");
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i)
        worst = std::max(worst,
                         std::abs(inverse.sigma_at(knots[want.size() - 1 - i]) - inverse.sigma_at(want[i])));
    return worst / fine.length.back();
}

TEST(GoldenScoreOptimal, LengthsAndKnotsConvergeInTheSpacing) {
    golden::Tally lengths("schedules/score_optimal_costs length, spacing to 0"),
        knots("schedules/score_optimal_costs knots, in parts of the length"),
        order("schedules/score_optimal_costs knots, ratio of errors for half the spacing");
    for (const json& file : json_files("targets"))
        for (const json& target : file["targets"]) {
            if (!target.contains("VE") || target["d"] == 2 || target["d"] > 100) continue;
            const Integrand in = quadrature::integrand_of(target);
            for (const json& length : target["VE"]["length"]) {
                const double low = length["t_min"], high = length["t_max"];
                const std::string what = target["id"].get<std::string>() + " from " + length["t_min"].dump();
                // The default spacing of 0.1, and halves of it; the length's error is a power series in it.
                const int pieces = static_cast<int>(std::ceil(std::log(high / low) / 0.1 - 1e-9));
                std::vector<LearnedCurve> curves;
                for (int k = 0; k < 3; ++k) curves.push_back(exact_curve(in, low, high, pieces << k));
                std::vector<double> sum;
                for (const LearnedCurve& curve : curves) sum.push_back(curve.length.back());
                for (size_t k = 1; k < sum.size(); ++k)
                    for (size_t i = sum.size() - 1; i >= k; --i)
                        sum[i] += (sum[i] - sum[i - 1]) / (std::pow(2.0, static_cast<double>(k)) - 1);
                lengths.add(relative(sum.back(), length["Lambda"]), 1e-4, what);
                if (!length.contains("knots_T8")) continue;
                const std::vector<double> want = length["knots_T8"];
                std::vector<double> distance;
                for (const LearnedCurve& curve : curves)
                    distance.push_back(knot_distance(curve, curves.back(), want));
                knots.add(distance[0], 5e-3, what);
                for (size_t k = 1; k < distance.size(); ++k)  // at least of first order
                    if (distance[k] > 2e-5) order.add(distance[k] / distance[k - 1], 0.6, what);
            }
        }
    lengths.report();
    knots.report();
    order.report();
}

struct Moments {
    double mean, sd;
};
Moments moments_of(const at::Tensor& values) {
    return {values.mean().item<double>(), values.std().item<double>()};
}

TEST(GoldenScoreOptimal, HutchinsonEstimators) {
    golden::Tally mean("schedules/score_estimators two probe sets, in standard errors"),
        plugin("schedules/score_estimators one probe set squared, in standard errors"),
        spread("schedules/score_estimators per-sample deviation of two probe sets");
    std::map<std::string, json> targets;
    for (const json& file : json_files("targets"))
        for (const json& target : file["targets"])
            if (target.contains("VE")) targets[target["id"]] = target;
    const int64_t n = 10000;
    std::vector<int64_t> ids(static_cast<size_t>(n));
    std::iota(ids.begin(), ids.end(), 0);
    uint64_t seed = 40;
    for (const json& file : json_files("hutchinson"))
        for (const json& item : file["hutchinson"]) {
            const auto target = quadrature::target_of(targets.at(item["target"]));
            const PathForm form = item["path"] == "VE" ? PathForm::ve : PathForm::vp;
            const NoiseProcess& p = target->process();
            const PathPoint to = path_point(form, p.locate(level_of(form, item["t_to"]))),
                            from = path_point(form, p.locate(level_of(form, item["t"])));
            const at::Tensor x =
                noised_at(target->sample_data({++seed, NoisePurpose::selection}, ids), from, seed, ids, 0);
            const std::string what = item["target"].get<std::string>() + " " +
                                     item["path"].get<std::string>() + " " + item["t"].dump();
            for (bool gaussian : {false, true}) {
                const json& probe = item[gaussian ? "gaussian_probe" : "rademacher_probe"];
                const PredictorOptions options{
                    .dense_dims = 0, .gaussian = gaussian, .tolerance = 1e-9, .seed = seed};
                if (probe.contains("product_sd")) {
                    const Moments m =
                        moments_of(predictor_values(*target, x, to, from, {}, {}, options, ids, 0));
                    mean.add(std::abs(m.mean - item["L_p"].get<double>()) /
                                 (probe["product_sd"].get<double>() / std::sqrt(static_cast<double>(n))),
                             5, what);
                    if (probe["product_sd"].get<double>() < 5 * item["L_p"].get<double>())  // no heavy tail
                        spread.add(std::abs(m.sd / probe["product_sd"].get<double>() - 1), 0.35, what);
                }
                if (probe.contains("plugin_bias_one_probe") && !gaussian) {
                    const Moments m =
                        moments_of(predictor_plugin_values(*target, x, to, from, {}, {}, options, ids, 0));
                    const double expected =
                        item["L_p"].get<double>() + probe["plugin_bias_one_probe"].get<double>();
                    plugin.add(std::abs(m.mean - expected) / (m.sd / std::sqrt(static_cast<double>(n))), 5,
                               what);
                }
            }
            const Moments exact = moments_of(predictor_values(*target, x, to, from, {}, {}, {}, ids, 0));
            if (item["sd_exact_gradient"].get<double>() < 5 * item["L_p"].get<double>())
                spread.add(std::abs(exact.sd / item["sd_exact_gradient"].get<double>() - 1), 0.35,
                           what + " exact");
        }
    mean.report();
    plugin.report();
    spread.report();
}

}  // namespace
}  // namespace schedbench
