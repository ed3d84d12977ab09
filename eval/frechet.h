// The Frechet distance between two sets of features, with its error bar: at this n (what every tool prints)
// and with the finite-sample bias taken off, each as an Estimate, plus the influence of every sample, from
// which paired differences of stored runs follow without their features.
//
// F = |mu1 - mu2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2), covariances with denominator n - 1, float64
// throughout. Set 1 is generated, set 2 the reference. Called `fid` only on features of the 2015 Inception
// network, else `fd-<extractor>` (Extractor::frechet_name()).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "eval/features.h"
#include "eval/transport.h"

namespace schedbench {

/// What Estimate::warning begins with where n is too small for the theory, so that value +- se is no
/// interval.
inline constexpr const char* kUnreliable = "unreliable: ";

enum class ReferenceRole {
    exact,    ///< the reference set is the population itself: error and bias of the generated samples only
    sampled,  ///< the reference is a sample of a population: its error and bias count as well
};

enum class DebiasMethod {
    fourth_moment,  ///< closed form with the features' own fourth moments; the default
    gaussian,       ///< closed form for Gaussian features: too small a correction on real ones
    jackknife,  ///< delete-block jackknife over the generated samples, fourth_moment for a sampled reference
};

struct FrechetOptions {
    std::string name = "fd";
    ReferenceRole reference = ReferenceRole::sampled;
    DebiasMethod debias = DebiasMethod::fourth_moment;
    int64_t jackknife_blocks = 100;  ///< at least 100 (fewer where n is smaller: then one sample a block)
};

/// A reference: its moments, and its features where they are at hand.
struct FrechetReference {
    Moments moments;
    /// [m, d], or undefined: then no influence_ref, and the Gaussian form for its share of the bias.
    at::Tensor features{};

    static FrechetReference of_features(const at::Tensor& features);
    static FrechetReference of_moments(Moments moments);
};

/// Bias of F at n (generated) and m (reference) samples.
struct FrechetBias {
    double generated = 0;  ///< falls off as 1/n
    double reference = 0;  ///< falls off as 1/m; 0 for an exact reference
    double total() const { return generated + reference; }
};

struct FrechetResult {
    Estimate at_n;                  ///< estimand "Frechet distance at this n"
    Estimate debiased;              ///< estimand "Frechet distance, bias removed"
    std::vector<double> influence;  ///< [n] phi of each generated sample, mean about 0
    std::vector<double>
        influence_ref;              ///< [m] psi of each reference sample; empty if exact or without features
    double se_exact_reference = 0;  ///< sd(phi) / sqrt(n)
    double se_sampled_reference = 0;  ///< sqrt(var(phi)/n + var(psi)/m); NaN where psi is not known
    double null_sd =
        0;  ///< SD of at_n if both sets came from one Gaussian population: compare bias + z null_sd with at_n
    FrechetBias bias;
    Transport parts;  ///< the terms of the distance
};

/// The distance alone. Throws Error("shape") and Error("number").
double frechet_distance(const Moments& generated, const Moments& reference);
/// From features [n, d] and [m, d]: exact also where n or m is at most d.
double frechet_distance(const at::Tensor& generated, const at::Tensor& reference);

/// Samples a feature from which on the correction of the bias is safe.
constexpr int64_t kSafeSamplesPerFeature = 16;

/// Everything. generated: [n, d], n >= 2, in sample order. Estimate::warning is set below n = 16 d (the bias
/// formula is not safe: the interval of the debiased value is unreliable) and below n = 4 d (neither value
/// nor error is: both intervals are); the reference counts where it is a sample.
FrechetResult frechet(const at::Tensor& generated, const FrechetReference& reference,
                      const FrechetOptions& options = {});

struct JackknifeResult {
    double debiased = 0;           ///< G F - (G - 1) mean_g F_(-g)
    double se = 0;                 ///< sqrt((G - 1)/G sum_g (F_(-g) - mean)^2): rough where G is small
    std::vector<double> left_out;  ///< F_(-g), in the order of the blocks
};
/// Delete-block jackknife: the generated rows in `blocks` blocks of consecutive rows (sizes differ by at most
/// 1), one left out at a time, reference fixed. Error("option") unless 2 <= blocks <= n.
JackknifeResult frechet_jackknife(const at::Tensor& generated, const FrechetReference& reference,
                                  int64_t blocks);

}  // namespace schedbench
