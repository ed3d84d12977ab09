// One step of the reverse SDE with noise factor eta, where D is constant (Lu et al. 2022, arXiv 2211.01095,
// eq. 18), from a = sigma_i to b = sigma_{i+1}, h = ln(a / b):
//
//     x' = keep x + share D + noise z,     keep = (b / a) e^{-eta h} = e^{-(1 + eta) h},     share = 1 -
//     keep, noise = b sqrt(1 - e^{-2 eta h})
//
// h is infinite for b = 0: keep = noise = 0, share = 1.
#pragma once

#include <cmath>
#include <string>

#include "core/error.h"
#include "samplers/linear_multistep.h"

namespace schedbench {

struct ExponentialSdeStep {
    double h, keep, share, noise;
    ExponentialSdeStep(double a, double b, double eta)
        : h(std::log(a / b)),
          keep(std::exp(-(1 + eta) * h)),
          share(-std::expm1(-(1 + eta) * h)),
          noise(eta > 0 ? b * std::sqrt(-std::expm1(-2 * eta * h)) : 0) {}
};

/// eta of a completed spec; Error("spec") unless it is finite and not negative.
inline double checked_sde_eta(const Spec& spec, const std::string& where) {
    const double eta = spec.number("eta");
    if (!(eta >= 0 && std::isfinite(eta)))
        throw Error(
            "spec",
            "key \"eta\" of " + spec.name + " must be finite and not negative, not " + format_number(eta),
            where);
    return eta;
}

}  // namespace schedbench
