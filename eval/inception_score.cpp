#include "eval/inception_score.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "eval/features.h"
#include "eval/numpy_random_state.h"

namespace schedbench {

namespace {

InceptionScore score_of(const at::Tensor& logits, int64_t splits, const std::string& name) {
    const int64_t n = logits.size(0);
    InceptionScore out;
    RunningMean scores;
    for (int64_t s = 0; s < splits; ++s) {
        const int64_t begin = n * s / splits, rows = n * (s + 1) / splits - begin;
        const at::Tensor log_p = at::log_softmax(logits.narrow(0, begin, rows).to(at::kCPU, at::kDouble), 1);
        const at::Tensor p = log_p.exp();
        // Classes that underflow to 0 everywhere add nothing: 0 log 0 = 0.
        const at::Tensor log_mean = p.mean(0).clamp_min(1e-300).log();
        const at::Tensor divergence = (p * (log_p - log_mean)).sum(1);
        const double mean = divergence.mean().item<double>(), score = std::exp(mean);
        out.splits.push_back(score);
        scores.add(score);
        const double weight = score * static_cast<double>(n) / static_cast<double>(splits * rows);
        const double* values = divergence.data_ptr<double>();
        for (int64_t i = 0; i < rows; ++i) out.influence.push_back(weight * (values[i] - mean));
    }
    RunningMean phi;
    for (double value : out.influence) phi.add(value);
    out.spread = std::sqrt(scores.m2 / static_cast<double>(splits));
    Estimate& e = out.score;
    e.name = name;
    e.value = scores.mean;
    e.se = phi.standard_error();
    e.n = n;
    e.estimand =
        "Inception score of " + std::to_string(splits) + (splits == 1 ? " split" : " splits") + " at this n";
    e.method = "influence function";
    if (n / splits < 10 * logits.size(1)) {
        e.warning = "fewer than 10 samples a class and split: the score depends on their number";
    }
    return out;
}

void check(const at::Tensor& logits, int64_t splits, const std::string& name) {
    check_features(logits, "logits");
    if (logits.size(1) < 2) throw Error("shape", "expected logits of at least two classes", name);
    if (splits < 1 || logits.size(0) / splits < 2) {
        throw Error("option",
                    std::to_string(logits.size(0)) + " samples cannot be cut into " + std::to_string(splits) +
                        " splits of at least two",
                    name, "take more samples or fewer splits");
    }
}

}  // namespace

InceptionScore inception_score(const at::Tensor& logits, int64_t splits, const std::string& name) {
    check(logits, splits, name);
    InceptionScore out = score_of(logits, splits, name);
    out.score.method += ", splits of consecutive samples";
    return out;
}

InceptionScore inception_score_torch_fidelity(const at::Tensor& logits, std::span<const int64_t> permutation,
                                              int64_t splits, const std::string& name) {
    check(logits, splits, name);
    const size_t n = static_cast<size_t>(logits.size(0));
    std::vector<bool> seen(n, false);
    for (const int64_t row : permutation) {
        const bool fits = row >= 0 && row < logits.size(0) && !seen[static_cast<size_t>(row)];
        if (!fits) throw Error("option", "row " + std::to_string(row) + " comes twice or is none", name);
        seen[static_cast<size_t>(row)] = true;
    }
    if (permutation.size() != n) {
        throw Error("option",
                    "the permutation has " + std::to_string(permutation.size()) + " rows, the logits have " +
                        std::to_string(n),
                    name);
    }
    const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(permutation.data(), n), at::kLong);
    InceptionScore out = score_of(logits.index_select(0, order.to(logits.device())), splits, name);
    out.score.method += ", splits of permuted samples";
    std::vector<double> by_row(n);
    for (size_t i = 0; i < n; ++i) by_row[static_cast<size_t>(permutation[i])] = out.influence[i];
    out.influence = std::move(by_row);
    return out;
}

std::vector<int64_t> torch_fidelity_permutation(int64_t n, uint32_t seed) {
    return NumpyRandomState(seed).permutation(n);
}

}  // namespace schedbench
