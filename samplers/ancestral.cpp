#include "samplers/ancestral.h"

#include <algorithm>
#include <cmath>

namespace schedbench {

AncestralSplit ancestral_split(double a, double b, double eta) {
    const double up = std::min(b, eta * (b / a) * std::sqrt((a - b) * (a + b)));
    return {up, std::sqrt((b - up) * (b + up))};
}

std::vector<StepWeights> ancestral_weights(const std::vector<double>& levels, const Spec& completed) {
    const double eta = completed.number("eta");
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        const double a = levels[i];
        const auto [up, down] = ancestral_split(a, levels[i + 1], eta);
        out.push_back({down / a, {1 - down / a}, up});
    }
    return out;
}

}  // namespace schedbench
