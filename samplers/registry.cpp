#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "samplers/family_list.h"
#include "samplers/sampler.h"

namespace schedbench {

namespace {

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
    // Levels uniform in ln sigma, in a range that the sampler takes.
    const SamplerNeeds needs = sampler.needs();
    const double low = std::max(0.002, needs.sigma_min), high = std::min(80.0, needs.sigma_max);
    const int last = std::max(1, end_zero ? steps - 1 : steps);
    for (int i = 0; i <= steps; ++i)
        schedule.effective.push_back(
            end_zero && i == steps ? 0.0 : high * std::pow(low / high, static_cast<double>(i) / last));
    schedule.requested = schedule.effective;
    schedule.model_time.assign(schedule.effective.size(), 0.0);
    sampler.sample(counter, schedule, PhiloxNoise(0, {0}, {1}));
    return counter.calls();
}

}  // namespace

const std::vector<SamplerFamily>& sampler_families() {
    static const std::vector<SamplerFamily> list = {
#define SCHEDBENCH_CALL(name) sampler_list::name(),
        SCHEDBENCH_SAMPLER_FAMILIES(SCHEDBENCH_CALL)
#undef SCHEDBENCH_CALL
    };
    return list;
}

const std::vector<SpecEntry>& sampler_entries() {
    static const std::vector<SpecEntry> entries = [] {
        std::vector<SpecEntry> out;
        for (const SamplerFamily& family : sampler_families()) out.push_back(family.entry);
        return out;
    }();
    return entries;
}

const SamplerFamily& sampler_family(const Spec& spec, const std::string& where) {
    const SpecEntry& entry = find_entry(sampler_entries(), spec, "samplers", where);
    return sampler_families()[static_cast<size_t>(&entry - sampler_entries().data())];
}

std::unique_ptr<Sampler> make_sampler(const Spec& spec, const std::string& where) {
    const SamplerFamily& family = sampler_family(spec, where);
    return family.make(complete(spec, family.entry, where), where);
}

void check_fit(const Sampler& sampler, const Denoiser& denoiser, const std::string& noise_policy,
               const std::string& where) {
    const SamplerNeeds needs = sampler.needs();
    const std::string name = sampler.spec().print();
    if (needs.variance && !denoiser.has_variance())
        throw Error("option",
                    name + " needs a model with variance channels, which " + denoiser.spec() + " has not",
                    where, "choose another variance, or a model with learned variance");
    if (needs.table && !denoiser.process().discrete())
        throw Error("option",
                    name + " needs a model with a noise table, but the process of " + denoiser.spec() +
                        " is continuous",
                    where, "choose another sampler");
    if (needs.extra_draws && noise_policy != "philox")
        throw Error("option",
                    name + " draws noise more than once a step, which noise=" + noise_policy + " cannot give",
                    where, "use noise=philox");
    sampler.check_model(denoiser, where);
}

int steps_within_budget(const Sampler& sampler, int budget, int* nfe, const std::string& where,
                        const std::string& end_rule) {
    const bool end_zero = end_rule != "sigma-min";
    const int first = std::max(1, sampler.needs().least_levels - (end_zero ? 0 : 1));
    const int64_t least = count_evaluations(sampler, first, end_zero);
    if (least > budget)
        throw Error("number",
                    "a budget of " + std::to_string(budget) + " evaluations is too small: " +
                        (first == 1 ? std::string("one step") : std::to_string(first) + " steps") + " of " +
                        sampler.spec().print() + " needs " + std::to_string(least),
                    where);
    // A step evaluates at least once, the first one perhaps not (afs); the count does not fall with N:
    // bisect.
    int fits = first, fails = std::max(first, budget) + 1;
    while (count_evaluations(sampler, fails, end_zero) <= budget) ++fails;
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
