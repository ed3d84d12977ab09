// The general sampler of Karras et al. 2022 (arXiv 2206.00364, alg. 3 and table 1; with churn as in alg. 2):
// the probability-flow ODE in a time t of its own, of the scaled variable y = s(t) x,
//
//     dy/dt = (sigma'/sigma + s'/s) y - (sigma' s / sigma) D(y / s; sigma)
//
//     schedule  linear  sigma = t         ve  sigma = sqrt(t)       vp  sigma = sqrt(exp(beta_d t^2/2 +
//     beta_min t) - 1) scaling   none    s = 1             vp  s = 1 / sqrt(1 + sigma^2),  so  s'/s = -sigma
//     sigma' s^2 solver    euler   y' = yhat + h d
//               heun    y~ = yhat + alpha h d at t~ = that + alpha h,   y' = yhat + h ((1 - 1/(2 alpha)) d +
//               d~/(2 alpha))
//
// t_i = sigma^{-1}(sigma_i): which levels are visited (the paper's discretisation) is the schedule that the
// sampler is given. alpha = 1 is Heun's method, 1/2 the midpoint method, 2/3 Ralston's. The step to level 0
// is an Euler step (at s(0) = 1; D itself only with schedule=linear). Churn as in heun.cpp:
//
//     gamma = min(s_churn / N, sqrt(2) - 1) if s_min <= sigma <= s_max,     that = sigma^{-1}(sigma (1 +
//     gamma)) yhat = s(that) (x + sqrt(sigma(that)^2 - sigma^2) s_noise z)
//
// On a discrete process the levels of that and t~ are rounded to the table, and alpha becomes what t~ makes
// it. beta_d and beta_min, unless they are given, are those for which sigma(1) is the first level and
// sigma(eps) the last positive one, as in the paper's code. Observers are told x = y / s.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "samplers/churn.h"
#include "samplers/family_list.h"
#include "samplers/knot_walk.h"
#include "schedules/vp_time.h"

namespace schedbench::sampler_list {

namespace {

enum class TimeLaw { linear, ve, vp };

/// sigma(t), its inverse and derivative, and the scaling.
struct Clock {
    TimeLaw law;
    bool scaled;
    VpTime vp;

    double time(double sigma) const {
        if (sigma == 0) return 0;
        return law == TimeLaw::linear ? sigma : law == TimeLaw::ve ? sigma * sigma : vp.time(sigma);
    }
    double sigma(double t) const {
        return law == TimeLaw::linear ? t : law == TimeLaw::ve ? std::sqrt(t) : vp.sigma(t);
    }
    double slope(double t) const {
        return law == TimeLaw::linear ? 1 : law == TimeLaw::ve ? 0.5 / std::sqrt(t) : vp.slope(t);
    }
    double scale(double sigma) const { return scaled ? 1 / std::sqrt(1 + sigma * sigma) : 1; }
    /// dy/dt = of_y y + of_denoised D at time t, level sigma > 0.
    struct Derivative {
        double of_y, of_denoised;
    };
    Derivative derivative(double t, double level) const {
        const double rate = slope(t), s = scale(level);
        const double shrink = scaled ? -level * rate * s * s : 0;
        return {rate / level + shrink, -rate * s / level};
    }
};

class EdmAblation final : public Sampler {
  public:
    explicit EdmAblation(Spec spec)
        : spec_(std::move(spec)),
          heun_(spec_.text("solver") == "heun"),
          law_(spec_.text("schedule") == "vp"   ? TimeLaw::vp
               : spec_.text("schedule") == "ve" ? TimeLaw::ve
                                                : TimeLaw::linear),
          scaled_(spec_.text("scaling") == "vp"),
          fitted_(law_ == TimeLaw::vp && spec_.is_auto("beta-d")),
          alpha_(spec_.number("alpha")) {}

    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const Clock clock = clock_of(schedule, denoiser.spec());
        const double most = std::min(spec_.number("s-churn") / walk.steps(), std::numbers::sqrt2 - 1);
        const Churn churn{most, spec_.number("s-min"), spec_.number("s-max"), spec_.number("s-noise")};
        at::Tensor x = walk.start();
        for (int i = 0; i < walk.steps(); ++i) {
            const LocatedLevel from = churn.apply(x, walk, noise, i);
            step(x, walk, clock, from, i, walk.level(i + 1));
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return spec_.number("s-churn") > 0; }
    SamplerNeeds needs() const override { return {.least_levels = fitted_ ? 2 : 1}; }
    void check_schedule(const Schedule& schedule, const std::string& where) const override {
        clock_of(schedule, where);
    }

  private:
    Clock clock_of(const Schedule& schedule, const std::string& where) const {
        Clock clock{law_, scaled_, {}};
        if (law_ != TimeLaw::vp) return clock;
        if (!fitted_) {
            clock.vp = {spec_.number("beta-d"), spec_.number("beta-min")};
            return clock;
        }
        const std::vector<double>& levels = schedule.effective;
        const size_t last = levels.back() > 0 ? levels.size() - 1 : levels.size() - 2;
        if (last == 0)
            throw Error(
                "option",
                "schedule=vp of edm-ablation fits its two betas to two levels, but one step to 0 has one",
                where, "take more steps, or give beta-d and beta-min");
        clock.vp = VpTime::fitted(levels[last], levels[0], spec_.number("eps"),
                                  where + ", edm-ablation:schedule=vp on " + schedule.spec);
        return clock;
    }

