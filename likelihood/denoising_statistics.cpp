#include "likelihood/denoising_statistics.h"

#include <ATen/ATen.h>

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

ElboChain DenoisingStatistics::elbo(bool learned_decoder, const DenoisingStatistics* fitted_on) const {
    if (images < 1) throw Error("run", "the denoising statistics hold no images yet", model);
    const std::vector<RunningMean>& nats = learned_decoder ? learned_decoder_nats : decoder_nats;
    if (nats.size() != error.size())
        throw Error(
            "run", "the statistics hold no decoder costs with learned variance", model,
            "measure a network with variance channels again, into another file, or take first-step optimal");
    ElboStatistics out;
    out.error.assign(error.size(), 0);
    out.decoder.assign(error.size(), 0);
    out.gamma.assign(gamma.size(), 0);
    out.second_moment = m2();
    for (size_t t = 1; t < error.size(); ++t) {
        out.error[t] = error[t].mean;
        out.decoder[t] = nats[t].mean;
        if (!gamma.empty()) out.gamma[t] = gamma[t].mean;
    }
    out.learned = learned;
    if (fitted_on && fitted_on != this) {
        if (fitted_on->images < 1 || fitted_on->model != model || fitted_on->weights != weights ||
            fitted_on->betas != betas || fitted_on->clip != clip)
            throw Error("run",
                        "variances cannot be fitted on statistics of another model, chain or clip rule: " +
                            fitted_on->model + " on " + fitted_on->data,
                        model, "measure both splits with the same settings");
        out.fitted_error.assign(error.size(), 0);
        out.gamma.assign(fitted_on->gamma.size(), 0);
        for (size_t t = 1; t < error.size(); ++t) {
            out.fitted_error[t] = fitted_on->error[t].mean;
            if (!out.gamma.empty()) out.gamma[t] = fitted_on->gamma[t].mean;
        }
    }
    return {chain(), std::move(out)};
}

void DenoisingStatistics::add_up_lanes() {
    images = 0;
    const auto clear = [](std::vector<RunningMean>& means) {
        std::fill(means.begin(), means.end(), RunningMean{});
    };
    clear(error);
    clear(decoder_nats);
    clear(gamma);
    clear(learned_decoder_nats);
    const size_t width = error.size();
    if (learned)
        learned = LearnedVarianceStatistics{std::vector<LaplaceValues>(width, LaplaceValues{}),
                                            std::vector<LaplaceValues>(width, LaplaceValues{}),
                                            std::vector<double>(width, 0)};
    for (const StatisticsLane& lane : lanes) {
        images += lane.images;
        for (size_t t = 1; t < width; ++t) {
            error[t].merge(lane.error[t]);
            decoder_nats[t].merge(lane.decoder_nats[t]);
            gamma[t].merge(lane.gamma[t]);
            if (!learned) continue;
            learned_decoder_nats[t].merge(lane.learned_decoder_nats[t]);
            for (size_t j = 0; j < kLaplaceNodes; ++j) {
                learned->phi[t][j] += lane.phi[t][j];
                learned->psi[t][j] += lane.psi[t][j];
            }
            learned->mean_v[t] += lane.v[t];
        }
    }
    if (!learned || images == 0) return;
    for (size_t t = 1; t < width; ++t) {
        for (size_t j = 0; j < kLaplaceNodes; ++j) {
            learned->phi[t][j] /= static_cast<double>(images);
            learned->psi[t][j] /= static_cast<double>(images);
        }
        learned->mean_v[t] /= static_cast<double>(images);
    }
}

ErrorLaw empty_law(const NoiseProcess& chain, int t, bool clip) {
    const double smallest =
        t < chain.table_size() ? chain.posterior_variance(t, t + 1) : chain.one_minus_abar(t);
    // Without clipping, errors are as large as sigma times an error of the noise of some units.
    return {smallest, clip ? 2.1 : 2.1 + 8 * chain.sigma(t)};
}

bool block_is_of(const Rank& rank, int64_t block) {
    return block % kStatisticsLanes % rank.world_size == rank.rank;
}

