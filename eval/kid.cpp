#include "eval/kid.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "eval/features.h"
#include "eval/numpy_random_state.h"

namespace schedbench {

namespace {

constexpr int64_t kTile = 1024;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double count(int64_t n) {
    return static_cast<double>(n);
}

void check_sets(const at::Tensor& generated, const at::Tensor& reference, const std::string& name) {
    check_features(generated, "generated features");
    check_features(reference, "reference features");
    if (generated.size(1) != reference.size(1)) {
        throw Error("shape",
                    "the two sets have different feature dimensions (" + std::to_string(generated.size(1)) +
                        " and " + std::to_string(reference.size(1)) + ")",
                    name, "compare features of one extractor");
    }
    if (generated.size(0) < 2 || reference.size(0) < 2)
        throw Error("number",
                    "needs at least two samples in each set, got " + std::to_string(generated.size(0)) +
                        " generated and " + std::to_string(reference.size(0)) + " of reference",
                    name);
}

/// Sums of k over all pairs of rows; over i != j only where both sets are one.
struct KernelSums {
    at::Tensor rows, columns;  ///< float64 [n], [m]
    double total = 0;          ///< sum of k
    double squares = 0;        ///< sum of k^2
    double diagonal = 0;       ///< sum of k(x_i, x_i), where both sets are one
};

KernelSums kernel_sums(const at::Tensor& x, const at::Tensor& y, bool same) {
    KernelSums out{at::zeros({x.size(0)}, at::kDouble), at::zeros({y.size(0)}, at::kDouble)};
    for (int64_t r = 0; r < x.size(0); r += kTile) {
        const int64_t height = std::min(kTile, x.size(0) - r);
        const at::Tensor left = x.narrow(0, r, height).to(at::kCPU, at::kDouble) / count(x.size(1));
        for (int64_t c = 0; c < y.size(0); c += kTile) {
            const int64_t width = std::min(kTile, y.size(0) - c);
            const at::Tensor inner =
                at::mm(left, y.narrow(0, c, width).to(at::kCPU, at::kDouble).t()).add_(1);
            const at::Tensor k = inner.square().mul_(inner);
            if (same && r == c) {
                out.diagonal += k.diagonal().sum().item<double>();
                k.diagonal().zero_();
            }
            out.rows.narrow(0, r, height).add_(k.sum(1));
            out.columns.narrow(0, c, width).add_(k.sum(0));
            out.squares += k.square().sum().item<double>();
        }
    }
    out.total = out.rows.sum().item<double>();
    return out;
}

double unbiased_of(const KernelSums& xx, const KernelSums& yy, const KernelSums& xy) {
    const double n = count(xx.rows.size(0)), m = count(yy.rows.size(0));
    return xx.total / (n * (n - 1)) + yy.total / (m * (m - 1)) - 2 * xy.total / (n * m);
}

double unbiased_of(const at::Tensor& x, const at::Tensor& y) {
    return unbiased_of(kernel_sums(x, x, true), kernel_sums(y, y, true), kernel_sums(x, y, false));
}

/// Variance of the second-order part of k within one set: U-centred (Szekely and Rizzo 2014), so that a row's
/// own mean and the grand mean are taken off without bias.
double centred_variance(const KernelSums& s) {
    const double n = count(s.rows.size(0));
    const double sum = s.squares - 2 * s.rows.square().sum().item<double>() / (n - 2) +
                       s.total * s.total / ((n - 1) * (n - 2));
    return std::max(0.0, sum / (n * (n - 3)));
}

/// The same between two sets: rows and columns centred.
double centred_variance_between(const KernelSums& s) {
    const double n = count(s.rows.size(0)), m = count(s.columns.size(0));
    const double sum = s.squares - s.rows.square().sum().item<double>() / m -
                       s.columns.square().sum().item<double>() / n + s.total * s.total / (n * m);
    return std::max(0.0, sum / ((n - 1) * (m - 1)));
}

std::vector<double> influence(const at::Tensor& own, const at::Tensor& across, int64_t others) {
    at::Tensor phi = 2 * (own / count(own.size(0) - 1) - across / count(others));
    phi = (phi - phi.mean()).contiguous();
    return {phi.data_ptr<double>(), phi.data_ptr<double>() + phi.numel()};
}

double variance(const std::vector<double>& values) {
    RunningMean running;
    for (double value : values) running.add(value);
    return running.variance();
}

}  // namespace

KidResult kid(const at::Tensor& generated, const at::Tensor& reference, const std::string& name) {
    check_sets(generated, reference, name);
    const KernelSums xx = kernel_sums(generated, generated, true),
                     yy = kernel_sums(reference, reference, true);
    const KernelSums xy = kernel_sums(generated, reference, false);
    const double n = count(generated.size(0)), m = count(reference.size(0));

    KidResult out;
    out.biased =
        (xx.total + xx.diagonal) / (n * n) + (yy.total + yy.diagonal) / (m * m) - 2 * xy.total / (n * m);
    out.influence = influence(xx.rows, xy.rows, reference.size(0));
    out.influence_ref = influence(yy.rows, xy.columns, generated.size(0));
    Estimate& e = out.unbiased;
    e.name = name;
    e.value = unbiased_of(xx, yy, xy);
    e.n = generated.size(0);
    e.estimand = "squared maximum mean discrepancy";
    e.method = "two-sample U-statistic, first and second order; reference sampled";
    const int64_t smaller = std::min(generated.size(0), reference.size(0));
    if (smaller < 4) {
        e.method += "; no error below four samples";
        e.warning = "fewer than four samples: no error";
        return out;
    }
    const double second = 2 * centred_variance(xx) / (n * n) + 2 * centred_variance(yy) / (m * m) +
                          4 * centred_variance_between(xy) / (n * m);
    const double plain = variance(out.influence) / n + variance(out.influence_ref) / m;
    e.se = std::sqrt(std::max(plain - second, second));
    if (smaller < 30) e.warning = "fewer than 30 samples: the error is rough";
    return out;
}

KidBlocks kid_blocks(const at::Tensor& generated, const at::Tensor& reference, int64_t block_size,
                     const std::string& name) {
    check_sets(generated, reference, name);
    const int64_t smaller = std::min(generated.size(0), reference.size(0));
    if (block_size < 2 || smaller / block_size < 2) {
        throw Error("option",
                    "two blocks of " + std::to_string(block_size) + " samples do not fit into " +
                        std::to_string(smaller),
                    name, "take blocks of 2 to " + std::to_string(smaller / 2) + " samples");
    }
    KidBlocks out;
    RunningMean running;
    for (int64_t start = 0; start + block_size <= smaller; start += block_size) {
        out.values.push_back(
            unbiased_of(generated.narrow(0, start, block_size), reference.narrow(0, start, block_size)));
        running.add(out.values.back());
    }
    Estimate& e = out.mean;
    e.name = name;
    e.value = running.mean;
    e.se = running.standard_error();
    e.n = running.n * block_size;
    e.estimand = "squared maximum mean discrepancy";
    e.method = "spread of " + std::to_string(running.n) + " disjoint blocks of " +
               std::to_string(block_size) + ", reference sampled";
    if (running.n < 10) e.warning = "fewer than 10 blocks: the error is rough";
    return out;
}

KidSubsets kid_torch_fidelity(const at::Tensor& generated, const at::Tensor& reference,
                              const at::Tensor& subsets, const std::string& name) {
    check_sets(generated, reference, name);
    if (!subsets.defined() || subsets.dim() != 3 || subsets.size(0) < 1 || subsets.size(1) != 2 ||
        subsets.size(2) < 2 || subsets.scalar_type() != at::kLong) {
        throw Error("option", "expected subsets as int64 [S, 2, size], S >= 1, size >= 2", name);
    }
    const std::pair<const at::Tensor*, const char*> sides[] = {{&generated, "generated"},
                                                               {&reference, "reference"}};
    for (int64_t side = 0; side < 2; ++side) {
        const at::Tensor rows = subsets.select(1, side);
        const int64_t lowest = rows.min().item<int64_t>(), highest = rows.max().item<int64_t>();
        const auto [features, what] = sides[side];
        if (lowest < 0 || highest >= features->size(0)) {
            throw Error("option",
                        "a subset names row " + std::to_string(lowest < 0 ? lowest : highest) + " of " +
                            std::to_string(features->size(0)) + " " + what + " rows",
                        name);
        }
    }
    KidSubsets out;
    RunningMean running;
    for (int64_t s = 0; s < subsets.size(0); ++s) {
        out.values.push_back(
            unbiased_of(generated.index_select(0, subsets[s][0]), reference.index_select(0, subsets[s][1])));
        running.add(out.values.back());
    }
    out.spread = std::sqrt(running.m2 / count(running.n));
    Estimate& e = out.mean;
    e.name = name;
    e.value = running.mean;
    e.se = kNaN;
    e.n = generated.size(0);
    e.estimand = "squared maximum mean discrepancy";
    e.method = "mean of " + std::to_string(running.n) + " overlapping subsets of " +
               std::to_string(subsets.size(2)) + ", whose spread gives no standard error";
    return out;
}

at::Tensor torch_fidelity_subsets(int64_t n, int64_t m, int64_t subsets, int64_t size, uint32_t seed) {
    if (subsets < 1 || size < 2 || size > n || size > m) {
        throw Error("option",
                    std::to_string(subsets) + " subsets of " + std::to_string(size) +
                        " cannot be drawn without replacement from " + std::to_string(n) + " and " +
                        std::to_string(m) + " samples",
                    "kid[torch-fidelity]",
                    "take at least one subset of 2 to " + std::to_string(std::min(n, m)) + " samples");
    }
    NumpyRandomState random(seed);
    const at::Tensor out = at::empty({subsets, 2, size}, at::kLong);
    int64_t* next = out.data_ptr<int64_t>();
    for (int64_t s = 0; s < subsets; ++s) {
        for (const int64_t rows : {n, m}) {
            const auto chosen = random.choice(rows, size);
            next = std::copy(chosen.begin(), chosen.end(), next);
        }
    }
    return out;
}

}  // namespace schedbench
