// The schedule that is optimal in KL for Euler steps on Gaussian data with a given covariance spectrum:
// arctan for more than one eigenvalue (covariance_spectrum.h).
#include "core/error.h"
#include "schedules/covariance_spectrum.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

CovarianceSpectrum spectrum_of(const FamilyContext& c) {
    auto listed = [&](const char* key) { return c.spec.find(key)->kind == SpecValue::Kind::list; };
    const std::string& file = c.spec.text("file");
    if (listed("stds") == !file.empty())
        throw Error(
            "spec", "kl-spectrum needs either stds=[...] or file=FILE", c.where,
            "for example kl-spectrum:stds=[0.1,1],weights=[3,1], or a file that schedbench spectrum wrote");
    if (!file.empty() && listed("weights"))
        throw Error("spec", "weights=[...] belongs to stds=[...]; a file has its own", c.where,
                    "leave it away");
    if (!file.empty()) return CovarianceSpectrum::read(file);
    CovarianceSpectrum out;
    out.stds = c.spec.numbers("stds");
    out.weights = listed("weights") ? c.spec.numbers("weights") : std::vector<double>(out.stds.size(), 1);
    out.check(c.where);
    return out;
}

std::vector<double> levels(const FamilyContext& c) {
    const SpectrumDensity density(spectrum_of(c), c.sigma_min, c.sigma_max, c.where);
    std::vector<double> out(static_cast<size_t>(c.count), c.sigma_max);
    for (int i = 1; i < c.count; ++i)
        out[static_cast<size_t>(i)] =
            i + 1 == c.count ? c.sigma_min : density.level(static_cast<double>(i) / (c.count - 1));
    return out;
}

}  // namespace

ScheduleFamily kl_spectrum() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {
        "kl-spectrum",
        "KL-optimal for Euler steps on Gaussian data with this covariance spectrum (arctan for one std)",
        "extends Sabour et al. 2024 (AYS), theorem 3.1",
        {{"stds", Type::numbers, "", "standard deviations of the data along its principal axes"},
         {"weights", Type::numbers, "", "how many axes each stands for; all 1 if left away"},
         {"file", Type::text, "", "or a JSON file with both, as schedbench spectrum writes it"}}};
    f.coordinate = "integral of the optimal density";
    f.map = "density(sigma) = sqrt(sum_k w_k e_k c_k^2/(c_k^2 + sigma^2)^2), e_k the error along axis k";
    f.levels = levels;
    f.range = model_range;
    return f;
}

}  // namespace schedbench::family_list
