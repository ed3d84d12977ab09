// iPNDM_v, variable-step iPNDM as published in the diff-sampler code (Zhou et al. 2024, arXiv 2312.00094),
// with its misplaced parenthesis:
//
//     x' = x + h sum_j c_j d_{i-j},   h = b - a,   h1, h2, h3 = the steps before,   d = (x - D) / sigma
//     p = h1 / h2,   q = h1 (h1 + h2) / (h2 (h2 + h3))
//     order 2   c = (1 + h / (2 h1), -h / (2 h1))
//     order 3   T = (1 - h / (3 (h + h1)) h (h + h1) / (h1 (h1 + h2))) / 2;   c += T (1, -(1 + p), p)
//     order 4   U = ((1 - h / (3 (h + h1))) / 2 + (1 - h / (2 (h + h1))) h / (6 (h + h1 + h2)))
//                   h (h + h1) (h + h1 + h2) / (h1 (h1 + h2) (h1 + h2 + h3))
//               c += U (1, -(1 + p + q), p + q (1 + h2 / h3), -q p)
//
// a = sigma_i, b = sigma_{i+1}. Equal steps give 19/8, -65/24, 43/24, -11/24 instead of 55, -59, 37, -9 over
// 24, and at order 4 the coefficients sum to one only where h1/h2 = h2/h3: order 2 in general. The method
// that was meant is adams-bashforth.
#include "samplers/family_list.h"
#include "samplers/linear_multistep.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

std::vector<double> coefficients(const std::vector<double>& levels, size_t i, size_t order) {
    if (order == 1) return {1};
    const auto step = [&](size_t back) { return levels[i + 1 - back] - levels[i - back]; };
    const double h = step(0), h1 = step(1);
    std::vector<double> c{1 + h / (2 * h1), -h / (2 * h1)};
    if (order == 2) return c;
    const double h2 = step(2), p = h1 / h2;
    const double t = (1 - h / (3 * (h + h1)) * (h * (h + h1)) / (h1 * (h1 + h2))) / 2;
    c = {c[0] + t, c[1] - (1 + p) * t, p * t};
    if (order == 3) return c;
    const double h3 = step(3), q = h1 * (h1 + h2) / (h2 * (h2 + h3));
    const double u = ((1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))) *
                     (h * (h + h1) * (h + h1 + h2)) / (h1 * (h1 + h2) * (h1 + h2 + h3));
    return {c[0] + u, c[1] - (1 + p + q) * u, c[2] + (p + q * (1 + h2 / h3)) * u, -q * p * u};
}

std::vector<StepWeights> weights(const std::vector<double>& levels, const Spec& spec) {
    const auto order = static_cast<size_t>(spec.integer("order"));
    std::vector<StepWeights> out;
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
        StepWeights step;
        for (double c : coefficients(levels, i, std::min(i + 1, order)))
            step.history.push_back((levels[i + 1] - levels[i]) * c);
        out.push_back(std::move(step));
    }
    return out;
}

int order(const Spec& spec) {
    const auto points = static_cast<int>(spec.integer("order"));
    return points == 4 ? 2 : points;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    integer_within(spec, "order", 1, 4, where);
    return make_linear_multistep(spec, HistoryKind::slope, weights);
}

}  // namespace

SamplerFamily ipndm_v() {
    return {{"ipndm-v",
             "iPNDM_v as published, misplaced parenthesis included; what was meant is adams-bashforth",
             "Zhou et al. 2024 (AMED-Solver), code",
             {{"order", SpecParam::Type::integer, "4",
               "outputs that a step looks at, 1 to 4; with 4 it converges with order 2 only"}}},
            "1",
            order,
            make};
}

}  // namespace schedbench::sampler_list
