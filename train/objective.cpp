#include "train/objective.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace schedbench {

Objective parse_objective(const std::string& name, const std::string& where) {
    for (Objective objective : {Objective::simple, Objective::hybrid, Objective::vlb, Objective::edm})
        if (objective_name(objective) == name) return objective;
    throw Error("option", "\"" + name + "\" is not an objective", where, "known: simple, hybrid, vlb, edm");
}

std::string objective_name(Objective objective) {
    switch (objective) {
        case Objective::simple:
            return "simple";
        case Objective::hybrid:
            return "hybrid";
        case Objective::vlb:
            return "vlb";
        case Objective::edm:
            return "edm";
    }
    return "";
}

void check_free_levels(Objective objective, const std::string& where) {
    if (objective == Objective::hybrid || objective == Objective::vlb)
        throw Error(
            "option",
            "the objective " + objective_name(objective) +
                " is made of terms between entries of the noise table, so its levels cannot be chosen",
            where, "use --objective simple or edm");
}

LossSecondMoment::LossSecondMoment(int64_t table_size)
    : losses(at::zeros({table_size, kHistory}, at::kDouble)), counts(at::zeros({table_size}, at::kLong)) {}

bool LossSecondMoment::warmed_up() const {
    return (counts >= kHistory).all().item<bool>();
}

std::vector<double> LossSecondMoment::probabilities() const {
    const int64_t size = counts.size(0);
    if (!warmed_up()) return std::vector<double>(static_cast<size_t>(size), 1.0 / static_cast<double>(size));
    at::Tensor weights = losses.square().mean(1).sqrt();
    weights = weights / weights.sum() * 0.999 + 0.001 / static_cast<double>(size);
    const double* data = weights.const_data_ptr<double>();
    return {data, data + size};
}

void LossSecondMoment::update(int64_t t, double loss) {
    // A ring: the oldest entry is replaced.
    const int64_t row = t - 1, slot = counts[row].item<int64_t>() % kHistory;
    losses[row][slot] = loss;
    counts[row] += 1;
}

