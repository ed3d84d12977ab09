// bits/dim of paths through the levels of a chain, with error bars over images: what tables mix up is
// separate here, the reverse variance, the decoder, its variance in the first step, and (in the statistics)
// the clip rule and the data.
//
// The terms of one image along a path share the image (and are correlated over t), so the error is taken of
// per-image totals, which the kept per-image terms give: each is linear in that image's squared errors. The
// learned variance has too many terms to keep for each image; its error is taken over lanes of images.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "likelihood/denoising_statistics.h"
#include "schedules/elbo_cost.h"

namespace schedbench {

std::string first_step_name(FirstStepRule rule);  ///< "table", "path", "optimal"
/// Error("spec") for another name.
FirstStepRule parse_first_step(const std::string& name, const std::string& where);

struct BoundRule {
    ElboVariance variance = ElboVariance::posterior;
    FirstStepRule first_step = FirstStepRule::table;
    DecoderKind decoder = DecoderKind::tanh;
};

struct PathBound {
    std::vector<int> path;  ///< t_1 < ... < t_K
    BoundRule rule;
    Estimate bits_per_dim;          ///< total; log2(127.5) is in it for the `density` decoder
    double first_variance = 0;      ///< of the decoder; NaN where it differs between elements
    double decoder = 0, prior = 0;  ///< bits/dim
    std::vector<double> edges;      ///< [K-1] bits/dim, edges[k] from path[k+1] to path[k]
    std::vector<double> per_image;  ///< [n] bits/dim, or empty where they are not known
};

/// Bounds of one set of statistics under one rule. The statistics must outlive it.
///
/// Variances that are fitted to data (corrected analytic, analytic, and the optimal one of the first step) take
/// M_t and Gamma_t from `fitted_on`, so that test data are not scored with variances fitted to themselves; null:
/// from the statistics themselves.
///
/// N_t is exact for the decoder that was measured with the variance `table`, and for `density` always.
/// Otherwise it comes from the law of the errors, to 1e-4 bits; best() looks it up in a table over ln v
/// first, to about 1e-3 nats where v is much smaller than M_t and N_t is huge, so that only the choice of a
/// path can feel it.
class PathBounds {
  public:
    /// Error("run") for what the statistics lack; Error("number") for values that cannot be statistics.
    PathBounds(const DenoisingStatistics& statistics, const BoundRule& rule,
               const DenoisingStatistics* fitted_on = nullptr);
    ~PathBounds();

    /// Error("number") for a path that is empty, does not rise, leaves 1..T, or has one node where two are
    /// needed.
    PathBound bound(const std::vector<int>& path) const;
    /// The best path to T with exactly this many steps. The first call solves for `most` steps (or `steps`,
    /// if more).
    std::vector<int> best(int steps, int most = 0) const;
    double decoder_nats(int t, double variance) const;  ///< N_t of the rule's decoder

  private:
    struct Tables;
    bool exact_table() const;
    FirstStep first_step(bool for_search) const;
    void per_image_error(PathBound& out) const;
    void lane_error(PathBound& out) const;

    const DenoisingStatistics& statistics_;
    BoundRule rule_;
    NoiseProcess process_;
    ElboChain chain_;
    std::unique_ptr<Tables> tables_;
};

PathBound path_bound(const DenoisingStatistics& statistics, ElboVariance variance,
                     const std::vector<int>& path);

}  // namespace schedbench
