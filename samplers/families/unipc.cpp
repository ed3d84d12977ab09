// UniPC (Zhao et al. 2023, arXiv 2302.04867, algs. 1-2, eqs. 3 and 9), data prediction, multistep, in the VE
// form. Step a = sigma_i -> b = sigma_{i+1}, h = ln(a / b), g = -h, order p:
//
//     base = (b / a) x + (1 - b / a) D_i,    r_k = ln(sigma_i / sigma_{i-k}) / h < 0,    r_p = 1
//     predictor   x~ = base - B sum_{k<p} rho_k (D_{i-k} - D_i) / r_k
//     corrector   x' = base - B (sum_{k<p} rho_k (D_{i-k} - D_i) / r_k + rho_p (D(x~; b) - D_i))
//     rho from    sum_k rho_k r_k^{j-1} = j! g phi_{j+1}(g) / B,   j = 1..p-1 (predictor) or 1..p (corrector)
//     B = g (bh1) or e^g - 1 (bh2)
//
// The output at x~ serves the corrector and the next step, so there is no extra evaluation; the last step has
// no corrector. As published, a predictor of order 2 and a corrector of order 1 have rho = 1/2 instead.
// The first steps have lower order; lower-order-final=true (the published default) also has order <= steps
// left. A step to b = 0 gives x' = D_i.
#include <ATen/ATen.h>

#include <cmath>
#include <deque>

#include "samplers/family_list.h"
#include "samplers/knot_walk.h"
#include "samplers/linear_multistep.h"
#include "samplers/phi_functions.h"
#include "samplers/spec_checks.h"

namespace schedbench::sampler_list {

namespace {

/// x~ = predictor's weights of x and D_i, D_{i-1}, ...; x' = x~ + corrector's of D(x~; b), D_i, D_{i-1}, ...
struct StepPair {
    StepWeights predictor;
    std::vector<double> corrector;  ///< empty: none
};

/// Solves sum_k rho_k r_k^j = right_j, j = 0..n-1, by elimination with the largest pivot.
std::vector<double> solve_vandermonde(const std::vector<double>& r, std::vector<double> right) {
    const size_t n = right.size();
    std::vector<std::vector<double>> rows(n, std::vector<double>(n, 1.0));
    for (size_t j = 1; j < n; ++j)
        for (size_t k = 0; k < n; ++k) rows[j][k] = rows[j - 1][k] * r[k];
    for (size_t c = 0; c < n; ++c) {
        size_t pivot = c;
        for (size_t j = c + 1; j < n; ++j)
            if (std::abs(rows[j][c]) > std::abs(rows[pivot][c])) pivot = j;
        std::swap(rows[c], rows[pivot]);
        std::swap(right[c], right[pivot]);
        for (size_t j = c + 1; j < n; ++j) {
            const double factor = rows[j][c] / rows[c][c];
            for (size_t k = c; k < n; ++k) rows[j][k] -= factor * rows[c][k];
            right[j] -= factor * right[c];
        }
    }
    for (size_t c = n; c-- > 0;) {
        for (size_t k = c + 1; k < n; ++k) right[c] -= rows[c][k] * right[k];
        right[c] /= rows[c][c];
    }
    return right;
}

StepPair step_pair(const std::vector<double>& levels, size_t i, size_t order, bool bh1, bool last) {
    const double a = levels[i], b = levels[i + 1], share = (a - b) / a;
    StepPair out{{b / a, {share}}, {}};
    if (b == 0) return out;
    const double h = log_step(a, b), g = -h, scale = bh1 ? g : -share;
    std::vector<double> r, right;
    for (size_t k = 1; k < order; ++k) r.push_back(-log_step(levels[i - k], a) / h);
    r.push_back(1);
    double factorial = 1;
    for (size_t j = 1; j <= order; ++j) {
        factorial *= static_cast<double>(j);
        right.push_back(factorial * g * phi(static_cast<int>(j) + 1, g) / scale);
    }
    /// Adds -B sum_k rho_k (D_{i-k} - D_i) / r_k to weights of D_i, D_{i-1}, ... that start at `first`.
    const auto add = [&](std::vector<double>& weights, size_t first, const std::vector<double>& rho,
                         double sign) {
        weights.resize(first + order, 0.0);
        for (size_t k = 1; k < order; ++k) {
            const double weight = -sign * scale * rho[k - 1] / r[k - 1];
            weights[first + k] += weight;
            weights[first] -= weight;
        }
    };
    std::vector<double> ahead;
    if (order > 1) {
        ahead = order == 2 ? std::vector<double>{0.5}
                           : solve_vandermonde({r.begin(), r.end() - 1}, {right.begin(), right.end() - 1});
        add(out.predictor.history, 0, ahead, 1);
    }
    if (last) return out;
    const std::vector<double> rho = order == 1 ? std::vector<double>{0.5} : solve_vandermonde(r, right);
    out.corrector = {-scale * rho.back(), scale * rho.back()};
    add(out.corrector, 1, rho, 1);
    add(out.corrector, 1, ahead, -1);  // from x~, which stands there already
    return out;
}

class UniPc final : public Sampler {
  public:
    explicit UniPc(Spec spec) : spec_(std::move(spec)) {}
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const std::vector<StepPair> steps = plan(schedule.effective);
        at::Tensor x = walk.start();
        std::deque<at::Tensor> history{walk.denoised(x, 0)};
        const auto add = [&](const std::vector<double>& weights) {
            for (size_t j = 0; j < weights.size(); ++j) x.add_(history[j], weights[j]);
        };
        for (int i = 0; i < walk.steps(); ++i) {
            const StepPair& step = steps[static_cast<size_t>(i)];
            x.mul_(step.predictor.keep);
            add(step.predictor.history);
            if (i + 1 < walk.steps()) {
                history.push_front(walk.denoised(x, i + 1));
                add(step.corrector);
                if (history.size() > static_cast<size_t>(spec_.integer("order"))) history.pop_back();
            }
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }

  private:
    std::vector<StepPair> plan(const std::vector<double>& levels) const {
        const auto most = static_cast<size_t>(spec_.integer("order"));
        const bool bh1 = spec_.text("b") == "bh1", lower_final = spec_.flag("lower-order-final");
        const size_t steps = levels.size() - 1;
        std::vector<StepPair> out;
        for (size_t i = 0; i < steps; ++i) {
            size_t order = std::min(i + 1, most);
            if (lower_final) order = std::min(order, steps - i);
            out.push_back(step_pair(levels, i, order, bh1, i + 1 == steps));
        }
        return out;
    }

    Spec spec_;
};

int order(const Spec& spec) {
    return spec.flag("lower-order-final") ? 2 : static_cast<int>(spec.integer("order")) + 1;
}

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    integer_within(spec, "order", 2, 3, where);
    return std::make_unique<UniPc>(spec);
}

}  // namespace

SamplerFamily unipc() {
    return {
        {"unipc",
         "UniPC, data prediction: predictor and corrector from the same outputs",
         "Zhao et al. 2023 (UniPC), algs. 1-2",
         {{"order", SpecParam::Type::integer, "2",
           "order of the predictor, 2 or 3; with the corrector it converges with order + 1"},
          {"b", SpecParam::Type::choice, "bh2", "B(h): bh1 = -h, bh2 = exp(-h) - 1", {"bh1", "bh2"}},
          {"lower-order-final", SpecParam::Type::flag, "false",
           "order at most the number of steps left (the published default); converges with order 2 then"}}},
        "1",
        order,
        make};
}

}  // namespace schedbench::sampler_list
