// tests/golden/metrics/*monte_carlo.json: means, spreads and coverage of the Frechet distance over many
// repeats, to which our own repeats are compared at four combined standard errors.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "eval/comparison.h"
#include "eval/frechet.h"
#include "golden.h"
#include "numbers.h"

namespace schedbench {
namespace {

using nlohmann::json;

constexpr int kRepeats = 120;

struct Population {
    at::Tensor mean, covariance, factor;
    Moments moments() const { return {mean, covariance, 0}; }
    at::Tensor sample(const at::Tensor& z) const { return mean + at::mm(z, factor.t()); }
};

Population population(const at::Tensor& mean, const at::Tensor& scale, double r) {
    const at::Tensor i = at::arange(scale.size(0), at::kDouble);
    const at::Tensor covariance =
        at::outer(scale, scale) * at::pow(r, (i.unsqueeze(0) - i.unsqueeze(1)).abs());
    return {mean, covariance, at::linalg_cholesky(covariance)};
}

struct Track {
    RunningMean value, se;
    RunningMean covered;
    void add(double v, double error, double truth) {
        value.add(v);
        se.add(error);
        covered.add(std::abs(v - truth) <= 1.96 * error ? 1 : 0);
    }
};

class Comparison {
  public:
    explicit Comparison(golden::Tally& tally) : tally_(tally) {}
    /// |mine - theirs| in combined standard errors.
    void add(double mine, double my_se, double theirs, double their_se, const std::string& what) {
        tally_.add(std::abs(mine - theirs) / std::hypot(my_se, their_se), 4, what);
    }
    void track(const Track& mine, const json& want, const json& interval, const std::string& what) {
        add(mine.value.mean, mine.value.standard_error(), want.at("mean"), want.at("mean_se"),
            what + " mean");
        const double sd = std::sqrt(mine.value.variance());
        add(sd, sd / std::sqrt(2.0 * kRepeats), want.at("sd"), want.at("sd_se"), what + " sd");
        if (interval.is_null()) return;
        const double p = interval.at("coverage"), error = std::sqrt(std::max(p * (1 - p), 1e-3) / kRepeats);
        add(mine.covered.mean, error, p, interval.at("coverage_se"), what + " coverage");
    }

