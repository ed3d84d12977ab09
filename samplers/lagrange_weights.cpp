#include "samplers/lagrange_weights.h"

#include <boost/math/quadrature/gauss.hpp>
#include <cmath>

namespace schedbench {

namespace {

/// The integral from `low` to `high`, in panels that are no longer than half the distance to the singularity:
/// 20 points a panel then leave an error below rounding. Polynomials in sigma need one panel.
template <typename F>
double integral(const F& f, double low, double high, double singular) {
    double sum = 0;
    for (double from = low; from < high;) {
        const double to = std::min(high, from + 0.5 * std::max(std::hypot(from, singular), 1e-30 * high));
        sum += boost::math::quadrature::gauss<double, 20>::integrate(f, from, to);
        from = to;
    }
    return sum;
}

}  // namespace

std::vector<StepWeights> lagrange_weights(const std::vector<double>& levels, int points,
                                          const PolynomialTime& time) {
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const double a = levels[i], b = levels[i + 1];
        const size_t known = std::min(i + 1, static_cast<size_t>(points));
        StepWeights step;
        if (known == 1 || (b == 0 && !time.at_zero)) {
            step.history = {b - a};
            out.push_back(std::move(step));
            continue;
        }
        std::vector<double> node;
        for (size_t j = 0; j < known; ++j) node.push_back(time.of(levels[i - j]));
        for (size_t j = 0; j < known; ++j) {
            const auto basis = [&](double sigma) {
                const double t = time.of(sigma);
                double value = 1;
                for (size_t k = 0; k < known; ++k)
                    if (k != j) value *= (t - node[k]) / (node[j] - node[k]);
                return value;
            };
            step.history.push_back(-integral(basis, b, a, time.singular));
        }
        out.push_back(std::move(step));
    }
    return out;
}

PolynomialTime sigma_time() {
    return {[](double sigma) { return sigma; }, HUGE_VAL, true};
}

}  // namespace schedbench
