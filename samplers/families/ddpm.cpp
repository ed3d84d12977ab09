// DDPM ancestral sampling on any subset of levels (Ho et al. 2020, arXiv 2006.11239, eqs. 6-7; respaced as by
// Nichol & Dhariwal 2021, arXiv 2102.09672, section 4), r -> s:
//
//     mean = (sqrt(abar_s) beta / (1 - abar_r)) x0hat + (sqrt(abar_r / abar_s) (1 - abar_s) / (1 - abar_r))
//     x_r, beta = 1 - abar_r / abar_s,     btil = beta (1 - abar_s) / (1 - abar_r)
//
// Divided by sqrt(abar_s), with a = sigma_r, b = sigma_s, abar = 1 / (1 + sigma^2):
//
//     mean = (1 - b^2/a^2) D + (b^2/a^2) x
//     posterior  btil / abar_s = b^2 (a^2 - b^2) / a^2
//     beta       beta / abar_s = (a^2 - b^2) (1 + b^2) / (1 + a^2)
//     learned    exp(v ln beta + (1 - v) ln btil), v = (o + 1) / 2 per element (Nichol & Dhariwal, eq. 15)
//     analytic   (btil + A^2 clip((b_r / abar_r) (1 - Gamma_r), 0, 1)) / abar_s, A = sqrt(abar_s) beta / (1 -
//     abar_r)
//                = posterior + (1 - b^2/a^2)^2 clip(a^2 (1 - Gamma), 0, 1)      (Bao et al. 2022, arXiv
//                2201.06503, theorem 1 and eq. 13: data in [-1, 1] have a variance of at most 1)
//     corrected-analytic   posterior + (1 - b^2/a^2)^2 M: the best variance for the mean that x0hat gives, as
//     it is
//
// Gamma = E|eps_hat|^2/d and M = E|x0 - x0hat|^2/d come from samplers/level_statistics.h; for an exact
// posterior mean M = a^2 (1 - Gamma). No noise is added on a step to level 0.
//
// clip-last = y bounds the variance of the last step that adds noise (Bao et al., appendix: E|noise| at most
// y 8-bit levels, in the variance-preserving form): variance / (1 + b^2) <= (2 y / 255 sqrt(pi / 2))^2.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "core/error.h"
#include "samplers/family_list.h"
#include "samplers/knot_walk.h"
#include "samplers/level_statistics.h"

namespace schedbench::sampler_list {

namespace {

class Ddpm final : public Sampler {
  public:
    Ddpm(Spec spec, std::optional<LevelStatistics> statistics)
        : spec_(std::move(spec)), variance_(spec_.text("variance")), statistics_(std::move(statistics)) {
        if (statistics_) spec_.set("statistics", SpecValue::of_text("sha256-" + statistics_->hash));
        const double y = spec_.number("clip-last");
        if (y > 0) last_bound_ = std::pow(2 * y / 255, 2) * std::numbers::pi / 2;
    }
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        check_fit(*this, denoiser, "philox", denoiser.spec());
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const double a = walk.level(i), b = walk.level(i + 1);
            const double keep = (b / a) * (b / a);
            const DenoiserOutput out = walk.output(x, walk.knot(i));
            x = keep * x + (1 - keep) * out.x0;
            if (b > 0) {
                const at::Tensor z = noise.step(static_cast<uint32_t>(i)).to(at::kDouble);
                const bool last = i + 1 == walk.steps() || walk.level(i + 2) == 0;
                const double bound =
                    last ? last_bound_ * (1 + b * b) : std::numeric_limits<double>::infinity();
                if (variance_ == "learned")
                    x = x + learned_variance(a, b, out.variance).clamp_max(bound).sqrt() * z;
                else
                    x = x + std::sqrt(std::min(fixed_variance(a, b, schedule), bound)) * z;
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return true; }
    SamplerNeeds needs() const override {
        SamplerNeeds needs{.variance = variance_ == "learned"};
        if (statistics_)
            needs.sigma_min = statistics_->sigma.front(), needs.sigma_max = statistics_->sigma.back();
        return needs;
    }
    void check_model(const Denoiser& denoiser, const std::string& where) const override {
        if (statistics_ && !statistics_->weights.empty() && statistics_->weights != denoiser.weights_hash())
            throw Error("option",
                        "the level statistics of " + spec_.print() + " were measured on another network, " +
                            statistics_->model + ", not on " + denoiser.spec(),
                        where, "measure them with schedbench statistics --levels");
    }
    void check_schedule(const Schedule& schedule, const std::string& where) const override {
        if (!statistics_) return;
        for (size_t i = 0; i + 1 < schedule.effective.size(); ++i)
            if (schedule.effective[i + 1] > 0)
                statistics_->at(schedule.effective[i], interpolates(schedule), where);
    }

