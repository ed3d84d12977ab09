// Inception score (Salimans et al. 2016, arXiv 1606.03498): exp of the mutual information between image and
// class, IS = exp(mean_i KL(p_i || mean p)), p_i the softmax of the logits (without bias) over all classes.
// The images are cut into splits and the scores averaged; so the score depends on n / splits, and only scores
// of equal numbers compare.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/estimate.h"

namespace schedbench {

struct InceptionScore {
    Estimate score;              ///< the mean over splits
    std::vector<double> splits;  ///< one score a split
    double spread = 0;           ///< population SD over the splits, which tools print as "std"; not an error
    std::vector<double> influence;  ///< [n] phi of each sample, by row of the logits as given; mean 0
};

/// logits: [n, classes], in sample order; split s holds rows s n/S .. (s+1) n/S - 1, not shuffled. In a split
/// of n_s rows with score I_s the influence of row i is I_s (KL_i - mean KL) n / (S n_s): the change of the
/// mean p drops out to first order. SE = sd(phi)/sqrt(n); it is of this score at this n, not of its limit.
/// Error("shape") unless [n, classes >= 2] floating point, Error("number") for NaN or infinity,
/// Error("option") unless splits >= 1 and every split has two rows.
InceptionScore inception_score(const at::Tensor& logits, int64_t splits = 10, const std::string& name = "is");

/// The convention of torch-fidelity: rows permutation[0], permutation[1], ... are split instead.
/// Error("option") unless `permutation` is one of 0 .. n - 1.
InceptionScore inception_score_torch_fidelity(const at::Tensor& logits, std::span<const int64_t> permutation,
                                              int64_t splits = 10,
                                              const std::string& name = "is[torch-fidelity]");
/// The permutation that torch-fidelity draws (numpy RandomState(seed).permutation(n)).
std::vector<int64_t> torch_fidelity_permutation(int64_t n, uint32_t seed = 2020);

}  // namespace schedbench