    /// x from `from` (level > 0) to level b, which is knot i + 1. Every stage is linear in y = s x and the
    /// outputs.
    void step(at::Tensor& x, const KnotWalk& walk, const Clock& clock, const LocatedLevel& from, int i,
              double b) const {
        const double hat = from.level, t = clock.time(hat), h = clock.time(b) - t;
        const double s = clock.scale(hat), end = clock.scale(b);
        const Clock::Derivative first = clock.derivative(t, hat);
        const at::Tensor denoised = walk.output(x, from).x0;
        if (!heun_ || b == 0) {
            x.mul_((1 + h * first.of_y) * s / end).add_(denoised, h * first.of_denoised / end);
            return;
        }
        LocatedLevel middle = walk.knot(i + 1);
        double alpha = 1;
        if (alpha_ != 1) {
            middle = walk.locate(clock.sigma(t + alpha_ * h));
            alpha = (clock.time(middle.level) - t) / h;
            if (!(alpha > 0))
                throw Error("option",
                            "alpha=" + format_number(alpha_) +
                                " of edm-ablation is too small: no level of the table "
                                "lies between " +
                                format_number(hat) + " and " + format_number(b),
                            walk.schedule(), "take a larger alpha");
        }
        const double level = middle.level, inner_s = clock.scale(level);
        const at::Tensor inner = at::mul(x, (1 + alpha * h * first.of_y) * s / inner_s)
                                     .add_(denoised, alpha * h * first.of_denoised / inner_s);
        const Clock::Derivative second = clock.derivative(clock.time(level), level);
        const at::Tensor inner_denoised = walk.output(inner, middle).x0;
        const double share = h * 0.5 / alpha, rest = h - share;
        x.mul_((1 + rest * first.of_y) * s / end).add_(denoised, rest * first.of_denoised / end);
        x.add_(inner, share * second.of_y * inner_s / end)
            .add_(inner_denoised, share * second.of_denoised / end);
    }

    Spec spec_;
    bool heun_;
    TimeLaw law_;
    bool scaled_, fitted_;
    double alpha_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    for (const char* key : {"s-churn", "s-min", "s-max", "s-noise"})
        if (!(spec.number(key) >= 0))
            throw Error("spec", std::string("key \"") + key + "\" of edm-ablation must not be negative",
                        where);
    const double alpha = spec.number("alpha"), eps = spec.number("eps");
    if (!(alpha > 0 && alpha <= 1))
        throw Error("spec", "key \"alpha\" of edm-ablation must lie in (0, 1], not " + format_number(alpha),
                    where);
    if (!(eps > 0 && eps < 1))
        throw Error("spec", "key \"eps\" of edm-ablation must lie between 0 and 1, not " + format_number(eps),
                    where);
    const bool vp = spec.text("schedule") == "vp";
    if (spec.is_auto("beta-d") != spec.is_auto("beta-min"))
        throw Error("spec", "edm-ablation needs both beta-d and beta-min, or neither", where);
    if (!spec.is_auto("beta-d")) {
        if (!vp) throw Error("spec", "beta-d and beta-min belong to schedule=vp of edm-ablation", where);
        const double d = spec.number("beta-d"), min = spec.number("beta-min");
        if (!(d > 0 && std::isfinite(d) && min >= 0 && std::isfinite(min)))
            throw Error("spec", "edm-ablation needs beta-d above 0 and beta-min from 0", where);
    }
    return std::make_unique<EdmAblation>(spec);
}

int order(const Spec& spec) {
    return spec.text("solver") == "heun" ? 2 : 1;
}

}  // namespace

SamplerFamily edm_ablation() {
    constexpr auto number = SpecParam::Type::number;
    constexpr auto choice = SpecParam::Type::choice;
    return {
        {"edm-ablation",
         "Euler or a second-order method in the time and scaling of VP, VE or EDM, with optional churn",
         "Karras et al. 2022, alg. 3 and table 1",
         {{"solver", choice, "heun", "order of the steps; the step to level 0 is Euler", {"euler", "heun"}},
          {"schedule",
           choice,
           "linear",
           "sigma as a function of the time of the ODE",
           {"vp", "ve", "linear"}},
          {"scaling", choice, "none", "scale of the variable: none, or 1/sqrt(1 + sigma^2)", {"none", "vp"}},
          {"alpha", number, "1",
           "place of the second evaluation, (0, 1]: 1 Heun, 0.5 midpoint (solver=heun)"},
          {"s-churn", number, "0", "total churn; 0 is the deterministic sampler"},
          {"s-min", number, "0", "lowest level with churn"},
          {"s-max", number, "inf", "highest level with churn"},
          {"s-noise", number, "1", "factor of the standard deviation of added noise"},
          {"beta-d", number, "auto", "of schedule=vp; auto: fitted to the first and the last positive level"},
          {"beta-min", number, "auto", "of schedule=vp; auto: fitted with beta-d"},
          {"eps", number, "0.001", "time of the last positive level in that fit, in (0, 1)"}}},
        "1 (euler) or 2 (heun), but 1 on a step to level 0",
        order,
        make};
}

}  // namespace schedbench::sampler_list
