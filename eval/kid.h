// Kernel Inception distance (Binkowski et al. 2018, arXiv 1801.01401): the squared maximum mean discrepancy
// between two sets of features under k(x, y) = (x.y/d + 1)^3, in the unbiased form
//     MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j),
// which may be negative. float64 throughout, in tiles: memory does not grow with n m. Set 1 (x) is generated,
// set 2 (y) the reference.
//
// Common errors: Error("shape") for sets of different dimension, Error("number") for NaN, infinity or fewer
// than two rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/estimate.h"

namespace schedbench {

struct KidResult {
    Estimate unbiased;  ///< se: see kid()
    double biased = 0;  ///< the same with the pairs i = j: never negative, too large by O(1/n + 1/m)
    std::vector<double> influence;      ///< [n] phi of each generated sample, mean 0
    std::vector<double> influence_ref;  ///< [m] psi of each reference sample
};

/// All rows of both sets. With phi_i = 2 (mean_{j != i} k(x_i, x_j) - mean_j k(x_i, y_j)), psi mirrored, and
/// q = 2 sxx/n^2 + 2 syy/m^2 + 4 sxy/(n m) the second-order part (s: variance of the doubly centred kernel),
///     SE^2 = var(phi)/n + var(psi)/m - q,  at least q  (Hoeffding's decomposition of a U-statistic):
/// the plain sum of the first two counts the second order twice, which matters where the sets are nearly of
/// one population. There it still errs on the large side, by a factor of 1 (many equal directions) to 1.4
/// (one that dominates the kernel), as the value is then not normal. SE is NaN below four rows a set.
KidResult kid(const at::Tensor& generated, const at::Tensor& reference, const std::string& name = "kid");

struct KidBlocks {
    Estimate mean;               ///< se = sd(values)/sqrt(number of blocks)
    std::vector<double> values;  ///< one a block
};
/// The mean over disjoint blocks of consecutive rows, block b of the one set against block b of the other;
/// rows that fill no block are left out. Blocks are independent, so the error is real. Error("option") unless
/// block_size >= 2 and at least two blocks fit into both sets.
KidBlocks kid_blocks(const at::Tensor& generated, const at::Tensor& reference, int64_t block_size = 1000,
                     const std::string& name = "kid-blocks");

struct KidSubsets {
    Estimate mean;               ///< se NaN: subsets overlap, their spread is not the error of the mean
    double spread = 0;           ///< population SD over subsets, which tools print as "std"
    std::vector<double> values;  ///< one a subset
};
/// The convention of torch-fidelity: the mean over given subsets of rows. subsets: int64 [S, 2, size], rows
/// of set 1 and of set 2. Error("option") for rows that do not exist or fewer than two of them.
KidSubsets kid_torch_fidelity(const at::Tensor& generated, const at::Tensor& reference,
                              const at::Tensor& subsets, const std::string& name = "kid[torch-fidelity]");
/// The subsets that torch-fidelity draws (0.4: numpy RandomState(seed), set 1 then set 2, without
/// replacement). Its defaults are the default here. Error("option") if size exceeds n or m.
at::Tensor torch_fidelity_subsets(int64_t n, int64_t m, int64_t subsets = 100, int64_t size = 1000,
                                  uint32_t seed = 2020);

}  // namespace schedbench
