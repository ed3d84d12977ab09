// Sums over feature vectors, from which mean and covariance follow: mergeable, so they are what a store
// keeps. Features are float32, sums float64: raw moments in float32 lose 3e-5 of the covariance.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace schedbench {

/// What a Frechet distance needs of one set.
struct Moments {
    at::Tensor mean;        ///< float64 [d]
    at::Tensor covariance;  ///< float64 [d, d], denominator n - 1
    int64_t n = 0;          ///< samples behind it; 0 = known exactly (a population)
};

/// n, sum of (x - shift) and sum of (x - shift)(x - shift)^T, all float64 on the CPU. The shift is fixed from
/// the start and only keeps the sums well conditioned where the mean is far from 0; it changes no result
/// beyond rounding.
class FeatureSums {
  public:
    explicit FeatureSums(int64_t dimension);  ///< shift 0
    explicit FeatureSums(const at::Tensor& shift);
    FeatureSums(int64_t n, at::Tensor shift, at::Tensor sum,
                at::Tensor outer);  ///< as stored; Error("shape")
    // Tensors are handles: a copy must not share what add() changes in place.
    FeatureSums(const FeatureSums& other) : FeatureSums(other.n_, other.shift_, other.sum_, other.outer_) {}
    FeatureSums(FeatureSums&&) = default;
    FeatureSums& operator=(FeatureSums other) {
        std::swap(n_, other.n_), std::swap(shift_, other.shift_);
        std::swap(sum_, other.sum_), std::swap(outer_, other.outer_);
        return *this;
    }

    /// Adds rows [B, d] (float32 or float64) in one matrix product. The last bits of the sums depend on how
    /// the rows are cut into calls; feature_sums() always cuts in the same way. Error("shape"),
    /// Error("number") for a row with NaN or infinity, which it names.
    void add(const at::Tensor& rows);
    /// Takes off rows that were added before (leave-one-block-out).
    void remove(const at::Tensor& rows);
    /// Adds the samples of another set of the same dimension; another shift is translated exactly.
    void merge(const FeatureSums& other);

    int64_t n() const { return n_; }
    int64_t dimension() const { return shift_.size(0); }
    const at::Tensor& shift() const { return shift_; }
    const at::Tensor& sum() const { return sum_; }
    const at::Tensor& outer() const { return outer_; }

    /// [d]; Error("number") for n < 1.
    at::Tensor mean() const;
    /// [d, d], denominator n - 1 as in every tool but StyleGAN's; Error("number") for n < 2.
    at::Tensor covariance() const;
    Moments moments() const { return {mean(), covariance(), n_}; }

  private:
    void accumulate(const at::Tensor& rows, double sign);
    int64_t n_ = 0;
    at::Tensor shift_, sum_, outer_;
};

/// Sums of features [n, d] in sample order, in blocks of 1024 rows; shift = mean of the first block. So equal
/// features give equal bits, whoever made them in whatever pieces.
FeatureSums feature_sums(const at::Tensor& features);

/// Error("shape") unless [n, d] floating point with n >= 1, Error("number") naming the first row that is not
/// finite.
void check_features(const at::Tensor& features, const char* what);

}  // namespace schedbench
