#include "eval/features.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "core/error.h"

namespace schedbench {

namespace {
constexpr int64_t kBlockRows = 1024;
}

void check_features(const at::Tensor& features, const char* what) {
    if (!features.defined() || features.dim() != 2 || !features.is_floating_point() || features.size(0) < 1 ||
        features.size(1) < 1) {
        throw Error("shape", "expected floating-point features [n, d] with n >= 1", what);
    }
    if (!at::isfinite(features.sum()).item<bool>()) {
        const auto bad = at::isfinite(features).all(1).logical_not().nonzero();
        if (bad.size(0) == 0) return;  // only the sum overflowed
        throw Error("number", "row " + std::to_string(bad[0][0].item<int64_t>()) + " holds NaN or infinity",
                    what, "check the images that these features come from");
    }
}

FeatureSums::FeatureSums(int64_t dimension) : FeatureSums(at::zeros({dimension}, at::kDouble)) {}

FeatureSums::FeatureSums(const at::Tensor& shift)
    : FeatureSums(0, shift, at::zeros({shift.size(0)}, at::kDouble),
                  at::zeros({shift.size(0), shift.size(0)}, at::kDouble)) {}

FeatureSums::FeatureSums(int64_t n, at::Tensor shift, at::Tensor sum, at::Tensor outer)
    : n_(n),
      shift_(shift.to(at::kCPU, at::kDouble).clone()),
      sum_(sum.to(at::kCPU, at::kDouble).clone()),
      outer_(outer.to(at::kCPU, at::kDouble).clone()) {
    const bool fits = shift_.dim() == 1 && sum_.sizes() == shift_.sizes() && outer_.dim() == 2 &&
                      outer_.size(0) == shift_.size(0) && outer_.size(1) == shift_.size(0);
    if (!fits || n < 0)
        throw Error("shape", "expected n >= 0, shift [d], sum [d] and outer [d, d]", "feature sums");
}

void FeatureSums::accumulate(const at::Tensor& rows, double sign) {
    if (rows.dim() != 2 || rows.size(1) != dimension()) {
        throw Error("shape", "expected rows of " + std::to_string(dimension()) + " features", "feature sums");
    }
    if (rows.size(0) == 0) return;
    check_features(rows, "feature sums");
    const at::Tensor centred = rows.to(at::kCPU, at::kDouble) - shift_;
    sum_.add_(centred.sum(0), sign);
    outer_.addmm_(centred.t(), centred, 1, sign);
}

void FeatureSums::add(const at::Tensor& rows) {
    accumulate(rows, 1);
    n_ += rows.size(0);
}

void FeatureSums::remove(const at::Tensor& rows) {
    SCHEDBENCH_ASSERT(rows.size(0) <= n_);
    accumulate(rows, -1);
    n_ -= rows.size(0);
}

void FeatureSums::merge(const FeatureSums& other) {
    if (other.dimension() != dimension())
        throw Error("shape", "features of different dimension", "feature sums");
    // x - a = (x - b) + (b - a) for every sample of the other set.
    const at::Tensor delta = other.shift_ - shift_;
    const double count = static_cast<double>(other.n_);
    const at::Tensor cross = at::outer(delta, other.sum_);
    sum_.add_(other.sum_).add_(delta, count);
    outer_.add_(other.outer_).add_(cross).add_(cross.t()).add_(at::outer(delta, delta), count);
    n_ += other.n_;
}

at::Tensor FeatureSums::mean() const {
    if (n_ < 1) throw Error("number", "a mean needs at least one sample", "feature sums");
    return shift_ + sum_ / static_cast<double>(n_);
}

at::Tensor FeatureSums::covariance() const {
    if (n_ < 2) throw Error("number", "a covariance needs at least two samples", "feature sums");
    const at::Tensor centred = sum_ / static_cast<double>(n_);
    const at::Tensor matrix = (outer_ - at::outer(centred, sum_)) / static_cast<double>(n_ - 1);
    return (matrix + matrix.t()) / 2;
}

FeatureSums feature_sums(const at::Tensor& features) {
    check_features(features, "feature sums");
    const int64_t n = features.size(0);
    FeatureSums sums(features.narrow(0, 0, std::min(n, kBlockRows)).to(at::kCPU, at::kDouble).mean(0));
    for (int64_t start = 0; start < n; start += kBlockRows) {
        sums.add(features.narrow(0, start, std::min(kBlockRows, n - start)));
    }
    return sums;
}

}  // namespace schedbench
