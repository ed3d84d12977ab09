// Schedules that are uniform in a function of sigma or of a continuous time.
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "schedules/schedule_family.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

double positive(const FamilyContext& context, const char* key) {
    const double value = context.spec.number(key);
    if (!(value > 0) || !std::isfinite(value))
        throw Error("number", std::string(key) + " must be positive, not " + format_number(value),
                    context.where);
    return value;
}

double mix(double first, double last, double u) {
    return (1 - u) * first + u * last;
}

/// Karras et al. 2022, eq. 5.
double edm(const FamilyContext& c, double u) {
    const double rho = positive(c, "rho");
    const double first = std::pow(c.sigma_max, 1 / rho), last = std::pow(c.sigma_min, 1 / rho);
    return std::pow(first + u * (last - first), rho);
}

double log_linear(const FamilyContext& c, double u) {
    return std::exp(mix(std::log(c.sigma_max), std::log(c.sigma_min), u));
}

double polyexponential(const FamilyContext& c, double u) {
    return c.sigma_min * std::exp(std::pow(1 - u, positive(c, "rho")) * std::log(c.sigma_max / c.sigma_min));
}

/// Optimal in KL for Euler steps on data N(0, c^2 I): Sabour et al. 2024, theorem 3.1.
double arctan(const FamilyContext& c, double u) {
    const double scale = positive(c, "c");
    return scale * std::tan(mix(std::atan(c.sigma_max / scale), std::atan(c.sigma_min / scale), u));
}

/// VP time with beta(t) = beta_min + beta_d t: sigma^2 = exp(beta_d t^2 / 2 + beta_min t) - 1 (Song et al.
/// 2021, eq. 33).
struct VpTime {
    double beta_d = 0, beta_min = 0;

    /// Betas "auto" are chosen so that sigma(1) = sigma_max and sigma(eps) = sigma_min (Karras et al. 2022,
    /// table 1).
    explicit VpTime(const FamilyContext& c) {
        const double eps = positive(c, "eps");
        const double top = std::log1p(c.sigma_max * c.sigma_max),
                     bottom = std::log1p(c.sigma_min * c.sigma_min);
        if (!(eps < 1)) throw Error("number", "eps must be below 1, not " + format_number(eps), c.where);
        if (c.spec.is_auto("beta-d") != c.spec.is_auto("beta-min"))
            throw Error("spec", "beta-d and beta-min must be given together", c.where,
                        "or leave both at auto");
        const bool fit = c.spec.is_auto("beta-d");
        beta_d = fit ? 2 * (bottom / eps - top) / (eps - 1) : c.spec.number("beta-d");
        beta_min = fit ? top - beta_d / 2 : c.spec.number("beta-min");
        if (!(beta_d > 0))
            throw Error("number", "beta-d is " + format_number(beta_d) + ", but must be positive", c.where,
                        "for this range of sigma choose a larger eps");
    }
    double sigma(double t) const { return std::sqrt(std::expm1((beta_d * t / 2 + beta_min) * t)); }
    double time(double sigma) const {
        // The root of beta_d t^2 / 2 + beta_min t = w, in the form that does not cancel for the sign of
        // beta_min.
        const double w = std::log1p(sigma * sigma);
        const double root = std::sqrt(beta_min * beta_min + 2 * beta_d * w);
        return beta_min > 0 ? 2 * w / (root + beta_min) : (root - beta_min) / beta_d;
    }
};

double vp_power(const FamilyContext& c, double u, double rho) {
    const VpTime vp(c);
    const double first = std::pow(vp.time(c.sigma_max), 1 / rho),
                 last = std::pow(vp.time(c.sigma_min), 1 / rho);
    return vp.sigma(std::pow(first + u * (last - first), rho));
}
double uniform_t(const FamilyContext& c, double u) {
    return vp_power(c, u, 1);
}
double quadratic_t(const FamilyContext& c, double u) {
    return vp_power(c, u, 2);
}
double shifted_quadratic_t(const FamilyContext& c, double u) {
    const VpTime vp(c);
    const double first = vp.time(c.sigma_max), last = vp.time(c.sigma_min);
    return vp.sigma(last + (first - last) * (1 - u) * (1 - u));
}

