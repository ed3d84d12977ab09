#include "samplers/langevin.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace schedbench {

namespace {

/// [B, 1, ..] Euclidean norm of each sample.
at::Tensor sample_norms(const at::Tensor& x) {
    std::vector<int64_t> column(static_cast<size_t>(x.dim()), 1);
    column[0] = x.size(0);
    return x.flatten(1).norm(2, 1).reshape(column);
}

}  // namespace

at::Tensor StepDraws::next() {
    const uint32_t k = drawn_++;
    return (k == 0 ? noise_.step(step_) : noise_.extra(step_, k)).to(at::kDouble);
}

at::Tensor langevin(at::Tensor x, const KnotWalk& walk, int k, LangevinRule rule, double snr, int count,
                    StepDraws& draws) {
    const double level = walk.level(k);
    SCHEDBENCH_ASSERT(level > 0);
    for (int i = 0; i < count; ++i) {
        const at::Tensor score = at::sub(walk.denoised(x, k), x).div_(level * level);
        const at::Tensor z = draws.next();
        if (rule == LangevinRule::level) {
            const double eps = 2 * (snr * level) * (snr * level);
            x.add_(score, eps).add_(z, std::sqrt(2 * eps));
        } else {
            const at::Tensor eps = 2 * (snr * sample_norms(z) / sample_norms(score)).square();
            x.addcmul_(score, eps).addcmul_(z, at::sqrt(2 * eps));
        }
    }
    return x;
}

double checked_snr(const Spec& completed, const std::string& where) {
    const double snr = completed.number("snr");
    if (!(snr > 0 && std::isfinite(snr)))
        throw Error(
            "spec",
            "key \"snr\" of " + completed.name + " must be positive and finite, not " + format_number(snr),
            where);
    return snr;
}

int checked_langevin_steps(const Spec& completed, const char* key, const std::string& where) {
    const long long steps = completed.integer(key);
    if (steps < 1 || steps > 4095)
        throw Error("spec",
                    std::string("key \"") + key + "\" of " + completed.name +
                        " must be from 1 to 4095, not " + std::to_string(steps),
                    where);
    return static_cast<int>(steps);
}

}  // namespace schedbench
