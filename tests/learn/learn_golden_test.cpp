// Learners against exact costs, lengths, knots and path costs. Costs are Monte Carlo estimates: a difference
// counts in standard errors of the reference's own per-sample deviation, and may be five of them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gaussian_statistics.h"
#include "golden.h"
#include "golden_json.h"
#include "learn/learner.h"
#include "target_quadrature.h"

namespace schedbench {
namespace {

using golden::json_files;
using nlohmann::json;
using quadrature::target_of;

RunningMean one_cost(const std::shared_ptr<const ExactTarget>& target, double to, double from, int64_t probes,
                     uint64_t seed) {
    const auto source = exact_source(target, probes, seed);
    CostCurve curve;
    measure_cost(curve, *target, *source, {target->process().locate(to), target->process().locate(from)},
                 {.probes = probes, .batch = 2000, .seed = seed});
    return curve.cost[0];
}

TEST(GoldenLearners, CorrectorCosts) {
    golden::Tally pairs("schedules/score_optimal_costs corrector cost, in standard errors"),
        estimators("schedules/score_estimators corrector, in standard errors"),
        spread("schedules/score_estimators per-sample deviation");
    std::map<std::string, std::shared_ptr<const ExactTarget>> known;
    uint64_t seed = 0;  // one a case, so that cases do not err together
    for (const json& file : json_files("targets")) {
        for (const json& target : file["targets"]) {
            if (!target.contains("VE")) continue;
            const auto exact = target_of(target);
            ASSERT_TRUE(exact) << target["id"];
            known[target["id"]] = exact;
            const int64_t probes = target["d"] > 100 ? 200 : 10000;
            for (const json& pair : target["VE"]["pairs"]) {
                const RunningMean cost = one_cost(exact, pair["t_to"], pair["t"], probes, ++seed);
                const double se = pair["sd_c"].get<double>() / std::sqrt(static_cast<double>(probes));
                pairs.add(std::abs(cost.mean - pair["L_c"].get<double>()) / se, 5,
                          target["id"].get<std::string>() + " " + pair["t"].dump());
            }
        }
    }
    for (const json& file : json_files("corrector")) {
        for (const json& item : file["corrector"]) {
            if (item["path"] != "VE" || !known.contains(item["target"])) continue;
            const RunningMean cost = one_cost(known[item["target"]], item["t_to"], item["t"], 20000, ++seed);
            const double sd = item["per_sample_sd"];
            estimators.add(std::abs(cost.mean - item["L_c"].get<double>()) / (sd / std::sqrt(20000.0)), 5,
                           item["target"]);
            spread.add(std::abs(std::sqrt(cost.variance()) / sd - 1), 0.15, item["target"]);
        }
    }
    pairs.report();
    estimators.report();
    spread.report();
}

/// The whole learner against the continuum: length, and knots where an error of the length of five standard
/// errors (plus 0.6 % for the finite spacing) would put them.
TEST(GoldenLearners, LengthsAndKnots) {
    golden::Tally lengths("schedules/score_optimal_costs length"),
        knots("schedules/score_optimal_costs knots, in length");
    for (const json& file : json_files("targets")) {
        for (const json& target : file["targets"]) {
            if (!target.contains("VE") || target["d"] > 100) continue;
            const auto exact = target_of(target);
            const auto source = exact_source(exact, 1600, 3);
            for (const json& length : target["VE"]["length"]) {
                const Spec spec = complete_learner(
                    Spec::parse("score-optimal:spacing=0.1,probes=1600,batch=200,end=sigma-min,sigma-min=" +
                                format_number(length["t_min"]) +
                                ",sigma-max=" + format_number(length["t_max"])),
                    exact->process());
                ScoreOptimalCosts costs;
                measure_score_optimal(costs, spec, *exact, *source);
                const LearnedSchedule learned = score_optimal_schedule(costs, spec, exact->process());
                const double expected = length["Lambda"], se = costs.curve.length_se().back();
                const std::string name = target["id"].get<std::string>() + " from " + length["t_min"].dump();
                const double tolerance = 5 * se + 0.006 * expected;
                lengths.add(std::abs(learned.curve.length.back() - expected), tolerance, name);
                for (const char* key : {"knots_T8", "knots_T16"}) {
                    std::vector<double> want = length[key];
                    const int steps = static_cast<int>(want.size()) - 1;
                    const Schedule schedule = place(learned, spec, exact->process(), {.steps = steps});
                    // A knot is right if its own length is: near the clean end levels move a lot for no
                    // length.
                    const LengthCurve inverse(learned.curve.sigma, learned.curve.length,
                                              Interpolant::pchip_sigma, name);
                    for (int i = 0; i <= steps; ++i) {
                        const double ours = schedule.effective[static_cast<size_t>(steps - i)];
                        knots.add(
                            std::abs(inverse.sigma_at(ours) - inverse.sigma_at(want[static_cast<size_t>(i)])),
                            tolerance, name + " " + key);
                    }
                }
            }
        }
    }
    lengths.report();
    knots.report();
}

TEST(GoldenLearners, DynamicProgrammeOnGaussianData) {
    golden::Tally tally("schedules/dp_elbo_tables learned paths");
    for (const json& file : json_files("chains")) {
        for (const json& item : file["chains"]) {
            const int levels = item["T"];
            if (levels > 1000) continue;
            std::string process = item["schedule"] == "cosine" ? "cosine:T=" : "linear:T=";
            process += std::to_string(levels);
            if (item["beta"].size() == static_cast<size_t>(levels))
                process = "betas:values=" + item["beta"].dump();
            const NoiseProcess chain(Spec::parse(process));
            for (const json& target : item["targets"]) {
                if (!target.contains("variance")) continue;
                const DenoisingStatistics statistics =
                    closed_form::gaussian_statistics(chain, target["variance"]);
                for (const auto& [name, results] : target["variances"].items()) {
                    // The files call the best variance for this denoiser `analytic`.
                    const std::string variance = name == "analytic" ? "corrected-analytic" : name;
                    int most = 1;
                    for (const json& optimal : results["optimal"])
                        most = std::max(most, optimal["K"].get<int>());
                    const Spec spec = complete_learner(
                        Spec::parse("dp-elbo:clip=false,decoder=density,variance=" + variance), chain);
                    const LearnedSchedule learned = dp_schedule(statistics, spec, chain, most);
                    for (const json& optimal : results["optimal"]) {
                        const std::vector<int64_t>& nodes = learned.paths.at(optimal["K"]);
                        const PathBound bound = path_bound(statistics, parse_variance(variance, "golden"),
                                                           {nodes.begin(), nodes.end()});
                        const double expected =
                            nats_to_bits(optimal["cost"].get<double>() + target["prior"].get<double>()) +
                            std::log2(127.5);
                        tally.add(std::abs(bound.bits_per_dim.value - expected),
                                  1e-10 * (1 + std::abs(expected)), process.substr(0, 20) + " " + variance);
                    }
                }
            }
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
