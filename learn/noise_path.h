// A point of the forward process x_t = s x_0 + sigma n, in the variance-exploding or the variance-preserving
// form, and the score of its marginal. Costs between two levels compare scores at the *same* x, so they
// differ between the two forms, although the networks behind them are the same.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "models/denoiser.h"

namespace schedbench {

enum class PathForm {
    ve,  ///< s = 1, sigma = the level; time = sigma
    vp,  ///< s = cos, sigma = sin of time = arctan(level), so sigma^2 = 1 - abar
};
PathForm parse_path_form(const std::string& name, const std::string& where);  ///< ve, vp; Error("spec")

struct PathPoint {
    LocatedLevel located;  ///< how the network is asked
    PathForm form = PathForm::ve;
    double scale = 1, sigma = 0, time = 0;
};
/// level > 0.
PathPoint path_point(PathForm form, const LocatedLevel& located);

/// s x0 + sigma z; z of the ids under purpose `probe`, as noised() of probe_source.h.
at::Tensor noised_at(const at::Tensor& x0, const PathPoint& point, uint64_t seed,
                     std::span<const int64_t> ids, uint32_t draw);

/// grad log p_t(x) = (s D(x/s; level) - x) / sigma^2, float64, like x. Of an exact target its own closed
/// form, which does not cancel at small levels. Keeps the graph of x, if there is one.
at::Tensor path_score(const Denoiser& denoiser, const at::Tensor& x, const PathPoint& point,
                      const at::Tensor& labels);

/// The velocity v of the corrector (Williams et al. 2024, section 3.3; the squares weight the costs).
struct Velocity {
    enum class Kind {
        entered,    ///< sigma(t') of the level that is entered (the paper's choice)
        left,       ///< sigma(t) of the level that is left
        geometric,  ///< v^2 = sigma(t) sigma(t')
        one,        ///< v = 1
        data,       ///< v^2 = c^2 + sigma(t')^2
    };
    Kind kind = Kind::entered;
    double c = 0.5;  ///< of `data` only
    double squared(const PathPoint& entered, const PathPoint& left) const;
};
Velocity parse_velocity(const std::string& name, double c,
                        const std::string& where);  ///< Error("spec"), ("number")

}  // namespace schedbench