  private:
    static double posterior(double a, double b) { return (b / a) * (b / a) * (a - b) * (a + b); }
    static double beta(double a, double b) { return (a - b) * (a + b) * (1 + b * b) / (1 + a * a); }
    /// On a table the levels are those that were measured; elsewhere they may lie between.
    static bool interpolates(const Schedule& schedule) { return schedule.time_rule != "nearest"; }

    double fixed_variance(double a, double b, const Schedule& schedule) const {
        if (variance_ == "beta") return beta(a, b);
        if (variance_ == "posterior") return posterior(a, b);
        const LevelStatistics::Values found = statistics_->at(a, interpolates(schedule), schedule.spec);
        const double share = (a - b) * (a + b) / (a * a);
        const double spread =
            variance_ == "analytic" ? std::clamp(a * a * (1 - found.gamma), 0.0, 1.0) : found.error;
        return posterior(a, b) + share * share * spread;
    }
    static at::Tensor learned_variance(double a, double b, const at::Tensor& raw) {
        SCHEDBENCH_ASSERT(raw.defined());
        const at::Tensor v = 0.5 * (raw + 1);
        return at::exp(v * std::log(beta(a, b)) + (1 - v) * std::log(posterior(a, b)));
    }

    Spec spec_;
    std::string variance_;
    std::optional<LevelStatistics> statistics_;
    double last_bound_ =
        std::numeric_limits<double>::infinity();  ///< of the last noise, variance-preserving form
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const double y = spec.number("clip-last");
    if (!(y >= 0 && std::isfinite(y)))
        throw Error("spec",
                    "key \"clip-last\" of ddpm must be finite and not negative, not " + format_number(y),
                    where);
    const std::string &variance = spec.text("variance"), &file = spec.text("statistics");
    const bool analytic = variance == "analytic" || variance == "corrected-analytic";
    if (!analytic && file != "none")
        throw Error("spec", "ddpm:variance=" + variance + " uses no statistics", where,
                    "leave statistics out, or choose variance=analytic or corrected-analytic");
    if (analytic && file == "none")
        throw Error("spec", "ddpm:variance=" + variance + " needs statistics of the model", where,
                    "give statistics=FILE, written by schedbench statistics --levels FILE");
    return std::make_unique<Ddpm>(
        spec, analytic ? std::optional<LevelStatistics>(LevelStatistics::read(file)) : std::nullopt);
}

}  // namespace

SamplerFamily ddpm() {
    constexpr auto number = SpecParam::Type::number;
    return {
        {"ddpm",
         "ancestral sampling on any subset of levels, no noise on the step to level 0",
         "Ho et al. 2020, eqs. 6-7; Nichol & Dhariwal 2021, section 4, eq. 15; Bao et al. 2022, theorem 1",
         {{"variance",
           SpecParam::Type::choice,
           "posterior",
           "reverse variance: posterior (small), beta (large), learned by the model, analytic (from "
           "E|eps|^2), or "
           "corrected-analytic (from E|x0 - x0hat|^2)",
           {"posterior", "beta", "learned", "analytic", "corrected-analytic"}},
          {"statistics", SpecParam::Type::text, "none",
           "file of schedbench statistics --levels, for the analytic ones"},
          {"clip-last", number, "0",
           "bound on the last noise: E|noise| at most this many 8-bit levels; 0: none"}}},
        "1",
        first_order,
        make};
}

}  // namespace schedbench::sampler_list