nlohmann::json DenoisingStatistics::identity() const {
    return {{"model", model},      {"weights", weights}, {"data", data}, {"data_hash", data_hash},
            {"chain", chain_name}, {"betas", betas},     {"clip", clip}, {"decoder", decoder_name(decoder)},
            {"seed", seed}};
}

DenoisingStatistics join_statistics(const std::vector<DenoisingStatistics>& parts, int64_t images) {
    SCHEDBENCH_ASSERT(!parts.empty());
    DenoisingStatistics out = parts.front();
    const int64_t world = static_cast<int64_t>(parts.size()), batch = out.batch,
                  blocks = (images + batch - 1) / batch;
    const size_t levels = static_cast<size_t>(out.levels());
    for (const DenoisingStatistics& part : parts)
        if (part.identity() != out.identity() || part.batch != batch || part.lanes.empty())
            throw Error("run",
                        "parts of different passes cannot be joined: " + out.model + " on " + out.data +
                            " and " + part.model + " on " + part.data,
                        "denoising statistics",
                        "model, weights, data, chain, clipping, decoder, seed and batch must agree");
    std::vector<size_t> taken(parts.size(), 0);  // images
    const auto rows = [&](auto& to, const auto& from, size_t first, size_t count, size_t width) {
        const auto at = from.begin() + static_cast<std::ptrdiff_t>(first * width);
        if (!from.empty()) to.insert(to.end(), at, at + static_cast<std::ptrdiff_t>(count * width));
    };
    out.second_moment.clear();
    out.image_error.clear();
    out.image_decoder.clear();
    out.image_learned_decoder.clear();
    for (int64_t block = 0; block < blocks; ++block) {
        const auto rank = static_cast<size_t>(block % kStatisticsLanes % world);
        const DenoisingStatistics& part = parts[rank];
        const auto count = static_cast<size_t>(std::min(images, (block + 1) * batch) - block * batch);
        if (taken[rank] + count > static_cast<size_t>(part.images))
            throw Error("run",
                        "rank " + std::to_string(rank) + " has measured " + std::to_string(part.images) +
                            " images, which is not all of its share",
                        "denoising statistics", "let it finish");
        rows(out.second_moment, part.second_moment, taken[rank], count, 1);
        rows(out.image_error, part.image_error, taken[rank], count, levels);
        rows(out.image_decoder, part.image_decoder, taken[rank], count, levels);
        rows(out.image_learned_decoder, part.image_learned_decoder, taken[rank], count, levels);
        taken[rank] += count;
    }
    for (size_t rank = 0; rank < parts.size(); ++rank)
        if (taken[rank] != static_cast<size_t>(parts[rank].images))
            throw Error("run", "rank " + std::to_string(rank) + " has measured more than its share",
                        "denoising statistics",
                        "join the parts for the number of images that they were asked for");
    for (size_t lane = 0; lane < out.lanes.size(); ++lane)
        out.lanes[lane] = parts[lane % parts.size()].lanes[lane];
    for (size_t rank = 1; rank < parts.size(); ++rank)
        for (size_t t = 1; t < out.law.size(); ++t) out.law[t].add(parts[rank].law[t]);
    out.add_up_lanes();
    return out;
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
    out.batch = options.batch;
    const size_t width = out.betas.size() + 1;
    StatisticsLane lane;
    lane.error.resize(width);
    lane.decoder_nats.resize(width);
    lane.gamma.resize(width);
    if (denoiser.has_variance()) {
        out.learned.emplace();
        out.learned_decoder_nats.resize(width);
        lane.learned_decoder_nats.resize(width);
        lane.phi.resize(width, LaplaceValues{});
        lane.psi.resize(width, LaplaceValues{});
        lane.v.resize(width, 0);
    }
    out.lanes.assign(kStatisticsLanes, lane);
    if (source.eight_bit()) {
        out.law.resize(1);
        for (int t = 1; t < static_cast<int>(width); ++t)
            out.law.push_back(empty_law(chain.process, t, options.clip));
    }
    return out;
}

}  // namespace schedbench
