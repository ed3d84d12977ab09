#include "learn/flow_jacobian.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

at::Tensor row_dot(const at::Tensor& a, const at::Tensor& b) {
    return (a * b).sum(1, /*keepdim=*/true);
}

/// d output / d input contracted with `weight`; zeros like the input where there is no dependence.
at::Tensor contracted(const at::Tensor& output, const at::Tensor& input, const at::Tensor& weight,
                      bool with_graph) {
    if (!output.requires_grad()) return at::zeros_like(input);
    const at::Tensor out =
        torch::autograd::grad({output}, {input}, {weight}, /*retain_graph=*/true, with_graph,
                              /*allow_unused=*/true)[0];
    return out.defined() ? out : at::zeros_like(input);
}

}  // namespace

FlowJacobian::FlowJacobian(at::Tensor input, at::Tensor output)
    : input_(std::move(input)), output_(std::move(output)) {
    SCHEDBENCH_ASSERT(input_.requires_grad() && input_.numel() == output_.numel());
    dual_ = at::zeros_like(output_).requires_grad_(true);
    dual_product_ = contracted(output_, input_, dual_, /*with_graph=*/true);
}

at::Tensor FlowJacobian::transposed(const at::Tensor& u, bool with_graph) const {
    return contracted(output_, input_, u.reshape(output_.sizes()), with_graph).flatten(1);
}

at::Tensor FlowJacobian::times(const at::Tensor& w) const {
    return contracted(dual_product_, dual_, w.reshape(input_.sizes()), false).flatten(1);
}

at::Tensor FlowJacobian::dense() const {
    const at::Tensor flat = output_.flatten(1);
    std::vector<at::Tensor> rows;
    for (int64_t k = 0; k < flat.size(1); ++k) {
        at::Tensor unit = at::zeros_like(flat);
        unit.select(1, k).fill_(1);
        rows.push_back(transposed(unit, /*with_graph=*/true));
    }
    return at::stack(rows, 1);
}

at::Tensor FlowJacobian::gradient(const at::Tensor& value) const {
    return contracted(value, input_, at::ones_like(value), false).flatten(1).detach();
}

TransposedSolve FlowJacobian::solve_transposed(const at::Tensor& b, double tolerance, int64_t iterations,
                                               const std::string& where) const {
    const at::Tensor limit = tolerance * at::sqrt(row_dot(b, b)).clamp_min(1e-300);
    at::Tensor z = b.clone(), r = b - transposed(z), s = times(r), p = s.clone(), gamma = row_dot(s, s);
    TransposedSolve out;
    const auto reached = [&] { return (at::sqrt(row_dot(r, r)) <= limit).all().item<bool>(); };
    while (!reached() && out.iterations < iterations) {
        const at::Tensor q = transposed(p);
        const at::Tensor square = row_dot(q, q);
        // A row that has arrived stands still: 0/0 there is no step.
        const at::Tensor step = at::where(square > 0, gamma / square, at::zeros_like(gamma));
        z = z + step * p;
        r = r - step * q;
        s = times(r);
        const at::Tensor next = row_dot(s, s);
        p = s + at::where(gamma > 0, next / gamma, at::zeros_like(gamma)) * p;
        gamma = next;
        ++out.iterations;
    }
    const at::Tensor error = b - transposed(z);  // the true residual, not the recursion's
    out.residual = (at::sqrt(row_dot(error, error)) / limit * tolerance).max().item<double>();
    // Rounding of float32 networks keeps the true residual somewhat above the recursion's.
    if (!(out.residual <= 10 * tolerance))
        throw Error("number",
                    "the inverse Jacobian of the predictor step was not found: residual " +
                        format_number(out.residual) + " after " + std::to_string(out.iterations) +
                        " iterations",
                    where,
                    "the step folds space, is too wide, or the network is rounded to bfloat16: use a smaller "
                    "spacing, --profile reproducible, or cost=corrector");
    out.solution = z;
    return out;
}

}  // namespace schedbench
