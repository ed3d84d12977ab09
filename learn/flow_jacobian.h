// Products with the Jacobian of a map of batches whose rows do not see each other, and solves with its
// transpose.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace schedbench {

struct TransposedSolve {
    at::Tensor solution;  ///< like the right-hand side
    double residual = 0;  ///< largest |J^T z - b| / |b| over the rows
    int64_t iterations = 0;
};

/// J = d output / d input by autograd, [B, d] on both sides.
class FlowJacobian {
  public:
    /// output [B, ...] with a graph that reaches input [B, ...], a leaf that requires gradients.
    FlowJacobian(at::Tensor input, at::Tensor output);
    /// J^T u, one reverse pass. with_graph: itself differentiable with respect to the input.
    at::Tensor transposed(const at::Tensor& u, bool with_graph = false) const;
    /// J w, one reverse pass through the graph of J^T u (linear in u, so that its derivative by u is J).
    at::Tensor times(const at::Tensor& w) const;
    /// All of J with a graph, [B, d, d], by d reverse passes.
    at::Tensor dense() const;
    /// J^T z = b by conjugate gradients on J J^T z = J b, all rows at once, until every row has |J^T z - b|
    /// <= tolerance |b|. Error("number") at `where` if `iterations` do not get there.
    TransposedSolve solve_transposed(const at::Tensor& b, double tolerance, int64_t iterations,
                                     const std::string& where) const;
    /// Gradient with respect to the input of the sum of `value`; zeros where it does not depend on it.
    at::Tensor gradient(const at::Tensor& value) const;

  private:
    at::Tensor input_, output_;
    at::Tensor dual_, dual_product_;  ///< u and J^T u with a graph from u, for times()
};

}  // namespace schedbench
