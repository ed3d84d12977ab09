#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/image_terms.h"

namespace schedbench {

DenoisedLevel denoise_level(const Denoiser& denoiser, const NoiseProcess& chain, int t, const at::Tensor& x,
                            const at::Tensor& labels) {
    const c10::NoGradGuard no_grad;
    const NoiseProcess& model = denoiser.process();
    const LocatedLevel level = model.discrete() ? model.at_index(t) : model.locate(chain.sigma(t));
    const DenoiserOutput out = denoise_at(denoiser, x, level, labels);
    return {out.x0.to(at::kDouble),
            out.variance.defined() ? (out.variance.to(at::kDouble) + 1) / 2 : at::Tensor()};
}

namespace {

/// What all images of one level share.
struct Level {
    double variance = 0, sigma = 0;        ///< table_decoder_variance, sigma_t
    double ln_large = 0, ln_small = 0;     ///< of the decoder with learned variance
    std::optional<LaplaceSums> transform;  ///< networks with variance channels
};

/// One block at one level, on contiguous float64 tensors [B, ...].
struct Block {
    at::Tensor x0, x, x0hat, v;
    int64_t images() const { return x0.size(0); }
    size_t elements() const { return static_cast<size_t>(x0.numel() / x0.size(0)); }
    static const double* row(const at::Tensor& t, int64_t i) {
        return t.const_data_ptr<double>() + i * (t.numel() / t.size(0));
    }
};

class Pass {
  public:
    Pass(std::vector<DenoisingStatistics>& rules, const NoiseProcess& chain, const StatisticsOptions& options)
        : rules_(rules), options_(options), levels_(static_cast<size_t>(chain.table_size()) + 1) {
        const bool learned = rules.front().learned.has_value();
        const double smallest =
            chain.table_size() > 1 ? table_decoder_variance(chain, 1) : chain.one_minus_abar(1);
        for (int t = 1; t <= chain.table_size(); ++t) {
            Level& level = levels_[static_cast<size_t>(t)];
            level.variance = table_decoder_variance(chain, t);
            level.sigma = chain.sigma(t);
            level.ln_large = std::log(chain.one_minus_abar(t));
            level.ln_small = std::log(smallest);
            if (learned) level.transform.emplace(laplace_nodes(chain, t));
        }
    }

    /// Adds images to every rule; `rows`: where their terms go in the per-image arrays.
    void add(int t, const Block& block, size_t lane, int64_t first_id) {
        const auto n = block.elements();
        const Level& level = levels_[static_cast<size_t>(t)];
        const double d = static_cast<double>(n);
        inverse_.assign(n, 1 / std::sqrt(level.variance));
        learned_inverse_.resize(n);
        errors_.resize(rules_.size());
        std::vector<at::Tensor> slow, slow_learned;  // decoder costs of the kinds without a kernel, [B]
        if (own() == DecoderKind::erf || (block.v.defined() && own() == DecoderKind::density))
            for (const DenoisingStatistics& rule : rules_) {
                const at::Tensor hat = rule.clip ? block.x0hat.clamp(-1, 1) : block.x0hat;
                slow.push_back(decoder_cost(block.x0, hat, level.variance, own()).contiguous());
                if (!block.v.defined()) continue;
                const at::Tensor variance =
                    (block.v * (level.ln_large - level.ln_small) + level.ln_small).exp();
                slow_learned.push_back(decoder_cost(block.x0, hat, variance, own()).contiguous());
            }
        for (int64_t i = 0; i < block.images(); ++i) {
            const double *x0 = Block::row(block.x0, i), *x = Block::row(block.x, i);
            for (size_t r = 0; r < rules_.size(); ++r)
                find_errors(x0, Block::row(block.x0hat, i), rules_[r].clip, n, errors_[r]);
            LaplaceSums::Sums sums;
            if (block.v.defined()) {
                const double* v = Block::row(block.v, i);
                sums = (*level.transform)(v, errors_.front().square.data(), errors_.back().square.data(), n);
                learned_inverse_sd(v, level.ln_large, level.ln_small, learned_inverse_.data(), n);
            }
            for (size_t r = 0; r < rules_.size(); ++r) {
                DenoisingStatistics& rule = rules_[r];
                StatisticsLane& sum = rule.lanes[lane];
                const double *hat = errors_[r].hat.data(), *error = errors_[r].error.data();
                const auto at = static_cast<size_t>(t);
                const double m = squared_distance(x0, hat, n) / d;
                const double gamma = squared_distance(x, hat, n) / d / (level.sigma * level.sigma);
                const double nats = !slow.empty() ? slow[r].const_data_ptr<double>()[i]
                                    : own() == DecoderKind::density
                                        ? gaussian_decoder_cost(m, level.variance)
                                        : tanh_decoder_sum(x0, error, inverse_.data(), n) / d;
                check(m, nats, gamma, first_id + i, t, rule.model);
                sum.error[at].add(m);
                sum.decoder_nats[at].add(nats);
                sum.gamma[at].add(gamma);
                if (at < rule.law.size()) rule.law[at].add(x0, error, n);
                const size_t place = (static_cast<size_t>(rule.images + i)) * (levels_.size() - 1) + at - 1;
                if (options_.per_image) {
                    rule.image_error[place] = static_cast<float>(m);
                    rule.image_decoder[place] = static_cast<float>(nats);
                }
                if (!block.v.defined()) continue;
                const double learned = slow_learned.empty()
                                           ? tanh_decoder_sum(x0, error, learned_inverse_.data(), n) / d
                                           : slow_learned[r].const_data_ptr<double>()[i];
                check(sums.v, learned, sums.plain.back(), first_id + i, t, rule.model);
                sum.learned_decoder_nats[at].add(learned);
                const LaplaceValues& psi = r == 0 ? sums.first : sums.second;
                for (size_t j = 0; j < kLaplaceNodes; ++j) {
                    sum.phi[at][j] += sums.plain[j] / d;
                    sum.psi[at][j] += psi[j] / d;
                }
                sum.v[at] += sums.v / d;
                if (options_.per_image) rule.image_learned_decoder[place] = static_cast<float>(learned);
            }
        }
    }

