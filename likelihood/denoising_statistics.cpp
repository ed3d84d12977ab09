#include "likelihood/denoising_statistics.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"

namespace schedbench {

namespace {

NoiseProcess chain_of(const std::vector<double>& betas) {
    std::vector<SpecValue> values;
    for (double beta : betas) values.push_back(SpecValue::of_number(beta));
    Spec spec;
    spec.name = "betas";
    spec.set("values", SpecValue::of_list(std::move(values)));
    return NoiseProcess(spec, "chain of denoising statistics");
}

std::vector<double> betas_of(const NoiseProcess& process) {
    std::vector<double> out;
    for (int t = 1; t <= process.table_size(); ++t) out.push_back(process.beta(t - 1, t));
    return out;
}

}  // namespace

NoiseProcess DenoisingStatistics::chain() const {
    return chain_of(betas);
}

double DenoisingStatistics::m2() const {
    return std::accumulate(second_moment.begin(), second_moment.end(), 0.0) /
           static_cast<double>(second_moment.size());
}

ElboChain DenoisingStatistics::elbo() const {
    if (images < 1) throw Error("run", "the denoising statistics hold no images yet", model);
    ElboStatistics out;
    out.error.assign(error.size(), 0);
    out.decoder.assign(error.size(), 0);
    out.gamma.assign(gamma.size(), 0);
    out.second_moment = m2();
    for (size_t t = 1; t < error.size(); ++t) {
        out.error[t] = error[t].mean;
        out.decoder[t] = decoder_nats[t].mean;
        if (!gamma.empty()) out.gamma[t] = gamma[t].mean;
    }
    return {chain(), std::move(out)};
}

nlohmann::json DenoisingStatistics::identity() const {
    return {{"model", model},      {"weights", weights}, {"data", data}, {"data_hash", data_hash},
            {"chain", chain_name}, {"betas", betas},     {"clip", clip}, {"decoder", decoder_name(decoder)},
            {"seed", seed}};
}

void DenoisingStatistics::append(const DenoisingStatistics& next) {
    if (identity() != next.identity())
        throw Error("run",
                    "statistics of different things cannot be joined: " + model + " on " + data + " and " +
                        next.model + " on " + next.data,
                    "denoising statistics",
                    "model, weights, data, chain, clipping, decoder and seed must agree");
    const bool both = (images == 0 || !gamma.empty()) && (next.images == 0 || !next.gamma.empty());
    if (!both) gamma.clear();
    for (size_t t = 1; t < gamma.size(); ++t) gamma[t].merge(next.gamma[t]);
    const bool kept = images == 0 || !image_error.empty();
    for (size_t t = 1; t < error.size(); ++t) {
        error[t].merge(next.error[t]);
        decoder_nats[t].merge(next.decoder_nats[t]);
    }
    second_moment.insert(second_moment.end(), next.second_moment.begin(), next.second_moment.end());
    if (kept && (next.images == 0 || !next.image_error.empty())) {
        image_error.insert(image_error.end(), next.image_error.begin(), next.image_error.end());
        image_decoder.insert(image_decoder.end(), next.image_decoder.begin(), next.image_decoder.end());
    } else {
        image_error.clear();
        image_decoder.clear();
    }
    images += next.images;
}

StatisticsChain statistics_chain(const NoiseProcess& model, int grid) {
    if (model.discrete()) return {model, model.spec().print()};
    if (grid < 2 || grid > 65535)
        throw Error("option", "grid must be from 2 to 65535, not " + std::to_string(grid), "grid");
    const double low = std::log(model.sigma_min()), high = std::log(model.sigma_max());
    std::vector<double> betas;
    double previous = 0;  // ln abar = -ln(1 + sigma^2)
    for (int t = 1; t <= grid; ++t) {
        const double log_sigma = low + (high - low) * (t - 1) / (grid - 1);
        const double log_abar = -std::log1p(std::exp(2 * log_sigma));
        betas.push_back(-std::expm1(log_abar - previous));
        previous = log_abar;
    }
    return {chain_of(betas),
            "grid of " + std::to_string(grid) + " levels uniform in ln sigma over " + model.spec().print()};
}

DenoisingTerms denoising_terms(const Denoiser& denoiser, const NoiseProcess& chain, int t,
                               const at::Tensor& x0, const at::Tensor& x, const at::Tensor& labels,
                               const StatisticsOptions& options) {
    const c10::NoGradGuard no_grad;
    const NoiseProcess& model = denoiser.process();
    const LocatedLevel level = model.discrete() ? model.at_index(t) : model.locate(chain.sigma(t));
    DenoisingTerms out;
    out.x0hat = denoise_at(denoiser, x, level, labels).x0.to(at::kDouble);
    if (options.clip) out.x0hat = out.x0hat.clamp(-1, 1);
    out.error = (x0 - out.x0hat).square().flatten(1).mean(1);
    out.gamma = (x - out.x0hat).square().flatten(1).mean(1) / (level.level * level.level);
    out.decoder = decoder_cost(x0, out.x0hat, table_decoder_variance(chain, t), options.decoder);
    return out;
}

DenoisingStatistics empty_statistics(const Denoiser& denoiser, const StatisticsChain& chain,
                                     const ProbeSource& source, const StatisticsOptions& options) {
    check_probes(source, denoiser);
    if (options.decoder != DecoderKind::density && !source.eight_bit())
        throw Error("option",
                    "the " + decoder_name(options.decoder) +
                        " decoder is for 8-bit images, but the data are continuous",
                    source.spec(), "use decoder=density");
    if (options.batch < 1) throw Error("option", "batch must be at least 1", "batch");
    DenoisingStatistics out;
    out.model = denoiser.spec();
    out.weights = denoiser.weights_hash();
    out.data = source.spec();
    out.data_hash = source.hash();
    out.chain_name = chain.name;
    out.betas = betas_of(chain.process);
    out.clip = options.clip;
    out.decoder = options.decoder;
    out.seed = options.seed;
    out.error.resize(out.betas.size() + 1);
    out.decoder_nats.resize(out.betas.size() + 1);
    out.gamma.resize(out.betas.size() + 1);
    return out;
}

namespace {

/// Images [first, last) at every level of the chain.
DenoisingStatistics measure_block(const DenoisingStatistics& empty, const NoiseProcess& chain,
                                  const Denoiser& denoiser, const ProbeSource& source,
                                  const StatisticsOptions& options, int64_t first, int64_t last) {
    DenoisingStatistics out = empty;
    const int levels = out.levels();
    std::vector<int64_t> ids(static_cast<size_t>(last - first));
    std::iota(ids.begin(), ids.end(), first);
    const at::Tensor x0 = source.images(ids), labels = probe_labels(source, denoiser, ids);
    const at::Tensor moments = x0.square().flatten(1).mean(1).contiguous();
    out.images = last - first;
    out.second_moment.assign(moments.const_data_ptr<double>(), moments.const_data_ptr<double>() + out.images);
    if (options.per_image) {
        out.image_error.resize(ids.size() * static_cast<size_t>(levels));
        out.image_decoder.resize(out.image_error.size());
    }
    for (int t = 1; t <= levels; ++t) {
        const at::Tensor x = noised(x0, chain.sigma(t), options.seed, ids, static_cast<uint32_t>(t));
        const DenoisingTerms terms = denoising_terms(denoiser, chain, t, x0, x, labels, options);
        const at::Tensor errors = terms.error.contiguous(), nats = terms.decoder.contiguous(),
                         gammas = terms.gamma.contiguous();
        for (size_t i = 0; i < ids.size(); ++i) {
            const double m = errors.const_data_ptr<double>()[i], n = nats.const_data_ptr<double>()[i];
            if (!std::isfinite(m) || !std::isfinite(n))
                throw Error("number",
                            "the model returned a value that is not finite for image " +
                                std::to_string(ids[i]) + " at level " + std::to_string(t),
                            out.model);
            out.error[static_cast<size_t>(t)].add(m);
            out.decoder_nats[static_cast<size_t>(t)].add(n);
            if (!out.gamma.empty()) out.gamma[static_cast<size_t>(t)].add(gammas.const_data_ptr<double>()[i]);
            if (!options.per_image) continue;
            const size_t at = i * static_cast<size_t>(levels) + static_cast<size_t>(t - 1);
            out.image_error[at] = static_cast<float>(m);
            out.image_decoder[at] = static_cast<float>(n);
        }
    }
    return out;
}

}  // namespace

void measure_statistics(DenoisingStatistics& statistics, const Denoiser& denoiser, const ProbeSource& source,
                        const StatisticsOptions& options, int64_t images,
                        const StatisticsProgress& progress) {
    const int64_t wanted = images > 0 ? images : source.count();
    if (wanted > source.count())
        throw Error("option",
                    std::to_string(wanted) + " images were asked for, but there are " +
                        std::to_string(source.count()),
                    source.spec());
    const NoiseProcess chain = statistics.chain();
    if (denoiser.process().discrete() && denoiser.process().table_size() != chain.table_size())
        throw Error("run",
                    "the statistics are over " + std::to_string(chain.table_size()) +
                        " levels, but the model has " + std::to_string(denoiser.process().table_size()),
                    denoiser.spec());
    DenoisingStatistics empty = statistics;
    empty.images = 0;
    std::fill(empty.error.begin(), empty.error.end(), RunningMean{});
    std::fill(empty.decoder_nats.begin(), empty.decoder_nats.end(), RunningMean{});
    std::fill(empty.gamma.begin(), empty.gamma.end(), RunningMean{});
    empty.second_moment.clear();
    empty.image_error.clear();
    empty.image_decoder.clear();
    while (statistics.images < wanted) {
        // Blocks start at multiples of the batch, so a pass that was stopped and one that was not are the
        // same.
        const int64_t last = std::min(wanted, (statistics.images / options.batch + 1) * options.batch);
        statistics.append(measure_block(empty, chain, denoiser, source, options, statistics.images, last));
        if (progress && !progress(statistics)) return;
    }
}

}  // namespace schedbench
