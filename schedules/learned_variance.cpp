#include "schedules/learned_variance.h"

#include <cmath>
#include <numbers>
#include <string>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr const char* kWhere = "statistics of the learned variance";

size_t at(int i) {
    return static_cast<size_t>(i);
}

/// (1 - cos(pi j/23))/2, as a square so that small nodes keep their digits.
LaplaceValues unit_nodes() {
    LaplaceValues out{};
    for (int j = 0; j < kLaplaceNodes; ++j) {
        const double sine = std::sin(std::numbers::pi * j / (2 * (kLaplaceNodes - 1)));
        out[at(j)] = sine * sine;
    }
    return out;
}

double longest(const NoiseProcess& process, int t) {
    return std::log(process.one_minus_abar(t)) - std::log(process.one_minus_abar(1));
}

void check(int t, const LaplaceValues& phi, const LaplaceValues& psi, double mean_v, double error) {
    const auto fail = [t](const std::string& what) {
        throw Error("number", "entry " + std::to_string(t) + " has " + what, kWhere,
                    "measure the statistics again");
    };
    for (size_t j = 0; j < phi.size(); ++j)
        if (!(std::isfinite(phi[j]) && phi[j] > 0 && std::isfinite(psi[j]) && psi[j] >= 0))
            fail("phi = " + format_number(phi[j]) + " and psi = " + format_number(psi[j]) + " at node " +
                 std::to_string(j) + "; both must be finite, phi positive and psi not negative");
    if (!std::isfinite(mean_v)) fail("a mean of v that is not finite");
    if (std::abs(phi[0] - 1) > 1e-9) fail("phi(0) = " + format_number(phi[0]) + " instead of 1");
    if (std::abs(psi[0] - error) > 1e-6 * error)
        fail("psi(0) = " + format_number(psi[0]) + " but a squared error of " + format_number(error) +
             ", which must be equal");
}

}  // namespace

LaplaceValues laplace_nodes(const NoiseProcess& process, int t) {
    LaplaceValues out = unit_nodes();
    for (double& node : out) node *= longest(process, t);
    return out;
}

LearnedVarianceCost::LearnedVarianceCost(const NoiseProcess& process,
                                         const LearnedVarianceStatistics& statistics,
                                         const std::vector<double>& error)
    : position_(unit_nodes()) {
    const size_t width = at(process.table_size()) + 1;
    if (statistics.phi.size() != width || statistics.psi.size() != width || statistics.mean_v.size() != width)
        throw Error("shape",
                    "expected " + std::to_string(width) + " entries (0..T), not " +
                        std::to_string(statistics.phi.size()) + ", " + std::to_string(statistics.psi.size()) +
                        " and " + std::to_string(statistics.mean_v.size()),
                    kWhere);
    // Nodes at the extrema of a Chebyshev polynomial: signs alternate, the ends count half.
    for (size_t j = 0; j < weight_.size(); ++j)
        weight_[j] = (j % 2 == 0 ? 1.0 : -1.0) * (j == 0 || j + 1 == weight_.size() ? 0.5 : 1.0);
    entries_.resize(width);
    for (int t = 2; t <= process.table_size(); ++t) {  // no step from 1 ends at a later node than 0
        const LaplaceValues &phi = statistics.phi[at(t)], nodes = laplace_nodes(process, t);
        const double mean_v = statistics.mean_v[at(t)];
        check(t, phi, statistics.psi[at(t)], mean_v, error[at(t)]);
        Entry& entry = entries_[at(t)];
        entry.length = longest(process, t);
        entry.psi = statistics.psi[at(t)];
        entry.remainder[0] = 0;
        for (size_t j = 1; j < nodes.size(); ++j) entry.remainder[j] = (phi[j] - 1) / nodes[j] + mean_v;
    }
}

double LearnedVarianceCost::edge(int t, double lambda, double snr_step) const {
    const Entry& entry = entries_[at(t)];
    const double x = lambda / entry.length;
    double sum = 0, remainder = 0, psi = 0;
    for (size_t j = 0; j < position_.size(); ++j) {
        const double distance = x - position_[j];
        if (distance == 0) {
            sum = 1;
            remainder = entry.remainder[j];
            psi = entry.psi[j];
            break;
        }
        const double q = weight_[j] / distance;
        sum += q;
        remainder += q * entry.remainder[j];
        psi += q * entry.psi[j];
    }
    return (lambda * remainder + snr_step * psi) / (2 * sum);
}

}  // namespace schedbench
