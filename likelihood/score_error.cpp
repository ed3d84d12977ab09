#include "likelihood/score_error.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "likelihood/probe_source.h"

namespace schedbench {

ScoreError score_error(const Denoiser& model, const ExactTarget& target, int levels, int64_t draws,
                       uint64_t seed) {
    SCHEDBENCH_ASSERT(levels >= 2 && draws >= 2);
    const int64_t size = c10::multiply_integers(model.shape()), wanted = c10::multiply_integers(target.shape());
    if (size != wanted)
        throw Error("shape",
                    "its samples have " + std::to_string(size) + " elements, not the " + std::to_string(wanted) +
                        " of " + target.spec(),
                    model.spec());
    std::vector<int64_t> sizes = model.shape();
    sizes.insert(sizes.begin(), draws);
    const c10::NoGradGuard no_grad;
    const NoiseProcess &a = model.process(), &b = target.process();
    const double low = std::log(std::max(a.sigma_min(), b.sigma_min())),
                 high = std::log(std::min(a.sigma_max(), b.sigma_max()));
    std::vector<int64_t> ids(static_cast<size_t>(draws));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i);
    const at::Tensor x0 = target.sample_data({seed, NoisePurpose::selection}, ids);

    ScoreError out;
    out.at_level.resize(static_cast<size_t>(levels));
    at::Tensor integral = at::zeros({draws}, at::kDouble);
    const double step = (high - low) / (levels - 1);
    for (int l = 0; l < levels; ++l) {
        const double sigma = std::exp(low + step * l);
        out.sigma.push_back(sigma);
        const at::Tensor x = noised(x0, sigma, seed, ids, static_cast<uint32_t>(l));
        const at::Tensor level = at::full({draws}, sigma, at::kDouble);
        const LocatedLevel located = a.locate(sigma, TimeRule::fractional);
        const at::Tensor time = at::full({draws}, located.model_time, at::kDouble);
        const at::Tensor
            learned =
                model(x.reshape(sizes).to(at::kFloat), level, time, {}).x0.to(at::kDouble).reshape(x.sizes()),
            exact = target(x, level, time, {}).x0;
        const at::Tensor value = (((learned - exact) / sigma).square().flatten(1).sum(1)).contiguous();
        const double* values = value.const_data_ptr<double>();
        for (int64_t i = 0; i < draws; ++i) {
            if (!std::isfinite(values[i]))
                throw Error("number", "returns what is not finite at level " + std::to_string(sigma),
                            model.spec());
            out.at_level[static_cast<size_t>(l)].add(values[i]);
        }
        integral += value * (step * (l == 0 || l + 1 == levels ? 0.5 : 1.0));
    }
    for (int64_t i = 0; i < draws; ++i) out.total.add(integral.const_data_ptr<double>()[i]);
    return out;
}

}  // namespace schedbench