namespace {

at::Tensor per_image_mean(const at::Tensor& value) {
    return value.flatten(1).mean(1);
}

/// Table lookups at indices t (1..T) as a [B,1,1,1] float32 tensor.
template <typename F>
at::Tensor table_column(const std::vector<int64_t>& t, at::Device device, F&& value_at) {
    at::Tensor out = at::empty({static_cast<int64_t>(t.size()), 1, 1, 1}, at::kFloat);
    float* data = out.mutable_data_ptr<float>();
    for (size_t i = 0; i < t.size(); ++i) data[i] = static_cast<float>(value_at(static_cast<int>(t[i])));
    return out.to(device);
}

at::Tensor tanh_cdf(const at::Tensor& z) {
    return 0.5 * (1 + at::tanh(std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
}

/// -log of the 8-bit discretised Gaussian (tanh form), as in Ho et al. 2020; for training only (float32).
at::Tensor decoder_nll(const at::Tensor& x0, const at::Tensor& mean, const at::Tensor& log_variance) {
    const at::Tensor inverse_sd = at::exp(-0.5 * log_variance), centred = x0 - mean;
    const at::Tensor upper = tanh_cdf(inverse_sd * (centred + 1.0 / 255)),
                     lower = tanh_cdf(inverse_sd * (centred - 1.0 / 255));
    const at::Tensor inside = at::log((upper - lower).clamp_min(1e-12));
    return -at::where(x0 < -0.999, at::log(upper.clamp_min(1e-12)),
                      at::where(x0 > 0.999, at::log((1 - lower).clamp_min(1e-12)), inside));
}

/// L_vlb term of each image at its t, bits/dim: KL of the two Gaussians for t > 1, the decoder for t = 1.
at::Tensor vlb_terms(const NoiseProcess& process, const std::vector<int64_t>& t, const at::Tensor& x0,
                     const at::Tensor& xt, const at::Tensor& x0hat, const at::Tensor& raw_variance) {
    // The posterior variance of t = 1 is 0; the next one takes its place (Ho et al. 2020, Nichol & Dhariwal
    // 2021).
    const auto column = [&](const auto& value_at) { return table_column(t, x0.device(), value_at); };
    const at::Tensor log_small = column(
        [&](int k) { return std::log(process.posterior_variance(std::max(k, 2) - 1, std::max(k, 2))); });
    const at::Tensor log_large = column([&](int k) { return std::log(process.beta(k - 1, k)); });
    const at::Tensor fraction = (raw_variance + 1) / 2;
    const at::Tensor log_model = fraction * log_large + (1 - fraction) * log_small;
    const at::Tensor a = column([&](int k) {
        return std::exp(0.5 * process.log_abar(k - 1)) * process.beta(k - 1, k) / process.one_minus_abar(k);
    });
    const at::Tensor b = column([&](int k) {
        return std::exp(0.5 * (process.log_abar(k) - process.log_abar(k - 1))) *
               process.one_minus_abar(k - 1) / process.one_minus_abar(k);
    });
    const at::Tensor mean_difference = a * (x0 - x0hat);
    const at::Tensor kl = 0.5 * (-1 + log_model - log_small + at::exp(log_small - log_model) +
                                 mean_difference.square() * at::exp(-log_model));
    const at::Tensor first = column([](int k) { return k == 1 ? 1.0 : 0.0; });
    const at::Tensor terms = at::where(first > 0.5, decoder_nll(x0, a * x0hat + b * xt, log_model), kl);
    return per_image_mean(terms) / std::numbers::ln2;
}

struct ChosenTimes {
    std::vector<int64_t> t;
    at::Tensor weight;  ///< [B] importance weights
};

ChosenTimes choose_times(const at::Tensor& uniform, const std::vector<double>& probabilities) {
    const auto table_size = static_cast<double>(probabilities.size());
    std::vector<double> cumulative(probabilities.size());
    double sum = 0;
    for (size_t i = 0; i < cumulative.size(); ++i) cumulative[i] = sum += probabilities[i];
    ChosenTimes out{{}, at::empty({uniform.size(0)}, at::kFloat)};
    const double* u = uniform.const_data_ptr<double>();
    for (int64_t i = 0; i < uniform.size(0); ++i) {
        const auto it = std::lower_bound(cumulative.begin(), cumulative.end(), u[i] * sum);
        const size_t index = std::min(static_cast<size_t>(it - cumulative.begin()), cumulative.size() - 1);
        out.t.push_back(static_cast<int64_t>(index) + 1);
        out.weight[i] = 1 / (table_size * probabilities[index]);
    }
    return out;
}

at::Tensor edm_loss(const TrainableNetwork& net, const Parameters& parameters, const TrainingBatch& batch,
                    double dropout, TrainingPass* pass) {
    const double data = net.sigma_data();
    const at::Tensor sigma =
        batch.sigma.defined() ? batch.sigma : at::exp(1.2 * batch.normal - 1.2);  // float64 [B]
    const at::Tensor weight = ((sigma.square() + data * data) / (sigma * data).square()).to(at::kFloat);
    const at::Device device = batch.x0.device();
    const at::Tensor x = batch.x0 + sigma.to(at::kFloat).reshape({-1, 1, 1, 1}).to(device) * batch.noise;
    const at::Tensor x0 =
        net.denoise(parameters, x, sigma.to(device), (at::log(sigma) / 4).to(device), batch.labels, dropout)
            .x0;
    if (pass) *pass = {x.detach(), x0.detach()};
    return (weight.to(device) * per_image_mean((x0 - batch.x0).square())).mean();
}

}  // namespace

at::Tensor objective_loss(Objective objective, const TrainableNetwork& net, const NoiseProcess& process,
                          const Parameters& parameters, const TrainingBatch& batch, LossSecondMoment& moments,
                          double dropout, TrainingPass* pass) {
    if (batch.sigma.defined()) check_free_levels(objective, "training schedule");
    if (objective == Objective::edm) return edm_loss(net, parameters, batch, dropout, pass);

    const auto table_size = static_cast<size_t>(process.table_size());
    const bool importance = objective == Objective::vlb;
    const ChosenTimes times = choose_times(
        batch.uniform, importance ? moments.probabilities()
                                  : std::vector<double>(table_size, 1.0 / static_cast<double>(table_size)));
    at::Tensor sigma = at::empty({batch.x0.size(0)}, at::kDouble), index = at::empty_like(sigma);
    for (size_t i = 0; i < times.t.size(); ++i) {
        const LocatedLevel level = process.at_index(static_cast<int>(times.t[i]));
        sigma.mutable_data_ptr<double>()[i] = level.level;
        index.mutable_data_ptr<double>()[i] = level.model_time;
    }
    if (batch.sigma.defined()) sigma = batch.sigma, index = batch.model_time;
    const at::Device device = batch.x0.device();
    sigma = sigma.to(device), index = index.to(device);
    const at::Tensor sigma_column = sigma.to(at::kFloat).reshape({-1, 1, 1, 1});
    const at::Tensor x = batch.x0 + sigma_column * batch.noise;
    const DenoiserOutput out = net.denoise(parameters, x, sigma, index, batch.labels, dropout);
    if (pass) *pass = {x.detach(), out.x0.detach()};
    // eps_theta from x0hat: the wrapper's x0hat = x - sigma eps_theta is exact up to rounding.
    const at::Tensor simple = per_image_mean(((x - out.x0) / sigma_column - batch.noise).square());
    if (objective == Objective::simple) return simple.mean();

    const at::Tensor xt = x * (sigma_column.square() + 1).rsqrt();
    if (objective == Objective::hybrid) {
        const at::Tensor vlb = vlb_terms(process, times.t, batch.x0, xt, out.x0.detach(), out.variance);
        return (simple + 0.001 * static_cast<double>(table_size) * vlb).mean();
    }
    const at::Tensor vlb =
        vlb_terms(process, times.t, batch.x0, xt, out.x0, out.variance) * static_cast<double>(table_size);
    const at::Tensor detached = vlb.detach().to(at::kCPU, at::kDouble).contiguous();
    for (size_t i = 0; i < times.t.size(); ++i)
        moments.update(times.t[i], detached.const_data_ptr<double>()[i]);
    return (vlb * times.weight.to(device)).mean();
}

}  // namespace schedbench
