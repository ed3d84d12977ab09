#include "schedules/noise_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "schedules/beta_tables.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

}  // namespace

const std::vector<SpecEntry>& NoiseProcess::entries() {
    static const SpecParam table_size{"T", Type::integer, "1000", "number of table entries"};
    static const std::vector<SpecEntry> list = {
        {"linear",
         "beta rises linearly, scaled by 1000/T",
         "Ho et al. 2020, section 4; scaling: Nichol and Dhariwal 2021",
         {table_size,
          {"beta-start", Type::number, "0.0001", "first beta before the scaling by 1000/T"},
          {"beta-end", Type::number, "0.02", "last beta before the scaling by 1000/T"}}},
        {"cosine",
         "abar falls as the square of a cosine",
         "Nichol and Dhariwal 2021, eq. 17",
         {table_size,
          {"s", Type::number, "0.008", "offset of the angle at the data"},
          {"max-beta", Type::number, "0.999", "cap on every beta"}}},
        {"scaled-linear",
         "the square root of beta rises linearly",
         "Rombach et al. 2022 (latent diffusion)",
         {table_size,
          {"beta-start", Type::number, "0.00085", "first beta"},
          {"beta-end", Type::number, "0.012", "last beta"}}},
        {"sigmoid",
         "beta rises as a sigmoid from -6 to 6",
         "Xu et al. 2022 (GeoDiff), code",
         {table_size,
          {"beta-start", Type::number, "0.0001", "beta far below the middle"},
          {"beta-end", Type::number, "0.02", "beta far above the middle"}}},
        {"exponential",
         "abar = exp(-12 t): the same beta throughout",
         "diffusers, betas_for_alpha_bar (exp)",
         {table_size}},
        {"laplace",
         "abar = sqrt(snr/(1 + snr)), the original's formula, of an snr whose logarithm is a Laplace "
         "quantile",
         "diffusers, betas_for_alpha_bar (laplace); after Hang and Gu 2024",
         {table_size}},
        {"betas",
         "an explicit table",
         "",
         {{"values", Type::numbers, "", "beta_1 .. beta_T, each in (0, 1)", {}, true}}},
        {"continuous",
         "every level of a range; the network is told ln(sigma)/4",
         "Karras et al. 2022",
         {{"sigma-min", Type::number, "0.002", "lowest level"},
          {"sigma-max", Type::number, "80", "highest level"}}},
    };
    return list;
}

NoiseProcess::NoiseProcess(const Spec& spec, const std::string& where)
    : spec_(complete(spec, find_entry(entries(), spec, "noise processes", where), where)) {
    if (spec_.name == "continuous") {
        sigma_min_ = spec_.number("sigma-min");
        sigma_max_ = spec_.number("sigma-max");
        if (!(sigma_min_ > 0 && sigma_min_ < sigma_max_ && std::isfinite(sigma_max_)))
            throw Error("number",
                        "expected 0 < sigma-min < sigma-max, not " + format_number(sigma_min_) + " and " +
                            format_number(sigma_max_),
                        where,
                        "give levels as noise-to-signal ratios, for example sigma-min=0.002,sigma-max=80");
        return;
    }
    const std::vector<double> betas = make_betas(spec_, where);
    if (betas.empty()) throw Error("number", "the noise table is empty", where, "give at least one beta");
    log_abar_.assign(betas.size() + 1, 0);
    sigma_.assign(betas.size() + 1, 0);
    for (size_t i = 0; i < betas.size(); ++i) {
        if (!(betas[i] > 0 && betas[i] < 1))
            throw Error("number",
                        "beta_" + std::to_string(i + 1) + " of " + spec_.name + " is " +
                            format_number(betas[i]) + ", outside (0, 1)",
                        where,
                        spec_.name == "linear" ? "the betas are scaled by 1000/T: take a larger T" : "");
        log_abar_[i + 1] = log_abar_[i] + std::log1p(-betas[i]);
        sigma_[i + 1] = std::sqrt(std::expm1(-log_abar_[i + 1]));
        if (!std::isfinite(sigma_[i + 1]) || !(sigma_[i + 1] > sigma_[i]))
            throw Error("number", "the level of entry " + std::to_string(i + 1) + " is out of range", where,
                        "the betas are too large or too small for double precision");
    }
    sigma_min_ = sigma_[1];
    sigma_max_ = sigma_.back();
}