/// Nichol and Dhariwal 2021, eq. 17, continuous: abar = cos^2 th / cos^2 th0, th = (t + s)/(1 + s) pi/2,
/// uniform in t.
double cosine(const FamilyContext& c, double u) {
    const double s = positive(c, "s");
    const double origin = s / (1 + s) * std::numbers::pi / 2;
    // cos^2 th = cos^2 th0 / (1 + sigma^2), solved for th through the tangent, which is well conditioned
    // everywhere.
    auto angle = [&](double sigma) {
        return std::atan(std::hypot(sigma, std::sin(origin)) / std::cos(origin));
    };
    const double th = mix(angle(c.sigma_max), angle(c.sigma_min), u);
    return std::sqrt(std::sin(th - origin) * std::sin(th + origin)) / std::cos(th);
}

const std::vector<SpecParam> kVpParams = {
    {"eps", Type::number, "0.001", "smallest time of the fit, t in [eps, 1]"},
    {"beta-d", Type::number, "auto",
     "slope of beta(t); auto = fitted to the range of sigma (published VP: 19.9)"},
    {"beta-min", Type::number, "auto", "beta(0); auto = fitted to the range of sigma (published VP: 0.1)"}};

}  // namespace

const std::vector<ScheduleFamily>& sigma_families() {
    static const std::vector<ScheduleFamily> list = {
        {sigma_entry({"edm",
                      "uniform in sigma^(1/rho)",
                      "Karras et al. 2022, eq. 5",
                      {{"rho", Type::number, "7", "exponent; 1 is uniform in sigma"}},
                      {"karras"}}),
         "sigma^(1/rho)", edm},
        {sigma_entry({"log-linear",
                      "uniform in ln sigma (geometric)",
                      "Song and Ermon 2019, section 4.1",
                      {},
                      {"exponential"}}),
         "ln sigma", log_linear},
        {sigma_entry({"polyexponential",
                      "ln sigma falls as the power (1-u)^rho",
                      "k-diffusion",
                      {{"rho", Type::number, "1", "exponent; 1 is log-linear"}}}),
         "(ln sigma)^(1/rho)", polyexponential},
        {sigma_entry({"arctan",
                      "uniform in atan(sigma/c); c=1 is the cosine law without its offset",
                      "Sabour et al. 2024 (AYS), theorem 3.1",
                      {{"c", Type::number, "0.5", "standard deviation of the data"}}}),
         "atan(sigma/c)", arctan},
        {sigma_entry({"uniform-t", "uniform in the time of a VP process, refitted to the range of sigma",
                      "Song et al. 2021, eq. 33; Karras et al. 2022, table 1", kVpParams}),
         "t (VP)", uniform_t},
        {sigma_entry({"quadratic-t",
                      "uniform in the square root of the time of a VP process, refitted to the range",
                      "Lu et al. 2022 (DPM-Solver), appendix D.4", kVpParams}),
         "sqrt t (VP)", quadratic_t},
        {sigma_entry({"shifted-quadratic-t",
                      "uniform in the square root of t - t_min; not the same as quadratic-t",
                      "Tong et al. 2024 (LD3)", kVpParams}),
         "sqrt (t - t_min) (VP)", shifted_quadratic_t},
        {sigma_entry({"cosine",
                      "uniform in the time of the cosine law, normalised by abar(0)",
                      "Nichol and Dhariwal 2021, eq. 17",
                      {{"s", Type::number, "0.008", "offset of the angle at the data"}}}),
         "t (cosine)", cosine},
    };
    return list;
}

}  // namespace schedbench
