#include "likelihood/ode_likelihood.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/noise.h"
#include "likelihood/jacobian_trace.h"

namespace schedbench {

namespace {

constexpr int64_t kExactDimensions = 16;
constexpr int kFewestProbes = 5;
constexpr uint32_t kDrawsPerTrajectory = 65536;

struct Range {
    double low, high;
};

Range range_of(const OdeLikelihoodOptions& options, const NoiseProcess& process) {
    const Range own{process.sigma_min(), process.sigma_max()};
    const Range out{options.sigma_min == 0 ? own.low : options.sigma_min,
                    options.sigma_max == 0 ? own.high : options.sigma_max};
    if (!(out.low >= own.low && out.low < out.high && out.high <= own.high))
        throw Error("number",
                    "the levels " + format_number(out.low) + " to " + format_number(out.high) +
                        " do not lie in order within the model's " + format_number(own.low) + " to " +
                        format_number(own.high),
                    "--sigma-min, --sigma-max");
    return out;
}

double second_moment_of(const LatentPrior& prior, const NoiseProcess& process) {
    if (prior.second_moment >= 0) return prior.second_moment;
    return process.discrete() ? 1 : 0;
}

/// [B] nats.
at::Tensor log_prior(const Denoiser& denoiser, const at::Tensor& x, double sigma_max,
                     const LatentPrior& prior) {
    if (prior.exact) {
        const auto* target = dynamic_cast<const ExactTarget*>(&denoiser);
        if (!target)
            throw Error("option", "only an exact model knows its own density, not " + denoiser.spec(),
                        "--prior", "use auto, or a second moment >= 0");
        return target->log_density(x, at::full({x.size(0)}, sigma_max, at::kDouble));
    }
    const double variance = sigma_max * sigma_max + second_moment_of(prior, denoiser.process());
    const at::Tensor flat = x.flatten(1);
    return -0.5 * (flat.square().sum(1) / variance +
                   static_cast<double>(flat.size(1)) * std::log(2 * std::numbers::pi * variance));
}

std::string describe(const LatentPrior& prior, const NoiseProcess& process) {
    return prior.exact ? "exact density of the target at sigma_max"
                       : "N(0, (sigma_max^2 + " + format_number(second_moment_of(prior, process)) + ") I)";
}

bool use_exact(DivergenceRule rule, int64_t dims) {
    return rule == DivergenceRule::exact || (rule == DivergenceRule::automatic && dims <= kExactDimensions);
}

void check(const OdeLikelihoodOptions& options, const ProbeSource& source, int64_t first, int64_t count) {
    for (const auto& [value, name] :
         {std::pair{options.control.rtol, "--rtol"}, {options.control.atol, "--atol"}})
        if (!(value >= 1e-14 && value < 1))
            throw Error("number", "must be at least 1e-14 and below 1, not " + format_number(value), name);
    if (options.probes < kFewestProbes || options.probes >= static_cast<int>(kDrawsPerTrajectory) - 1)
        throw Error("number",
                    "must be from " + std::to_string(kFewestProbes) + " to 65534, not " +
                        std::to_string(options.probes),
                    "--probes", "fewer tell nothing of their own error; --divergence exact needs none");
    if (options.dequantisations < 1 || options.dequantisations >= static_cast<int>(kDrawsPerTrajectory))
        throw Error("number", "must be from 1 to 65535, not " + std::to_string(options.dequantisations),
                    "--dequantisations");
    if (options.rule == Dequantisation::none && options.dequantisations != 1)
        throw Error("option", "must be 1 where nothing is dequantised", "--dequantisations");
    if (options.rule != Dequantisation::none && !source.eight_bit())
        throw Error("option", "the data " + source.spec() + " are no bytes: there is nothing to dequantise",
                    "--dequantise", "use none");
    if (options.batch < 1) throw Error("number", "must be at least 1", "--batch");
    if (first < 0 || count < 1 || first > source.count() - count)
        throw Error("option",
                    "asks for images " + std::to_string(first) + " to " + std::to_string(first + count - 1) +
                        " of data with " + std::to_string(source.count()),
                    "--images");
}

/// The points of trajectories (image id, dequantisation k).
struct Block {
    std::vector<int64_t> ids;
    std::vector<uint32_t> repeats;
};

at::Tensor dequantised(const at::Tensor& images, const Block& block, const OdeLikelihoodOptions& options) {
    if (options.rule == Dequantisation::none) return images;
    const int64_t dims = images.numel() / images.size(0);
    std::vector<float> u(static_cast<size_t>(dims));
    at::Tensor out = images.clone();
    double* value = out.mutable_data_ptr<double>();
    for (size_t row = 0; row < block.ids.size(); ++row) {
        fill_uniforms({options.seed, NoisePurpose::probe}, static_cast<uint64_t>(block.ids[row]),
                      block.repeats[row] * kDrawsPerTrajectory, u);
        for (const float draw : u) {
            const double byte = std::round((*value + 1) * 127.5),
                         place = 1.0 - static_cast<double>(draw);  // [0, 1)
            *value++ = options.rule == Dequantisation::of256 ? (byte + place) / 128 - 1
                                                             : (byte + place - 0.5) / 127.5 - 1;
        }
    }
    return out;
}

at::Tensor probes_of(const Block& block, int64_t dims, const OdeLikelihoodOptions& options) {
    at::Tensor out = at::empty({static_cast<int64_t>(block.ids.size()), options.probes, dims}, at::kDouble);
    double* row = out.mutable_data_ptr<double>();
    for (size_t i = 0; i < block.ids.size(); ++i)
        for (int p = 0; p < options.probes; ++p, row += dims)
            fill_signs(options.seed, static_cast<uint64_t>(block.ids[i]),
                       block.repeats[i] * kDrawsPerTrajectory + 1 + static_cast<uint32_t>(p),
                       {row, static_cast<size_t>(dims)});
    return out;
}

}  // namespace

Dequantisation parse_dequantisation(const std::string& name, const std::string& where) {
    for (Dequantisation rule : {Dequantisation::none, Dequantisation::of256, Dequantisation::centred})
        if (name == dequantisation_name(rule)) return rule;
    throw Error("option", "\"" + name + "\" should be 256, centred or none", where);
}

std::string dequantisation_name(Dequantisation rule) {
    return rule == Dequantisation::none ? "none" : rule == Dequantisation::of256 ? "256" : "centred";
}

double dequantisation_offset(Dequantisation rule) {
    return rule == Dequantisation::none ? 0 : rule == Dequantisation::of256 ? 7 : std::log2(127.5);
}

DivergenceRule parse_divergence(const std::string& name, const std::string& where) {
    if (name == "auto") return DivergenceRule::automatic;
    if (name == "exact") return DivergenceRule::exact;
    if (name == "hutchinson") return DivergenceRule::hutchinson;
    throw Error("option", "\"" + name + "\" should be auto, exact or hutchinson", where);
}

OdeTrajectories integrate_flow(const Denoiser& denoiser, const at::Tensor& x, const at::Tensor& labels,
                               const at::Tensor& probes, const OdeLikelihoodOptions& options) {
    check_differentiable(denoiser);
    const NoiseProcess& process = denoiser.process();
    const Range range = range_of(options, process);
    const int64_t count = x.size(0), dims = x.numel() / count,
                  columns = probes.defined() ? probes.size(1) : 1;
    const auto d = static_cast<double>(dims);
    const auto scale_at = [](double sigma) { return std::hypot(1.0, sigma); };
    OdeTrajectories out;
    out.evaluations.assign(static_cast<size_t>(count), 0);
    const RowSlope slope = [&](const at::Tensor& rows, const at::Tensor& u, const at::Tensor& state) {
        const at::Tensor levels = at::exp(u).clamp(range.low, range.high);  // may be an ulp outside
        at::Tensor times = at::empty_like(u);
        const double* level = levels.const_data_ptr<double>();
        const int64_t* row = rows.const_data_ptr<int64_t>();
        for (int64_t i = 0; i < u.size(0); ++i) {
            times.mutable_data_ptr<double>()[i] = process.locate(level[i], TimeRule::fractional).model_time;
            ++out.evaluations[static_cast<size_t>(row[i])];
        }
        const at::Tensor s = at::sqrt(1 + levels * levels).unsqueeze(1), z = state.narrow(1, 0, dims);
        std::vector<int64_t> sizes = x.sizes().vec();
        sizes[0] = rows.size(0);
        const TracedDenoising model =
            denoise_with_trace(denoiser, (z * s).reshape(sizes), levels, times,
                               labels.defined() ? labels.index_select(0, rows) : labels,
                               probes.defined() ? probes.index_select(0, rows) : probes);
        out.products += model.products;
        const at::Tensor inverse = 1 / (s * s);
        return at::cat({z * inverse - model.x0.flatten(1).to(at::kDouble) / s, inverse - model.trace / d}, 1);
    };
    const double first = scale_at(range.low), last = scale_at(range.high);
    const at::Tensor start =
        at::cat({x.to(at::kDouble).flatten(1) / first, at::zeros({count, columns}, at::kDouble)}, 1);
    const at::Tensor end =
        integrate_rows(slope, start, columns, std::log(range.low), std::log(range.high), options.control);
    out.latent = (end.narrow(1, 0, dims) * last).reshape(x.sizes());
    out.divergence = d * (end.narrow(1, dims, columns) + std::log(last / first));
    out.log_prior = log_prior(denoiser, out.latent, range.high, options.prior);
    out.log_density = out.log_prior.unsqueeze(1) + out.divergence;
    return out;
}

OdeLikelihood measure_ode_likelihood(const std::shared_ptr<const Denoiser>& denoiser,
                                     const ProbeSource& source, int64_t first, int64_t count,
                                     const OdeLikelihoodOptions& options,
                                     const std::function<void(int64_t)>& progress) {
    check(options, source, first, count);
    check_probes(source, *denoiser);
    const NoiseProcess& process = denoiser->process();
    const Range range = range_of(options, process);
    int64_t dims = 1;
    for (int64_t side : denoiser->shape()) dims *= side;
    OdeLikelihood out;
    out.exact_divergence = use_exact(options.divergence, dims);
    out.probes = out.exact_divergence ? 0 : options.probes;
    out.offset = dequantisation_offset(options.rule);
    out.sigma_min = range.low, out.sigma_max = range.high;
    out.prior = describe(options.prior, process);
    const double bits = 1 / (static_cast<double>(dims) * std::numbers::ln2),
                 repeats = options.dequantisations;
    for (int64_t i = 0; i < count; ++i) out.images.push_back({.id = first + i});

    const CountingDenoiser counted(denoiser);
    const int64_t trajectories = count * options.dequantisations;
    for (int64_t begin = 0; begin < trajectories; begin += options.batch) {
        Block block;
        for (int64_t j = begin; j < std::min(begin + options.batch, trajectories); ++j) {
            block.ids.push_back(first + j / options.dequantisations);
            block.repeats.push_back(static_cast<uint32_t>(j % options.dequantisations));
        }
        const at::Tensor x = dequantised(source.images(block.ids).contiguous(), block, options);
        OdeLikelihoodOptions plain = options;
        plain.prior.exact = false;
        const OdeTrajectories flow =
            integrate_flow(counted, x, probe_labels(source, *denoiser, block.ids),
                           out.exact_divergence ? at::Tensor() : probes_of(block, dims, options), plain);
        const at::Tensor prior = log_prior(*denoiser, flow.latent, range.high, options.prior);
        out.products += flow.products;
        for (size_t row = 0; row < block.ids.size(); ++row) {
            const auto r = static_cast<int64_t>(row);
            OdeImage& image = out.images[static_cast<size_t>(block.ids[row] - first)];
            RunningMean over_probes;
            for (int64_t p = 0; p < flow.divergence.size(1); ++p)
                over_probes.add(prior[r].item<double>() + flow.divergence[r][p].item<double>());
            image.log_density += over_probes.mean / repeats;
            image.evaluations += flow.evaluations[row];
            // Sums of variances until all trajectories are in.
            if (!out.exact_divergence)
                image.probe_se += std::pow(bits * over_probes.standard_error() / repeats, 2);
        }
        if (progress) progress(std::min(begin + options.batch, trajectories) / options.dequantisations);
    }
    RunningMean over_images;
    double probe_variance = 0;
    for (OdeImage& image : out.images) {
        image.bits_per_dim = out.offset - bits * image.log_density;
        probe_variance += image.probe_se;
        image.probe_se = std::sqrt(image.probe_se);
        over_images.add(image.bits_per_dim);
    }
    out.probe_se = std::sqrt(probe_variance) / static_cast<double>(count);
    out.calls = counted.calls();
    out.seconds = counted.seconds();
    out.bits_per_dim = {
        .name = "bits_per_dim_ode",
        .value = over_images.mean,
        .se = over_images.standard_error(),
        .n = count,
        .estimand = options.rule == Dequantisation::none
                        ? "differential bits/dim of the probability flow at sigma_min"
                        : "bits/dim of the probability flow at sigma_min, bound by uniform dequantisation",
        .method = "spread over images, which holds that of probes and dequantisation"};
    if (count < 2) out.bits_per_dim.warning = "one image has no spread";
    return out;
}

}  // namespace schedbench