int NoiseProcess::table_size() const {
    return discrete() ? static_cast<int>(log_abar_.size()) - 1 : 0;
}

double NoiseProcess::log_abar(int t) const {
    SCHEDBENCH_ASSERT(discrete() && t >= 0 && t <= table_size());
    return log_abar_[static_cast<size_t>(t)];
}

double NoiseProcess::abar(int t) const {
    return std::exp(log_abar(t));
}

double NoiseProcess::one_minus_abar(int t) const {
    return -std::expm1(log_abar(t));
}

double NoiseProcess::beta(int s, int t) const {
    SCHEDBENCH_ASSERT(s < t);
    return -std::expm1(log_abar(t) - log_abar(s));
}

double NoiseProcess::posterior_variance(int s, int t) const {
    return beta(s, t) * one_minus_abar(s) / one_minus_abar(t);
}

double NoiseProcess::snr(int t) const {
    return t == 0 ? std::numeric_limits<double>::infinity() : 1 / std::expm1(-log_abar(t));
}

double NoiseProcess::sigma(int t) const {
    SCHEDBENCH_ASSERT(discrete() && t >= 0 && t <= table_size());
    return sigma_[static_cast<size_t>(t)];
}

double NoiseProcess::sigma_min() const {
    return sigma_min_;
}
double NoiseProcess::sigma_max() const {
    return sigma_max_;
}

int NoiseProcess::nearest_index(double level) const {
    SCHEDBENCH_ASSERT(discrete());
    const auto above = std::lower_bound(sigma_.begin() + 1, sigma_.end(), level);
    const int t = static_cast<int>(above - sigma_.begin());
    if (t == 1) return 1;
    if (t > table_size()) return table_size();
    return level - sigma(t - 1) <= sigma(t) - level ? t - 1 : t;
}

double NoiseProcess::fractional_index(double level) const {
    SCHEDBENCH_ASSERT(discrete());
    const auto above = std::lower_bound(sigma_.begin() + 1, sigma_.end(), level);
    const int t = static_cast<int>(above - sigma_.begin());
    if (t == 1) return 1;
    if (t > table_size()) return table_size();
    return t - 1 + std::log(level / sigma(t - 1)) / std::log(sigma(t) / sigma(t - 1));
}

double NoiseProcess::level_at(double position) const {
    SCHEDBENCH_ASSERT(discrete() && position >= 1 && position <= table_size());
    const int below = std::min(static_cast<int>(position), table_size() - 1);
    const double share = position - below;
    if (table_size() == 1 || share == 0) return sigma(static_cast<int>(position));
    return std::exp((1 - share) * std::log(sigma(below)) + share * std::log(sigma(below + 1)));
}

LocatedLevel NoiseProcess::locate(double level, TimeRule rule) const {
    if (!(level >= 0) || !std::isfinite(level))
        throw Error("number", "a level must be finite and not negative, not " + format_number(level),
                    "noise process", "levels are noise-to-signal ratios sigma");
    if (level == 0) return {0, std::numeric_limits<double>::quiet_NaN(), 0};
    if (!discrete()) return {level, std::log(level) / 4, -1};
    if (rule == TimeRule::nearest) return at_index(nearest_index(level));
    const double position = fractional_index(level);
    const int entry = static_cast<int>(std::lround(position));
    return {level, position - 1, sigma(entry) == level ? entry : -1};
}

LocatedLevel NoiseProcess::at_index(int t) const {
    if (t == 0) return {0, std::numeric_limits<double>::quiet_NaN(), 0};
    return {sigma(t), static_cast<double>(t - 1), t};
}

}  // namespace schedbench