  private:
    golden::Tally& tally_;
};

TEST(FrechetGolden, MonteCarlo) {
    golden::Tally tally("metrics/monte_carlo");
    Comparison compare(tally);
    for (const auto& file : golden::files("metrics", "monte_carlo.json")) {
        const json g = json::parse(std::ifstream(file));
        const json& p = g.at("parameters");
        const int64_t d = g.at("d"), n = g.at("n");
        const double rho = g.at("rho");
        const at::Tensor i = at::arange(d, at::kDouble), a = (1 + i / static_cast<double>(d)).sqrt();
        const Population reference = population(at::zeros({d}, at::kDouble), a, p.at("r_R"));
        const Population pop_a =
            population(p.at("m_A").get<double>() * i.cos(),
                       a * (1 - p.at("q_A").get<double>() * i.remainder(5)), p.at("r_A"));
        const Population pop_b =
            population(p.at("m_B").get<double>() * i.cos() + p.at("h_B").get<double>() * (i.remainder(3) - 1),
                       a * (1 - p.at("q_B").get<double>() * (i + 1).remainder(5)), p.at("r_B"));
        const double true_a = frechet_distance(pop_a.moments(), reference.moments());
        const double true_b = frechet_distance(pop_b.moments(), reference.moments());
        tally.add(std::abs(true_a - g.at("true").at("A").get<double>()), 1e-9, "true A");
        tally.add(std::abs(true_b - g.at("true").at("B").get<double>()), 1e-9, "true B");

        uint64_t stream = 1000;
        for (const auto& m_value : g.at("m_values")) {
            const bool sampled = m_value.is_number();
            const int64_t m = sampled ? m_value.get<int64_t>() : 0;
            const json& want =
                g.at("results").at("m_" + (sampled ? std::to_string(m) : m_value.get<std::string>()));
            const FrechetOptions options{"fd", sampled ? ReferenceRole::sampled : ReferenceRole::exact,
                                         DebiasMethod::gaussian};
            Track raw_a, raw_b, raw_d, free_a, free_b, free_d;
            RunningMean correlation;
            for (int repeat = 0; repeat < kRepeats; ++repeat) {
                const at::Tensor z = normals(n, d, ++stream), w = normals(n, d, ++stream);
                const auto ref =
                    sampled ? FrechetReference::of_features(reference.sample(normals(m, d, ++stream)))
                            : FrechetReference::of_moments(reference.moments());
                const auto fa = frechet(pop_a.sample(z), ref, options);
                const auto fb = frechet(pop_b.sample(rho * z + std::sqrt(1 - rho * rho) * w), ref, options);
                const auto pair = paired_difference({fa.at_n.value, fa.influence, fa.influence_ref},
                                                    {fb.at_n.value, fb.influence, fb.influence_ref}, "fd");
                const double truth = true_a - true_b, se = pair.difference.se;
                raw_a.add(fa.at_n.value, fa.at_n.se, true_a);
                raw_b.add(fb.at_n.value, fb.at_n.se, true_b);
                raw_d.add(pair.difference.value, se, truth);
                free_a.add(fa.debiased.value, fa.debiased.se, true_a);
                free_b.add(fb.debiased.value, fb.debiased.se, true_b);
                free_d.add(fa.debiased.value - fb.debiased.value, se, truth);
                correlation.add(pair.correlation);
            }
            const std::string name = sampled ? "m=" + std::to_string(m) + " " : "m=inf ";
            const std::tuple<const char*, const Track*, const Track*> rows[] = {
                {"A", &raw_a, &free_a}, {"B", &raw_b, &free_b}, {"A_minus_B", &raw_d, &free_d}};
            for (const auto& [key, raw, debiased] : rows) {
                const json& w = want.at(key);
                compare.track(*raw, w.at("raw"), w.at("raw_interval"), name + key + " raw");
                compare.track(*debiased, w.at("debiased"), w.at("debiased_interval"),
                              name + key + " debiased");
                const double their_error =
                    w.at("influence_se").at("sd").get<double>() / std::sqrt(g.at("repeats").get<double>());
                compare.add(raw->se.mean, raw->se.standard_error(), w.at("influence_se").at("mean"),
                            their_error, name + key + " influence SE");
                std::printf("%s%s: sd %.4f, mean influence SE %.4f, coverage of the debiased interval %.3f\n",
                            name.c_str(), key, std::sqrt(debiased->value.variance()), raw->se.mean,
                            debiased->covered.mean);
            }
            // The correlation predicted by the influence functions against the one seen over repeats (which
            // the linearisation overstates a little where the distance is near its bias): within 0.05.
            tally.add(
                std::abs(correlation.mean - want.at("correlation_of_raw_A_and_B").at("value").get<double>()),
                0.05, name + "correlation");
        }

        const json& null_case = g.at("null_case");
        const int64_t nn = null_case.at("n"), mm = null_case.at("m");
        const Transport self =
            gaussian_transport(reference.moments(), reference.moments(), TransportParts::maps);
        const double k = 1 / static_cast<double>(nn) + 1 / static_cast<double>(mm);
        tally.add(std::abs(k * (self.trace1 + (self.harmonic_sum() + self.root_trace / 2) / 2) -
                           null_case.at("closed_form_bias").get<double>()),
                  1e-9, "null bias");
        Track raw, debiased;
        RunningMean null_sd;
        for (int repeat = 0; repeat < kRepeats; ++repeat) {
            const at::Tensor x = reference.sample(normals(nn, d, ++stream)),
                             y = reference.sample(normals(mm, d, ++stream));
            const auto f = frechet(x, FrechetReference::of_features(y),
                                   {"fd", ReferenceRole::sampled, DebiasMethod::gaussian});
            raw.add(f.at_n.value, f.at_n.se, 0);
            debiased.add(f.debiased.value, f.debiased.se, 0);
            null_sd.add(f.null_sd);
        }
        compare.track(raw, null_case.at("raw"), nullptr, "null raw");
        compare.track(debiased, null_case.at("debiased"), null_case.at("debiased_interval"), "null debiased");
        tally.add(std::abs(null_sd.mean / null_case.at("closed_form_null_sd").get<double>() - 1), 0.03,
                  "null SD");
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
