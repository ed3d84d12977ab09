// Churn (Karras et al. 2022, arXiv 2206.00364, alg. 2): noise that takes x up to a higher level before a
// step,
//
//     ahat = a (1 + gamma),     xhat = x + sqrt(ahat^2 - a^2) s_noise z,     s_min <= a <= s_max
#pragma once

#include <ATen/ATen.h>

#include <cmath>

#include "samplers/knot_walk.h"

namespace schedbench {

struct Churn {
    double gamma = 0;                     ///< 0 = none
    double low = 0, high = 0, noise = 1;  ///< s_min, s_max, s_noise

    /// Takes x at knot i up, with draw i; the level it is at then. On a discrete process that is rounded to
    /// the table, which may leave no room: x then stays where it is.
    LocatedLevel apply(at::Tensor& x, const KnotWalk& walk, const BlockNoise& draws, int i) const {
        const double a = walk.level(i);
        if (!(gamma > 0 && a >= low && a <= high)) return walk.knot(i);
        const LocatedLevel hat = walk.locate(a * (1 + gamma));
        if (!(hat.level > a)) return walk.knot(i);
        const double added = std::sqrt((hat.level - a) * (hat.level + a)) * noise;
        x.add_(draws.step(static_cast<uint32_t>(i)).to(at::kDouble), added);
        return hat;
    }
};

}  // namespace schedbench
