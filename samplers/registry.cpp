#include <ATen/ATen.h>

#include <array>
#include <limits>

#include "core/error.h"
#include "samplers/families.h"
#include "samplers/sampler.h"

namespace schedbench {

namespace {

const std::array<SamplerFamily, 5>& families() {
    static const std::array<SamplerFamily, 5> list{euler_family, ddim_family, ddpm_family, heun_family,
                                                   dpmpp_family};
    return list;
}

/// The null system: a model that costs nothing, on which evaluations are counted.
class NullDenoiser final : public Denoiser {
  public:
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor&, const at::Tensor&,
                              const at::Tensor&) const override {
        return {at::zeros_like(x), at::zeros_like(x)};
    }
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {1}; }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "null"; }

  private:
    NoiseProcess process_{Spec::parse("continuous")};
};

int64_t count_evaluations(const Sampler& sampler, int steps, bool end_zero) {
    const auto null = std::make_shared<NullDenoiser>();
    const CountingDenoiser counter(null);
    Schedule schedule;
    schedule.spec = "null";
    schedule.end_rule = end_zero ? "zero" : "sigma-min";
    schedule.time_rule = "continuous";
    for (int i = 0; i <= steps; ++i)
        schedule.effective.push_back(end_zero && i == steps ? 0.0 : static_cast<double>(steps + 1 - i));
    schedule.requested = schedule.effective;
    schedule.model_time.assign(schedule.effective.size(), 0.0);
    sampler.sample(counter, schedule, PhiloxNoise(0, {0}, {1}));
    return counter.calls();
}

}  // namespace

const std::vector<SpecEntry>& sampler_entries() {
    static const std::vector<SpecEntry> entries = [] {
        std::vector<SpecEntry> out;
        for (const SamplerFamily& family : families()) out.push_back(family.entry());
        return out;
    }();
    return entries;
}

std::unique_ptr<Sampler> make_sampler(const Spec& spec, const std::string& where) {
    const SpecEntry& entry = find_entry(sampler_entries(), spec, "samplers", where);
    const Spec completed = complete(spec, entry, where);
    for (const SamplerFamily& family : families())
        if (family.entry().name == entry.name) return family.make(completed, where);
    SCHEDBENCH_ASSERT(false);
    return nullptr;
}

int steps_within_budget(const Sampler& sampler, int budget, int* nfe, const std::string& where,
                        const std::string& end_rule) {
    SCHEDBENCH_ASSERT(end_rule == "zero" || end_rule == "sigma-min");
    const bool end_zero = end_rule == "zero";
    const int64_t least = count_evaluations(sampler, 1, end_zero);
    if (least > budget)
        throw Error("number",
                    "a budget of " + std::to_string(budget) + " evaluations is too small: one step of " +
                        sampler.spec().print() + " needs " + std::to_string(least),
                    where);
    // Every step evaluates at least once, so N <= budget; the count does not fall with N: bisect.
    int fits = 1, fails = budget + 1;
    int64_t used = least;
    while (fails - fits > 1) {
        const int middle = fits + (fails - fits) / 2;
        const int64_t count = count_evaluations(sampler, middle, end_zero);
        if (count <= budget) {
            fits = middle;
            used = count;
        } else {
            fails = middle;
        }
    }
    if (nfe) *nfe = static_cast<int>(used);
    return fits;
}

}  // namespace schedbench
