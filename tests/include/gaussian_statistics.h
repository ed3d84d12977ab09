// Denoising statistics of N(0, c2) data and its exact denoiser, from closed forms, with the Gaussian density
// as decoder.
#pragma once

#include "likelihood/denoising_statistics.h"
#include "schedules/elbo_cost.h"

namespace schedbench::closed_form {

inline DenoisingStatistics gaussian_statistics(const NoiseProcess& chain, double c2) {
    DenoisingStatistics out;
    out.chain_name = chain.spec().print();
    out.clip = false;
    out.decoder = DecoderKind::density;
    out.images = 1;
    out.second_moment = {c2};
    const auto levels = static_cast<size_t>(chain.table_size());
    out.error.resize(levels + 1);
    out.decoder_nats.resize(levels + 1);
    for (int t = 1; t <= chain.table_size(); ++t) {
        const double b = chain.one_minus_abar(t), m = c2 * b / (c2 * chain.abar(t) + b);
        out.betas.push_back(chain.beta(t - 1, t));
        out.error[static_cast<size_t>(t)].add(m);
        out.decoder_nats[static_cast<size_t>(t)].add(
            gaussian_decoder_cost(m, table_decoder_variance(chain, t)));
    }
    return out;
}

}  // namespace schedbench::closed_form
