// Chains with random statistics, for tests that compare ways of minimising the same costs.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "schedules/elbo_cost.h"

namespace schedbench::random_chain {

enum class Shape {
    exact,  ///< exact denoiser of Gaussian data with a random spectrum: every condition of a monotone argmin
            ///< holds
    bumpy,  ///< errors at random about a trend: none of them holds
    wild,   ///< the same over several decades, with zeros
};

inline NoiseProcess process(int size, std::mt19937& rng) {
    return NoiseProcess(
        Spec::parse((size > 25 && rng() % 2 ? "linear:T=" : "cosine:T=") + std::to_string(size)));
}

/// `samples` pairs (v, squared error) an entry stand for the learned variance; its M_t is their mean error.
inline ElboStatistics statistics(const NoiseProcess& chain, Shape shape, std::mt19937& rng, int samples = 8) {
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    std::lognormal_distribution<double> factor(0, shape == Shape::wild ? 3.0 : 0.5);
    std::vector<double> spectrum(5);
    for (double& c2 : spectrum) c2 = std::exp(2 * normal(rng) - 1);
    const double decoder_spread = rng() % 3 == 0 ? 0 : 3 * uniform(rng);
    ElboStatistics out{{0}, {0}, 0.3, {0}, LearnedVarianceStatistics{{{}}, {{}}, {0}}};
    for (int t = 1; t <= chain.table_size(); ++t) {
        const double b = chain.one_minus_abar(t);
        double error = 0;
        for (double c2 : spectrum)
            error += c2 * b / (c2 * chain.abar(t) + b) / static_cast<double>(spectrum.size());
        if (shape != Shape::exact) error *= factor(rng);
        if (shape == Shape::wild && rng() % 5 == 0) error = 0;
        std::vector<double> squares(static_cast<size_t>(samples));
        double sum = 0;
        for (double& square : squares) sum += square = std::exp(normal(rng));
        LaplaceValues phi{}, psi{};
        const LaplaceValues nodes = laplace_nodes(chain, t);
        double mean_v = 0;
        for (double square : squares) {
            const double v = uniform(rng);
            mean_v += v / samples;
            for (size_t j = 0; j < nodes.size(); ++j) {
                phi[j] += std::exp(-nodes[j] * v) / samples;
                psi[j] += std::exp(-nodes[j] * v) * square / sum * error;
            }
        }
        out.error.push_back(error);
        out.decoder.push_back(gaussian_decoder_cost(error, table_decoder_variance(chain, t)) / 10 +
                              decoder_spread * normal(rng));
        out.gamma.push_back(uniform(rng) * (shape == Shape::exact ? 1 : 1.2));
        out.learned->phi.push_back(phi);
        out.learned->psi.push_back(psi);
        out.learned->mean_v.push_back(mean_v);
    }
    return out;
}

inline const std::vector<ElboVariance>& variances() {
    static const std::vector<ElboVariance> list = {ElboVariance::posterior, ElboVariance::beta,
                                                   ElboVariance::corrected_analytic, ElboVariance::analytic,
                                                   ElboVariance::learned};
    return list;
}

}  // namespace schedbench::random_chain
