#include "models/edm_precond.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <vector>

#include "core/error.h"

namespace schedbench {

namespace {

using Kind = EdmPrecond::Kind;

struct KindName {
    Kind kind;
    const char *class_name, *name;
};
constexpr KindName kNames[] = {{Kind::edm, "EDMPrecond", "edm"},
                               {Kind::vp, "VPPrecond", "vp"},
                               {Kind::ve, "VEPrecond", "ve"},
                               {Kind::iddpm, "iDDPMPrecond", "iddpm"}};

double number_of(const nlohmann::json& value) {
    if (!value.is_string()) return value.get<double>();
    const auto number = parse_number(value.get<std::string>());  // JSON has no infinity
    return number ? *number : value.get<double>();               // the latter throws the type error
}

/// Level of vp at time t, in float32.
double vp_sigma(const EdmPrecond::Config& c, double t) {
    const at::Tensor time = at::full({}, t, at::kFloat);
    return ((0.5 * c.beta_d * time.square() + c.beta_min * time).exp() - 1).sqrt().item<double>();
}

/// One ulp in the sine moves the lowest levels by 1e-3 of themselves, so the operations are the library's
/// own, one at a time and in the order of the reference.
at::Tensor iddpm_table(const EdmPrecond::Config& c) {
    const at::Tensor alpha_bar = (at::arange(c.steps + 1, at::kFloat) * (0.5 * std::numbers::pi) /
                                  static_cast<double>(c.steps) / (c.c_2 + 1))
                                     .sin()
                                     .square();
    const at::Tensor ratios = (alpha_bar.slice(0, 0, -1) / alpha_bar.slice(0, 1)).clamp_min(c.c_1);
    std::vector<at::Tensor> u(static_cast<size_t>(c.steps) + 1, at::zeros({}, at::kFloat));
    for (int64_t j = c.steps; j > 0; --j)
        u[static_cast<size_t>(j - 1)] = ((u[static_cast<size_t>(j)].square() + 1) / ratios[j - 1] - 1).sqrt();
    return at::stack(u);
}

}  // namespace

EdmPrecond::Kind precond_of_class(const std::string& name, const std::string& where) {
    for (const KindName& entry : kNames)
        if (name == entry.class_name) return entry.kind;
    throw Error("file", "network config has class \"" + name + "\", which is not known here", where,
                "known: EDMPrecond, VPPrecond, VEPrecond, iDDPMPrecond");
}

std::string precond_name(EdmPrecond::Kind kind) {
    return kNames[static_cast<size_t>(kind)].name;
}

EdmPrecond::Config EdmPrecond::Config::defaults(Kind kind) {
    Config c;
    c.kind = kind;
    c.sigma_min = kind == Kind::ve ? 0.02 : 0;
    c.sigma_max = kind == Kind::ve ? 100 : std::numeric_limits<double>::infinity();
    return c;
}

bool EdmPrecond::Config::set(const std::string& key, const nlohmann::json& value, const std::string& where) {
    const bool ranged = kind == Kind::edm || kind == Kind::ve;
    double* target = nullptr;
    if (ranged && key == "sigma_min") target = &sigma_min;
    if (ranged && key == "sigma_max") target = &sigma_max;
    if (kind == Kind::edm && key == "sigma_data") target = &sigma_data;
    if (kind == Kind::vp && key == "beta_d") target = &beta_d;
    if (kind == Kind::vp && key == "beta_min") target = &beta_min;
    if (kind == Kind::vp && key == "epsilon_t") target = &epsilon_t;
    if (kind == Kind::iddpm && key == "C_1") target = &c_1;
    if (kind == Kind::iddpm && key == "C_2") target = &c_2;
    const bool is_steps = !ranged && key == "M";
    if (!target && !is_steps) return false;
    try {
        if (target)
            *target = number_of(value);
        else
            steps = value.get<int64_t>();
    } catch (const nlohmann::json::exception& e) {
        throw Error("file", "network config has a value of the wrong type: " + std::string(e.what()), where,
                    "see " + key);
    }
    return true;
}

EdmPrecond::EdmPrecond(const Config& config, const std::string& where) : config_(config) {
    const Config& c = config_;
    const bool possible = c.sigma_min >= 0 && c.sigma_max > c.sigma_min && c.sigma_data > 0 &&
                          std::isfinite(c.sigma_data) && c.beta_d > 0 && c.beta_min > 0 && c.epsilon_t > 0 &&
                          c.epsilon_t < 1 && c.c_1 > 0 && c.c_1 < 1 && c.c_2 >= 0 && std::isfinite(c.c_2) &&
                          c.steps >= 1 && c.steps <= 100'000;
    if (!possible)
        throw Error("file",
                    "network config has an impossible argument of its wrapper " + precond_name(c.kind), where,
                    "see sigma_min, sigma_max, sigma_data, beta_d, beta_min, epsilon_t, C_1, C_2 and M");
    sigma_min_ = c.sigma_min, sigma_max_ = c.sigma_max;
    if (c.kind == Kind::vp) {
        sigma_min_ = vp_sigma(c, c.epsilon_t);
        sigma_max_ = vp_sigma(c, 1);
        if (!(sigma_min_ > 0 && sigma_max_ > sigma_min_ && std::isfinite(sigma_max_)))
            throw Error("file",
                        "network config has beta_d, beta_min and epsilon_t that give no range of levels",
                        where);
    }
    if (c.kind == Kind::iddpm) set_table(iddpm_table(c), where);
}

void EdmPrecond::set_table(const at::Tensor& table, const std::string& where) {
    SCHEDBENCH_ASSERT(config_.kind == Kind::iddpm && table.dim() == 1 && table.size(0) == config_.steps + 1);
    table_ = table.to(at::kFloat).contiguous();
    const at::Tensor steps = table_.slice(0, 0, -1) - table_.slice(0, 1);
    if (table_[-1].item<float>() != 0 || !(steps > 0).all().item<bool>() ||
        !at::isfinite(table_).all().item<bool>())
        throw Error("file", "the table u of noise levels does not fall to 0", where);
    sigma_min_ = table_[-2].item<double>();
    sigma_max_ = table_[0].item<double>();
}

EdmCoefficients EdmPrecond::coefficients(const at::Tensor& sigma) const {
    const Config& c = config_;
    const at::Tensor one = at::ones_like(sigma);
    switch (c.kind) {
        case Kind::edm: {
            const double data = c.sigma_data;
            const at::Tensor total = sigma.square() + data * data;
            return {data * data / total, sigma * data / total.sqrt(), total.sqrt().reciprocal(),
                    sigma.log() / 4};
        }
        case Kind::vp: {
            // t(sigma), the inverse of sigma(t).
            const at::Tensor root =
                (2 * c.beta_d * (1 + sigma.square()).log() + c.beta_min * c.beta_min).sqrt();
            const at::Tensor time = (root - c.beta_min) / c.beta_d;
            return {one, -sigma, (sigma.square() + 1).sqrt().reciprocal(),
                    time * static_cast<double>(c.steps - 1)};
        }
        case Kind::ve:
            return {one, sigma, one, (0.5 * sigma).log()};
        case Kind::iddpm:
            return {one, -sigma, (sigma.square() + 1).sqrt().reciprocal(),
                    (c.steps - 1 - round_index(sigma)).to(sigma.scalar_type())};
    }
    SCHEDBENCH_ASSERT(false);
    return {};
}

at::Tensor EdmPrecond::round_index(const at::Tensor& sigma) const {
    SCHEDBENCH_ASSERT(config_.kind == Kind::iddpm);
    const at::Tensor levels = sigma.detach().to(at::kFloat).reshape({-1, 1});
    return (levels - table_.unsqueeze(0)).abs().argmin(1).reshape(sigma.sizes());
}

at::Tensor EdmPrecond::round_sigma(const at::Tensor& sigma) const {
    return config_.kind == Kind::iddpm ? table_.to(sigma.scalar_type()).index({round_index(sigma)}) : sigma;
}

Spec EdmPrecond::process() const {
    Spec spec;
    if (config_.kind != Kind::iddpm) {
        const bool edm = config_.kind == Kind::edm;
        spec.name = "continuous";
        spec.set("sigma-min", SpecValue::of_number(edm ? std::max(0.002, sigma_min_) : sigma_min_));
        spec.set("sigma-max", SpecValue::of_number(edm ? std::min(80.0, sigma_max_) : sigma_max_));
        return spec;
    }
    // beta_t = 1 - abar_t/abar_{t-1} with abar = 1/(1 + u^2).
    spec.name = "betas";
    std::vector<SpecValue> betas;
    for (int64_t j = config_.steps; j > 0; --j) {
        const double below = table_[j].item<double>(), above = table_[j - 1].item<double>();
        betas.push_back(SpecValue::of_number((above - below) * (above + below) / (1 + above * above)));
    }
    spec.set("values", SpecValue::of_list(std::move(betas)));
    return spec;
}

}  // namespace schedbench