  private:
    DecoderKind own() const { return rules_.front().decoder; }
    static void check(double a, double b, double c, int64_t id, int t, const std::string& model) {
        if (!std::isfinite(a) || !std::isfinite(b) || !std::isfinite(c))
            throw Error("number",
                        "the model returned a value that is not finite for image " + std::to_string(id) +
                            " at level " + std::to_string(t),
                        model);
    }

    std::vector<DenoisingStatistics>& rules_;
    const StatisticsOptions& options_;
    std::vector<Level> levels_;
    std::vector<double> inverse_, learned_inverse_;  ///< [n] 1/sd of the decoders
    std::vector<Errors> errors_;                     ///< of the image at hand, one a rule
};

/// Images [first, last), one block, at every level of the chain.
void add_block(std::vector<DenoisingStatistics>& rules, Pass& pass, const NoiseProcess& chain,
               const Denoiser& denoiser, const ProbeSource& source, const StatisticsOptions& options,
               size_t lane, int64_t first, int64_t last) {
    std::vector<int64_t> ids(static_cast<size_t>(last - first));
    std::iota(ids.begin(), ids.end(), first);
    const at::Tensor x0 = source.images(ids).contiguous(), labels = probe_labels(source, denoiser, ids);
    const at::Tensor moments = x0.square().flatten(1).mean(1).contiguous();
    const auto count = ids.size(), levels = static_cast<size_t>(chain.table_size());
    for (DenoisingStatistics& rule : rules) {
        if (!options.per_image) continue;
        const size_t rows = (static_cast<size_t>(rule.images) + count) * levels;
        rule.image_error.resize(rows);
        rule.image_decoder.resize(rows);
        if (rule.learned) rule.image_learned_decoder.resize(rows);
    }
    for (int t = 1; t <= chain.table_size(); ++t) {
        const at::Tensor x = noised(x0, chain.sigma(t), options.seed, ids, static_cast<uint32_t>(t));
        const DenoisedLevel out = denoise_level(denoiser, chain, t, x, labels);
        pass.add(t,
                 {x0, x.contiguous(), out.x0hat.contiguous(), out.v.defined() ? out.v.contiguous() : out.v},
                 lane, first);
    }
    for (DenoisingStatistics& rule : rules) {
        rule.lanes[lane].images += last - first;
        for (size_t i = 0; i < count; ++i) {
            rule.second_moment.push_back(moments.const_data_ptr<double>()[i]);
            rule.lanes[lane].second_moment.add(rule.second_moment.back());
        }
        rule.images += last - first;
    }
}

/// Error("run") unless blocks can be added to the statistics.
void check_can_grow(const DenoisingStatistics& s, const NoiseProcess& chain, const Denoiser& denoiser,
                    const StatisticsOptions& options) {
    if (denoiser.process().discrete() && denoiser.process().table_size() != chain.table_size())
        throw Error("run",
                    "the statistics are over " + std::to_string(chain.table_size()) +
                        " levels, but the model has " + std::to_string(denoiser.process().table_size()),
                    denoiser.spec());
    if (s.lanes.empty())
        throw Error("run",
                    "statistics made by an earlier version, with " + std::to_string(s.images) +
                        " images, cannot be continued: they lack the laws of the errors",
                    s.model, "measure into another file");
    if (s.batch != options.batch)
        throw Error("option",
                    "the statistics were begun with a batch of " + std::to_string(s.batch) + ", not " +
                        std::to_string(options.batch),
                    "batch", "go on with the same batch, or measure into another file");
    if (options.per_image && s.images > 0 && s.image_error.empty())
        throw Error("option", "the statistics were begun without the terms of each image", s.model,
                    "go on without them, or measure into another file");
}

}  // namespace

void measure_statistics(DenoisingStatistics& statistics, const Denoiser& denoiser, const ProbeSource& source,
                        const StatisticsOptions& options, int64_t images,
                        const StatisticsProgress& progress) {
    std::vector<DenoisingStatistics> one;
    one.push_back(std::move(statistics));
    try {
        RulesProgress report;
        if (progress)
            report = [&](const std::vector<DenoisingStatistics>& rules) { return progress(rules.front()); };
        measure_statistics(one, denoiser, source, options, images, Rank{}, report);
    } catch (...) {
        statistics = std::move(one.front());
        throw;
    }
    statistics = std::move(one.front());
}

void measure_statistics(std::vector<DenoisingStatistics>& rules, const Denoiser& denoiser,
                        const ProbeSource& source, const StatisticsOptions& options, int64_t images,
                        const Rank& rank, const RulesProgress& progress) {
    SCHEDBENCH_ASSERT(rules.size() == 1 || rules.size() == 2);
    const int64_t wanted = images > 0 ? images : source.count();
    if (wanted > source.count())
        throw Error("option",
                    std::to_string(wanted) + " images were asked for, but there are " +
                        std::to_string(source.count()),
                    source.spec());
    const NoiseProcess chain = rules.front().chain();
    if (rules.size() == 2 && rules[0].images != rules[1].images) {
        // The one that lags, alone, up to the other.
        std::vector<DenoisingStatistics> late;
        const size_t which = rules[0].images < rules[1].images ? 0 : 1;
        late.push_back(std::move(rules[which]));
        const int64_t limit = rank.world_size == 1 ? std::min(wanted, rules[1 - which].images) : wanted;
        measure_statistics(late, denoiser, source, options, limit, rank, progress);
        rules[which] = std::move(late.front());
        if (rules[0].images != rules[1].images) return;
    }
    int64_t done = 0;  // images of this rank in the blocks before this one
    Pass pass(rules, chain, options);
    bool checked = false;
    for (int64_t block = 0, first = 0; first < wanted; ++block, first += options.batch) {
        if (!block_is_of(rank, block)) continue;
        // Blocks start at multiples of the batch, so a pass that was stopped and one that was not are the
        // same.
        const int64_t last = std::min(wanted, first + options.batch), had = rules.front().images;
        if (done + (last - first) <= had) {
            done += last - first;
            continue;
        }
        if (!checked)
            for (const DenoisingStatistics& rule : rules) check_can_grow(rule, chain, denoiser, options);
        checked = true;
        // The first images of this block may be there already, from a pass that asked for fewer.
        add_block(rules, pass, chain, denoiser, source, options,
                  static_cast<size_t>(block % kStatisticsLanes), first + (had - done), last);
        done += last - first;
        for (DenoisingStatistics& rule : rules) rule.add_up_lanes();
        if (progress && !progress(rules)) return;
    }
}

}  // namespace schedbench
